"""One run at a time writes to an output: a file beside it says who does, and is touched as long as he lives.

The file is created exclusively, which is atomic on every file system, NFS included; no lock of the operating
system is needed. It is left behind by a run that was killed: the next one takes over where it can see that
the process is dead, or, from another machine, that the file has not been touched for long. Times are taken
from the file system, so clocks may differ.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from fringefleet.errors import OutputInUseError, RunError
from fringefleet.io.disk import disk_full_said

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_BEATS = 10.0
SECONDS_TO_LIVE = 120.0  # without a beat; NFS may show what is a minute old


@dataclass(frozen=True)
class Owner:
    """A process that writes to an output."""

    run: str  # a name that no other run has
    host: str
    pid: int
    machine: str  # where the pid means something: this boot, and the namespace of its processes
    born: str  # of the process, so that a pid that is used again is another
    since: str

    @classmethod
    def here(cls) -> "Owner":
        """Describe this process."""
        pid = os.getpid()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(uuid4().hex, socket.gethostname(), pid, _machine(), _born(pid), now)

    def __str__(self) -> str:
        """Name it for a message."""
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_dead(self) -> bool:
        """Whether it is a process of this machine that has ended; False where that cannot be seen."""
        if self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return _born(self.pid) != self.born


class Lock:
    """The right of this process to write to an output, as long as the file is its own."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path, self.owner = path, owner
        self._lost = ""
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fringefleet-lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Refuse to go on when another run has taken over.

        Raises
        ------
        RunError
            Says who.
        """
        if self._lost:
            raise RunError(self._lost)

    def release(self) -> None:
        """Let others write."""
        self._released.set()
        self._thread.join()
        if read_owner(self.path) == self.owner:
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._released.wait(SECONDS_BETWEEN_BEATS):
            found = read_owner(self.path)
            if found != self.owner:
                who = f"{found} has taken over" if found else "it was removed"
                self._lost = f"the lock {self.path} is no longer that of this run: {who}."
                return
            with suppress(OSError):  # what is wrong shows at the next read
                os.utime(self.path)


@contextmanager
def locked(output: Path) -> Iterator[Lock]:
    """Be the only run that writes to an output.

    Raises
    ------
    OutputInUseError
        Another run does; says who.
    """
    path = lock_path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = Owner.here()
    while not _create(path, owner):
        _remove_stale(path, refuse_in_use(output))
    lock = Lock(path, owner)
    try:
        yield lock
    finally:
        lock.release()


def lock_path(output: Path) -> Path:
    """Where the lock of an output is: beside it, so that it goes on when the output is replaced."""
    output = output.resolve()
    return output.with_name(f".{output.name}.lock")


def refuse_in_use(output: Path) -> Owner | None:
    """Refuse an output that a run writes to now; returns who did and is dead, if anybody.

    Raises
    ------
    OutputInUseError
        Says who does.
    """
    path = lock_path(output)
    try:
        age = _age(path)
    except FileNotFoundError:
        return None
    owner = read_owner(path)
    if owner is not None and owner.is_dead:
        return owner
    if age >= SECONDS_TO_LIVE:
        return owner
    raise OutputInUseError(
        f"{output} is being written by another run: {owner or 'not known'}, last seen {age:.0f} s ago. "
        f"Wait for it or end it. If it was killed on another machine, its lock {path} no longer counts "
        f"{SECONDS_TO_LIVE:.0f} s after it was last seen."
    )


def read_owner(path: Path) -> Owner | None:
    """Read whose a lock is; None where there is none, or it is not known."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _create(path: Path, owner: Owner) -> bool:
    text = json.dumps(asdict(owner))
    try:
        with path.open("x") as file, disk_full_said(path, lambda: len(text)):
            file.write(text)
            file.flush()
    except FileExistsError:
        return False
    except BaseException:
        path.unlink()
        raise
    return True


def _remove_stale(path: Path, owner: Owner | None) -> None:
    """Take a stale lock away, unless somebody else has just done so and made his own."""
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        path.rename(aside)  # of several that try, one succeeds
    except FileNotFoundError:
        return
    if read_owner(aside) != owner:
        with suppress(FileExistsError):
            os.link(aside, path)
    else:
        logger.warning("taking over from a run that is dead: %s", owner or "not known")
    aside.unlink()


def _age(path: Path) -> float:
    """Seconds since a file was touched, by the clock of its file system."""
    probe = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
    except OSError:  # a full disk has no room for a probe
        now = time.time()
    finally:
        probe.unlink(missing_ok=True)
    with path.open() as file:  # on NFS it is asked for again when it is opened
        return now - os.fstat(file.fileno()).st_mtime


def _machine() -> str:
    """Name what a pid belongs to, as far as the system says."""
    facts = [socket.gethostname()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(facts)


def _born(pid: int) -> str:
    """When a process was started, in ticks since the machine was; empty if it ended or nobody says."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[19]  # a zombie has ended
