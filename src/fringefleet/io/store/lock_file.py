"""File owned by one process at a time: created complete, taken over from dead owners, removed by its owner.

The file is linked to its name once it contains its owner, which is atomic on every file system with links,
including NFS; on others it is created exclusively and then written. No lock of the operating system is
needed.

A process that takes a file over from a dead owner first acquires a second file, named after that owner, in
the same way; an owner that is not dead after all needs it to remove its own file. As no other run has that
name, and the process with the second file checks again, a file is never taken from its next owner.
"""

import errno
import glob
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from fringefleet.errors import InputError, OutputInUseError
from fringefleet.io.files.folder import check_plain_file
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.store.owner import Owner

logger = logging.getLogger(__name__)

SECONDS_TO_LIVE = 120.0  # without a heartbeat; NFS may show times that are a minute old
_SECONDS_TO_WAIT = 5.0  # for a process that is taking over
_TRIES = 100
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class LockState:
    """State of a lock file, as far as known."""

    owner: Owner | None
    name: str  # unique among successive files
    age: float  # seconds since it was touched

    @property
    def is_alive(self) -> bool | None:
        """Whether its owner is alive; None if that cannot be determined."""
        return self.owner.is_alive if self.owner else None

    @property
    def counts(self) -> bool:
        """Whether it is still held: an owner that cannot be checked must have touched it recently."""
        return self.age < SECONDS_TO_LIVE if self.is_alive is None else self.is_alive


def take(path: Path, owner: Owner) -> LockState | None:
    """Acquire a file for an owner; or return the state of the file that another one holds.

    Raises
    ------
    DiskFullError
        There is no space for it.
    OutputInUseError
        Something else exists there, such as a broken link.
    """
    for _ in range(_TRIES):  # what is found may be gone before it is examined
        if _create(path, owner):
            return None
        found = inspect_lock(path)
        if found is None:
            continue
        if found.counts:
            return found
        taken, busy = _take_over(path, found, owner)
        if taken:
            logger.warning("taking over from a dead run: %s", found.owner or "unknown")
            return None
        if busy:
            return busy
    raise OutputInUseError(f"{path} can neither be created nor read; remove it if no other run is active.")


def leave(path: Path, owner: Owner) -> None:
    """Remove a file if it belongs to an owner, and nobody else's."""
    if owner_of(path) != owner:
        return
    claim = _claim(path, owner.run)
    end = time.monotonic() + _SECONDS_TO_WAIT
    with suppress(OSError):  # a full disk has no space for it
        while take(claim, owner) and time.monotonic() < end:
            time.sleep(0.05)
    _remove_own(path, owner)
    _remove_own(claim, owner)


def inspect_lock(path: Path) -> LockState | None:
    """Read the state of a file; None if there is none.

    Raises
    ------
    InputError
        It is not a file.
    """
    check_plain_file(path)
    if path.is_dir():
        raise InputError(f"found a folder {path}, in the place of a lock file. Remove or rename it.")
    try:
        state, text = _read(path)
    except FileNotFoundError:
        return None
    owner = Owner.read(text)
    name = owner.run if owner else f"{state.st_ino}-{state.st_mtime_ns}"
    return LockState(owner, name, _now(path) - state.st_mtime)


def owner_of(path: Path) -> Owner | None:
    """Read the owner of a file; None if there is no file, or its owner is unknown."""
    try:
        return Owner.read(path.read_bytes())
    except OSError:
        return None


def sweep(path: Path, owner: Owner) -> None:
    """Remove leftovers of dead processes next to a file that now belongs to an owner."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*"):
        with suppress(OSError):
            if owner.run not in left.name and (found := inspect_lock(left)) and found.age >= SECONDS_TO_LIVE:
                left.unlink(missing_ok=True)


def _read(path: Path) -> tuple[os.stat_result, bytes]:
    try:
        with path.open("rb") as file:  # opening makes NFS query the server again
            return os.fstat(file.fileno()), file.read()
    except PermissionError:  # of another user, who denies reading
        return path.stat(), b""


def _create(path: Path, owner: Owner) -> bool:
    """Create a file that names its owner; return False if it exists."""
    text = owner.text()
    with translate_disk_full(path, lambda: len(text)), _written_aside(path, text) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return owner_of(path) == owner  # NFS may have sent the request twice
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create_exclusively(path, text)
    return True


def _create_exclusively(path: Path, text: str) -> bool:
    try:
        file = path.open("x")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _take_over(path: Path, found: LockState, owner: Owner) -> tuple[bool, LockState | None]:
    """Replace a file whose owner is dead; or return its new state, or that of the process taking over."""
    claim = _claim(path, found.name)
    try:
        if busy := take(claim, owner):
            return False, busy
        now = inspect_lock(path)
        if now is None or now.name != found.name or now.counts:
            return False, None
        text = owner.text()
        with translate_disk_full(path, lambda: len(text)), _written_aside(path, text) as aside:
            aside.replace(path)
        return True, None
    finally:
        _remove_own(claim, owner)


def _claim(path: Path, name: str) -> Path:
    """Return the path of the file that a process needs to take over from an owner."""
    return path.with_name(f"{path.name}.{name}")


def _remove_own(path: Path, owner: Owner) -> None:
    if owner_of(path) == owner:
        path.unlink(missing_ok=True)


@contextmanager
def _written_aside(path: Path, text: str) -> Iterator[Path]:
    """Write a file next to another, and remove it if it still exists."""
    aside = _private(path)
    try:
        aside.write_text(text)
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def _now(path: Path) -> float:
    """Return the time by the clock of a file's file system, so that clocks may differ."""
    probe = _private(path)
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:  # a full disk, or a read-only folder, has no space for a probe
        return time.time()
    return now


def _private(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid4().hex[:16]}")
