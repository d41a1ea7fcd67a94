"""One run at a time writes to an output: a file beside it says who does, and is touched as long as he lives.

It is left behind by a run that was killed. The next one takes over where it can see that the process is
dead, or, from another machine, that the file has not been touched for long. A process of this machine that
lives keeps it, be it stopped or silent. Times are taken from the file system, so clocks may differ.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fringefleet.arguments.paths import make_folder, real_path
from fringefleet.errors import OutputInUseError, OutputLostError
from fringefleet.io.store.lock_file import SECONDS_TO_LIVE, LockState, inspect_lock, leave, sweep, take
from fringefleet.io.store.owner import Owner

SECONDS_BETWEEN_BEATS = 10.0
SECONDS_TO_LOOK_AGAIN = 1.0  # before what may be a passing fault of a network counts


class Lock:
    """The right of this process to write to an output, as long as the file is its own."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path, self.owner = path, owner
        self._lost = ""
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fringefleet-lock", daemon=True)

    def start(self) -> None:
        """Begin to touch the file, and to look whether it is still there."""
        self._thread.start()

    def check(self) -> None:
        """Refuse to go on when another run has taken over.

        Raises
        ------
        OutputLostError
            Says who.
        """
        if self._lost:
            raise OutputLostError(self._lost)

    def release(self) -> None:
        """Let others write."""
        self._released.set()
        if self._thread.ident is not None:
            self._thread.join()
        leave(self.path, self.owner)

    def _beat(self) -> None:
        suspected = False
        while not self._released.wait(SECONDS_TO_LOOK_AGAIN if suspected else SECONDS_BETWEEN_BEATS):
            who = self._successor()
            if who and suspected:
                self._lost = f"the lock {self.path} is no longer that of this run: {who}."
                return
            suspected = bool(who)
            if not suspected:
                with suppress(OSError):  # the next one may succeed
                    os.utime(self.path)

    def _successor(self) -> str:
        """Say what has become of the file; nothing where it is ours, or cannot be read now."""
        try:
            found = Owner.read(self.path.read_bytes())
        except FileNotFoundError:
            return "it was removed"
        except OSError:
            return ""
        return f"{found} has taken over" if found not in (None, self.owner) else ""


@contextmanager
def locked(output: Path) -> Iterator[Lock]:
    """Be the only run that writes to an output.

    Raises
    ------
    OutputInUseError
        Another run does; says who.
    """
    path = lock_path(output)
    make_folder(path.parent)
    lock = Lock(path, Owner.here())
    try:
        if found := take(path, lock.owner):
            raise _in_use(output, found)
        sweep(path, lock.owner)
        lock.start()
        yield lock
    finally:
        lock.release()


def lock_path(output: Path) -> Path:
    """Where the lock of an output is: beside it, so that it goes on when the output is replaced."""
    output = real_path(output)
    return output.with_name(f".{output.name}.lock")


def check_not_in_use(output: Path) -> Owner | None:
    """Refuse an output that a run writes to now; returns who did and is dead, if anybody.

    Raises
    ------
    OutputInUseError
        Says who does.
    """
    found = inspect_lock(lock_path(output))
    if found is None:
        return None
    if found.counts:
        raise _in_use(output, found)
    return found.owner


def _in_use(output: Path, found: LockState) -> OutputInUseError:
    who = f"{found.owner or 'not known'}, last seen {found.age:.0f} s ago"
    if found.is_alive and found.owner:
        advice = (
            f"It is alive, be it stopped, so its lock counts; wait for it or end it: kill {found.owner.pid}."
        )
    else:
        advice = (
            f"Wait for it or end it. If it was killed on another machine, its lock {lock_path(output)} no "
            f"longer counts {SECONDS_TO_LIVE:.0f} s after it was last seen."
        )
    return OutputInUseError(f"{output} is being written by another run: {who}. {advice}")
