"""A file that one process has at a time: made whole, taken over from the dead by one, removed by its owner.

The file is linked to its name when it says who has it, which is atomic on every file system that has links,
NFS included; on the others it is created exclusively and then written. No lock of the operating system is
needed.

Whoever takes a file over from an owner that is dead first has a second file, named after that owner, in the
same way; an owner that is not dead after all has it to remove his file. As no other run has the name, and
who has the second file looks again, a file is never taken from its next owner.
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

SECONDS_TO_LIVE = 120.0  # without a beat; NFS may show what is a minute old
_SECONDS_TO_WAIT = 5.0  # for who is just taking over
_TRIES = 100
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class LockState:
    """Whose a file is, as far as that is known."""

    owner: Owner | None
    name: str  # that no other file has which comes after it
    age: float  # seconds since it was touched

    @property
    def is_alive(self) -> bool | None:
        """Whether its owner is alive; None where nobody can see."""
        return self.owner.is_alive if self.owner else None

    @property
    def counts(self) -> bool:
        """Whether it is still its owner's: who cannot be seen has to have touched it lately."""
        return self.age < SECONDS_TO_LIVE if self.is_alive is None else self.is_alive


def take(path: Path, owner: Owner) -> LockState | None:
    """Make a file an owner's own; or say whose it is.

    Raises
    ------
    DiskFullError
        There is no room for it.
    OutputInUseError
        Something else is there, such as a link to nothing.
    """
    for _ in range(_TRIES):  # what is found may be gone before it is looked at
        if _create(path, owner):
            return None
        found = inspect_lock(path)
        if found is None:
            continue
        if found.counts:
            return found
        taken, busy = _take_over(path, found, owner)
        if taken:
            logger.warning("taking over from a run that is dead: %s", found.owner or "not known")
            return None
        if busy:
            return busy
    raise OutputInUseError(f"{path} can neither be made nor read; remove it if no other run goes on.")


def leave(path: Path, owner: Owner) -> None:
    """Remove a file that is an owner's own, and nobody else's."""
    if owner_of(path) != owner:
        return
    claim = _claim(path, owner.run)
    end = time.monotonic() + _SECONDS_TO_WAIT
    with suppress(OSError):  # a full disk has no room for it
        while take(claim, owner) and time.monotonic() < end:
            time.sleep(0.05)
    _remove_own(path, owner)
    _remove_own(claim, owner)


def inspect_lock(path: Path) -> LockState | None:
    """Look whose a file is; None if there is none.

    Raises
    ------
    InputError
        It is no file.
    """
    check_plain_file(path)
    if path.is_dir():
        raise InputError(f"found a folder {path}, where this program keeps its lock. Remove or rename it.")
    try:
        state, text = _read(path)
    except FileNotFoundError:
        return None
    owner = Owner.read(text)
    name = owner.run if owner else f"{state.st_ino}-{state.st_mtime_ns}"
    return LockState(owner, name, _now(path) - state.st_mtime)


def owner_of(path: Path) -> Owner | None:
    """Read whose a file is; None where there is none, or it is not known."""
    try:
        return Owner.read(path.read_bytes())
    except OSError:
        return None


def sweep(path: Path, owner: Owner) -> None:
    """Remove what the dead have left beside a file, which is its owner's now."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*"):
        with suppress(OSError):
            if owner.run not in left.name and (found := inspect_lock(left)) and found.age >= SECONDS_TO_LIVE:
                left.unlink(missing_ok=True)


def _read(path: Path) -> tuple[os.stat_result, bytes]:
    try:
        with path.open("rb") as file:  # on NFS it is asked for again when it is opened
            return os.fstat(file.fileno()), file.read()
    except PermissionError:  # of another user, who shows it to nobody
        return path.stat(), b""


def _create(path: Path, owner: Owner) -> bool:
    """Make a file that says whose it is; False if there is one."""
    text = owner.text()
    with translate_disk_full(path, lambda: len(text)), _written_aside(path, text) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return owner_of(path) == owner  # NFS may have asked twice
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
    """Replace a file whose owner is dead; or say that it is another's now, and who is just doing so."""
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
    """Name the file that who takes over from an owner has to have."""
    return path.with_name(f"{path.name}.{name}")


def _remove_own(path: Path, owner: Owner) -> None:
    if owner_of(path) == owner:
        path.unlink(missing_ok=True)


@contextmanager
def _written_aside(path: Path, text: str) -> Iterator[Path]:
    """Write a file beside another, and remove it if it is still there."""
    aside = _private(path)
    try:
        aside.write_text(text)
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def _now(path: Path) -> float:
    """The time by the clock of a file's file system, so that clocks may differ."""
    probe = _private(path)
    try:
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:  # a full disk, or a folder that is only to be read, has no room for a probe
        return time.time()
    return now


def _private(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid4().hex[:16]}")
