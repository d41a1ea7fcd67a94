"""Advisory lock with heartbeat: one writer per output.

A lock file next to the output names its owner and is touched while the owner lives. A killed run leaves it
behind. The next one takes over if it can see that the process is dead, or, from another machine, that the
file has not been touched for long. A live process of this machine keeps it, even if stopped or silent. Times
are taken from the file system, so clocks may differ.
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
SECONDS_TO_LOOK_AGAIN = 1.0  # before a possibly transient fault of a network counts


class Lock:
    """Right of this process to write to an output, as long as the lock file is its own."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path, self.owner = path, owner
        self._lost = ""
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fringefleet-lock", daemon=True)

    def start(self) -> None:
        """Start to touch the file, and to check whether it still exists."""
        self._thread.start()

    def check(self) -> None:
        """Raise an error if another run has taken over.

        Raises
        ------
        OutputLostError
            Names the other run.
        """
        if self._lost:
            raise OutputLostError(self._lost)

    def release(self) -> None:
        """Release the lock."""
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
                with suppress(OSError):  # the next attempt may succeed
                    os.utime(self.path)

    def _successor(self) -> str:
        """Describe what happened to the file; empty where it is ours, or cannot be read now."""
        try:
            found = Owner.read(self.path.read_bytes())
        except FileNotFoundError:
            return "it was removed"
        except OSError:
            return ""
        return f"{found} has taken over" if found not in (None, self.owner) else ""


@contextmanager
def locked(output: Path) -> Iterator[Lock]:
    """Hold the lock of an output.

    Raises
    ------
    OutputInUseError
        Another run holds it; the message names it.
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
    """Return the path of the lock of an output: next to it, so that replacing the output keeps it."""
    output = real_path(output)
    return output.with_name(f".{output.name}.lock")


def check_not_in_use(output: Path) -> Owner | None:
    """Reject an output that a run is writing to; return the dead owner of a lock that was left, if any.

    Raises
    ------
    OutputInUseError
        Names the run.
    """
    found = inspect_lock(lock_path(output))
    if found is None:
        return None
    if found.counts:
        raise _in_use(output, found)
    return found.owner


def _in_use(output: Path, found: LockState) -> OutputInUseError:
    who = f"{found.owner or 'unknown'}, last seen {found.age:.0f} s ago"
    if found.is_alive and found.owner:
        advice = (
            "It is alive, possibly stopped, so its lock is valid; wait for it or end it: kill "
            f"{found.owner.pid}."
        )
    else:
        advice = (
            f"Wait for it or end it. If it was killed on another machine, its lock {lock_path(output)} "
            f"expires {SECONDS_TO_LIVE:.0f} s after it was last seen."
        )
    return OutputInUseError(f"{output} is being written by another run: {who}. {advice}")
