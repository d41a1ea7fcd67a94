"""Standard output and error of the command line, made safe to write to."""

import io
import os
import sys
from pathlib import Path
from typing import TextIO

from fringefleet.errors import FringefleetError


class LenientStream(io.TextIOWrapper):
    """A text stream that never ends the program because of who reads it.

    Once the reader has gone, as ``head`` does, the rest is dropped; a character that the encoding lacks, such
    as a degree sign in ASCII, becomes a question mark.

    Raises
    ------
    FringefleetError
        It cannot be written to for another reason, such as a full disk.
    """

    def write(self, text: str) -> int:
        """Write text, or drop it if nobody reads it any more."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it if nobody reads it any more."""
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
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one
    sys.stdout, sys.stderr = _lenient(sys.stdout, 1), _lenient(sys.stderr, 2)


def _lenient(stream: TextIO | None, number: int) -> LenientStream:
    if stream is None:  # closed; its number may be somebody else's by now
        return LenientStream(Path(os.devnull).open("wb"), encoding="utf-8", errors="replace")
    at_once = stream.isatty() or number == 2
    return LenientStream(stream.buffer, encoding=stream.encoding, errors="replace", line_buffering=at_once)
