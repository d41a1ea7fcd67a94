"""One run at a time writes to an output: a file beside it says who does, and is touched as long as he lives.

The file comes into being with its content, as a second name of a private one, which is atomic on every file
system, NFS included; no lock of the operating system is needed. It is left behind by a run that was killed:
the next one takes over where it can see that the process is dead, or, from another machine, that the file has
not been touched for long; of several that want to take over one does. Times are taken from the file system,
so clocks may differ.
"""

import errno
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
SECONDS_TO_TAKE_OVER = 0.1
LOOKS = 2  # in a row that find another's lock, or none, until it counts as lost
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)  # says a file system that has none


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
    def is_alive(self) -> bool | None:
        """Whether its process goes on, or is stopped; None where that cannot be seen: on another machine."""
        if self.machine != _machine():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _born(self.pid) == self.born


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
        n_lost = 0
        while not self._released.wait(SECONDS_BETWEEN_BEATS):
            try:
                found = _read(self.path)
            except FileNotFoundError:
                found = None
            except (OSError, ValueError, TypeError):  # of a network file system, for once
                continue
            if found == self.owner:
                n_lost = 0
                with suppress(OSError):  # what is wrong shows at the next read
                    os.utime(self.path)
                continue
            n_lost += 1
            if n_lost == LOOKS:
                who = f"{found} has taken over" if found else "it was removed"
                self._lost = f"the lock {self.path} is no longer that of this run: {who}."
                return


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
        _remove_stale(output, refuse_in_use(output))
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
    is_alive = owner.is_alive if owner is not None else None
    if is_alive is False or (is_alive is None and age >= SECONDS_TO_LIVE):
        return owner
    raise OutputInUseError(
        f"{output} is being written by another run: {owner or 'not known'}, last seen {age:.0f} s ago. "
        f"Wait for it or end it. If it was killed on another machine, its lock {path} no longer counts "
        f"{SECONDS_TO_LIVE:.0f} s after it was last seen."
    )


def read_owner(path: Path) -> Owner | None:
    """Read whose a lock is; None where there is none, or it is not known."""
    try:
        return _read(path)
    except (OSError, ValueError, TypeError):
        return None


def _read(path: Path) -> Owner:
    return Owner(**json.loads(path.read_text()))


def _create(path: Path, owner: Owner) -> bool:
    """Make a lock, whole; False if there is one."""
    text = json.dumps(asdict(owner))
    own = path.with_name(f"{path.name}.{owner.run}")
    with disk_full_said(path, lambda: len(text)):
        try:
            own.write_text(text)
            return _link(own, path)
        finally:
            own.unlink(missing_ok=True)


def _link(own: Path, path: Path) -> bool:
    """Give a file a second name; False if that is taken."""
    try:
        os.link(own, path)
    except FileExistsError:
        # NFS may have done it, lost its answer, and tried again.
        return own.stat().st_ino == path.stat().st_ino if path.exists() else False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            with path.open("x") as file:
                file.write(own.read_text())
        except FileExistsError:
            return False
    return True


def _remove_stale(output: Path, owner: Owner | None) -> None:
    """Take a stale lock away, unless somebody else is doing so, or has done so and made his own.

    Raises
    ------
    OutputInUseError
        Somebody else has.
    """
    path = lock_path(output)
    taking = path.with_name(f"{path.name}.takeover")
    if not _create(taking, Owner.here()):
        with suppress(FileNotFoundError):
            if _age(taking) >= SECONDS_TO_LIVE:  # killed in the middle of it
                taking.unlink(missing_ok=True)
        time.sleep(SECONDS_TO_TAKE_OVER)
        return
    try:
        if path.exists() and refuse_in_use(output) == owner:  # it may be another's by now
            path.unlink(missing_ok=True)
            logger.warning("taking over from a run that is dead: %s", owner or "not known")
    finally:
        taking.unlink(missing_ok=True)


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
