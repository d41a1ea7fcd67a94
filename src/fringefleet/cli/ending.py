"""End of the process of a command: interrupted, or when all is done. Light, as it comes before all else."""

import atexit
import os
import signal
import sys
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import NoReturn

FAILED, BAD_INPUT = 1, 2  # exit codes
_SECONDS_OF_ONE_INTERRUPT = 0.5  # whoever runs the process may hand it on, so that it comes twice
_SECONDS_TO_REPEAT = 0.05  # where nothing could be raised


class Interrupts:
    """Signals that ask the process to end."""

    def __init__(self) -> None:
        self.first: float | None = None  # when it came
        self._is_lost = False  # it came where nothing can be raised, such as in __del__

    def listen(self) -> None:
        """Take the signals that nobody else does, and whatever Python cannot raise."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # nohup ignores SIGHUP
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._interrupt)
        signal.signal(signal.SIGALRM, self._repeat)
        self.find_lost()

    def find_lost(self) -> None:
        """Check whatever Python cannot raise, before the hook that is there now: it may be an interrupt."""
        self._next_hook = sys.unraisablehook
        sys.unraisablehook = self._check_unraisable

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Announce the end, stop the workers, release what is held, and end; the second time, end at once."""
        now = monotonic()
        if self.first is None:
            self.first = now
            raise KeyboardInterrupt
        if now - self.first >= _SECONDS_OF_ONE_INTERRUPT:
            os.write(sys.stderr.fileno(), b"error: interrupted again.\n")
            end_now(FAILED)

    def _check_unraisable(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Repeat an interrupt that Python has ignored; no lock may be taken in here."""
        if self.first is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._next_hook(unraisable)
            return
        self._is_lost = True
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_REPEAT)

    def _repeat(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_lost:
            self._is_lost = False
            raise KeyboardInterrupt


def end_now(code: int) -> NoReturn:
    """End this process and the workers that it started; what guards its jobs has a session of its own."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):
            if os.getsid(child.pid) == os.getsid(0):
                child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class QuickExit:
    """Ends this process when all else that was to be done at its end has been done.

    Python would still take all modules apart, which takes as long as a third of their import.
    """

    def __init__(self) -> None:
        """Come after all that is registered later."""
        self.code: int | None = None  # None: let Python go its way
        atexit.register(self._exit)

    def _exit(self) -> None:
        with suppress(Exception):  # Python says so
            if self.code is not None:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(self.code)
