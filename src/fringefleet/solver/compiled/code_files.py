"""Files with compiled code: their location, ownership checks, writing and locking.

The content of such a file is executed. A file therefore counts only if it and its folder belong to this user
or to root, and nobody else may write to them; and only if its checksum is correct. A file or folder with any
defect is treated as empty: nothing here raises, because code can always be compiled again.
"""

import errno
import fcntl
import hashlib
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

logger = logging.getLogger(__name__)

VARIABLE = "FRINGEFLEET_CACHE_DIR"  # of the environment
FOLDER = "compiled"  # in the folder that the variable names, or in ours of the user's caches
CODE, LOCK, PART = ".code", ".lock", ".part"
_FORMAT = b"fringefleet code 1\n"
_MOST_BYTES = 2**26  # size of a file
_SECONDS_TO_WAIT = 180.0  # for another process that compiles the same code; then both do
_SECONDS_BETWEEN_TRIES = 0.05
_SECONDS_TO_KEEP = 90 * 86400.0  # unused code
_SECONDS_BETWEEN_MARKS = 86400.0  # updates of the time of last use
_SECONDS_TO_WRITE = 3600.0  # a file; after that its writer is assumed dead
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_IS_LOCKED = (errno.EACCES, errno.EAGAIN)


class CodePlace(NamedTuple):
    """Folder for compiled code."""

    folder: Path | None  # None: there is none
    why: str  # why preceding folders, or all of them, cannot be used


def find_folders(environment: Mapping[str, str]) -> list[Path]:
    """List the folders that code may be in, the preferred first; they need not exist.

    The last one, in the folder for temporary files, is used when no other is writable.

    Parameters
    ----------
    environment
        Environment variables: ours, that of numba, and those that define the user's cache folder.

    Examples
    --------
    >>> str(find_folders({"XDG_CACHE_HOME": "/cache", "HOME": "/home/me"})[0])
    '/cache/fringefleet/compiled'
    """
    found = []
    if said := environment.get(VARIABLE):
        found.append(Path(said))
    elif said := environment.get("NUMBA_CACHE_DIR"):
        found.append(Path(said) / "fringefleet")
    elif caches := _user_caches(environment):
        found.append(caches / "fringefleet")
    with suppress(OSError):  # there is none
        found.append(Path(tempfile.gettempdir()) / f"fringefleet-{os.geteuid()}")
    return [folder / FOLDER for folder in found]


def _user_caches(environment: Mapping[str, str]) -> Path | None:
    """Find the user's cache folder; None if undefined. Relative paths are ignored."""
    said = Path(environment.get("XDG_CACHE_HOME", ""))
    if said.is_absolute():
        return said
    home = Path(environment.get("HOME", ""))
    if "HOME" not in environment:
        with suppress(RuntimeError):
            home = Path.home()
    return home / ".cache" if home.is_absolute() else None


def read_code(name: str) -> bytes | None:
    """Read the code with a given name; None if there is none that is trusted and intact."""
    for folder in find_folders(os.environ):
        path = folder / f"{name}{CODE}"
        try:
            content = _read_trusted(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.debug("no code is read from %s: %s", path, error)
            continue
        code = _unwrap(name, content)
        if code is not None:
            return code
        logger.debug("%s is damaged and is made again", path)
    return None


def write_code(name: str, code: bytes) -> Path | None:
    """Write code under a name, replacing an existing file; return its path, or None if it cannot be kept."""
    for folder in find_folders(os.environ):
        path = folder / f"{name}{CODE}"
        try:
            _make_trusted(folder)
            _replace(path, _wrap(name, code))
        except OSError as error:
            logger.debug("no code is kept in %s: %s", folder, error)
            continue
        _sweep(folder)
        return path
    return None


@contextmanager
def locked_code(name: str, seconds: float = _SECONDS_TO_WAIT) -> Iterator[CodePlace]:
    """Prevent other processes from compiling the code with a name meanwhile; yield where it can be kept.

    The system releases the lock of a process that died. A live process is waited for up to a limit [s], and
    then both compile. Where locks are not available, there is none.
    """
    lost: list[str] = []
    place = None
    for folder in find_folders(os.environ):
        path = folder / f"{name}{LOCK}"
        try:
            _make_trusted(folder)
            lock, state = _lock(path, seconds)
        except OSError as error:
            lost.append(f"{folder}: {error.strerror or error}")
            continue
        place = place or folder
        try:
            if state is not None:
                yield CodePlace(place, "; ".join(lost))
                return
        finally:
            if state:
                with suppress(OSError):
                    path.unlink()
            os.close(lock)
    yield CodePlace(place, "; ".join(lost))


def _lock(path: Path, seconds: float) -> tuple[int, bool | None]:
    """Open and lock a file, which its previous owner may remove; wait up to the given time [s].

    Returns
    -------
    tuple
        File descriptor; and whether it is locked, None where the file system has no locks.

    Raises
    ------
    OSError
        The file cannot be created.
    """
    end = time.monotonic() + seconds
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            state = _try_to_lock(lock)
            if state is None or (state and _is_at(path, lock)):
                return lock, state
            if not state and time.monotonic() > end:
                logger.debug("%s has been locked for more than %g s", path, seconds)
                return lock, False
            time.sleep(_SECONDS_BETWEEN_TRIES)
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _try_to_lock(lock: int) -> bool | None:
    """Lock a file for this process, if it is free; return None where the file system has no locks."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _IS_LOCKED else None
    return True


def _is_at(path: Path, lock: int) -> bool:
    """Return whether an open file is still the one with that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _check_trusted(state: os.stat_result) -> None:
    """Reject a file that belongs to another user, or that others may write to."""
    if state.st_uid not in (0, os.geteuid()):
        raise PermissionError(errno.EPERM, f"it belongs to user {state.st_uid}")
    if state.st_mode & _OTHERS_MAY_WRITE:
        mode = stat.S_IMODE(state.st_mode)
        raise PermissionError(errno.EPERM, f"others may write to it (its mode is {mode:o})")


def _make_trusted(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    _check_trusted(folder.stat())


def _read_trusted(path: Path) -> bytes:
    _check_trusted(path.parent.stat())
    # A named pipe must not block.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        state = os.fstat(file.fileno())
        _check_trusted(state)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            raise OSError(errno.EINVAL, "it is not a file of this program")
        content = file.read()
    if time.time() - state.st_mtime > _SECONDS_BETWEEN_MARKS:
        with suppress(OSError):
            os.utime(path)
    return content


def _wrap(name: str, code: bytes) -> bytes:
    body = name.encode() + b"\n" + code
    return _FORMAT + hashlib.sha256(body).digest() + body


def _unwrap(name: str, content: bytes) -> bytes | None:
    """Extract the code from the content of a file; None unless it is intact, and of this name."""
    start = len(_FORMAT) + hashlib.sha256().digest_size
    head, body = content[:start], content[start:]
    named, _, code = body.partition(b"\n")
    is_whole = head == _FORMAT + hashlib.sha256(body).digest()
    return code if is_whole and named == name.encode() else None


def _replace(path: Path, content: bytes) -> None:
    """Write a file atomically: it appears only when complete."""
    part = path.with_name(f"{path.name}.{uuid4().hex[:16]}{PART}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:  # noqa: PTH123
            file.write(content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sweep(folder: Path) -> None:
    """Remove files that have not been used for long, and unfinished files of dead processes."""
    now = time.time()
    for path in folder.glob("*"):
        with suppress(OSError):
            age = now - path.lstat().st_mtime
            most = _SECONDS_TO_WRITE if path.suffix == PART else _SECONDS_TO_KEEP
            if path.suffix in (CODE, LOCK, PART) and age > most:
                path.unlink()
