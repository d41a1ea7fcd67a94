"""Standard output and error of the command line, made safe to write to."""

import io
import os
import sys
from pathlib import Path
from typing import TextIO

from fringefleet.errors import FringefleetError


class LenientStream(io.TextIOWrapper):
    """A text stream that drops the rest once its reader has gone, as ``head`` does.

    Raises
    ------
    FringefleetError
        It cannot be written to for another reason, such as a full disk.
    """

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, reason: OSError) -> None:
        """Let what is buffered, and all that follows, go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()
        if not isinstance(reason, BrokenPipeError):
            raise FringefleetError(
                f"what this command prints could not be written: {reason.strerror}. Send it elsewhere."
            ) from reason


def make_streams_lenient() -> None:
    """Replace standard output and error by streams that closed readers and odd encodings do not break.

    A stream that was closed before the start (``>&-``) is opened on the null device: else the next file that
    is opened would get its number, and with it whatever a library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdout = _lenient(sys.stdout, line_buffering=sys.stdout is not None and sys.stdout.isatty())
    sys.stderr = _lenient(sys.stderr, line_buffering=True)


def _lenient(stream: TextIO | None, *, line_buffering: bool) -> LenientStream:
    if stream is None:  # closed; its number may be that of another file by now
        return LenientStream(Path(os.devnull).open("wb"), "utf-8", "replace")
    return LenientStream(stream.buffer, stream.encoding, "replace", line_buffering=line_buffering)
