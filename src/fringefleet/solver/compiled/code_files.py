"""Files with compiled code: where they are, whose are trusted, how they are written and locked.

What is in such a file is run. So a file counts only if it and its folder belong to this user or to root, and
nobody else may write to them; and only if it is whole, by its checksum. Whatever is wrong with a file or a
folder, there is just no code in it: nothing here raises, as code can always be made again.
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
_MOST_BYTES = 2**26  # of a file
_SECONDS_TO_WAIT = 180.0  # for who makes the same code; then it is made twice
_SECONDS_BETWEEN_TRIES = 0.05
_SECONDS_TO_KEEP = 90 * 86400.0  # code that nobody uses
_SECONDS_BETWEEN_MARKS = 86400.0  # by which one sees that it is used
_SECONDS_TO_WRITE = 3600.0  # a file; then who wrote it is dead
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_IS_LOCKED = (errno.EACCES, errno.EAGAIN)


class CodePlace(NamedTuple):
    """Where code is kept."""

    folder: Path | None  # None: nowhere
    why: str  # folders that come before it are of no use, or none is


def find_folders(environment: Mapping[str, str]) -> list[Path]:
    """List the folders that code may be in, the best first; none of them need be there.

    The last one, in the folder for temporary files, is for who has no other that can be written.

    Parameters
    ----------
    environment
        Variables: ours, that of numba, and those that say where the user's caches are.

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
    """Find the folder of the user's caches; None if nobody knows it. Paths that are not absolute are none."""
    said = Path(environment.get("XDG_CACHE_HOME", ""))
    if said.is_absolute():
        return said
    home = Path(environment.get("HOME", ""))
    if "HOME" not in environment:
        with suppress(RuntimeError):
            home = Path.home()
    return home / ".cache" if home.is_absolute() else None


def read_code(name: str) -> bytes | None:
    """Read the code that has a name; None where there is none that is trusted and whole."""
    for folder in find_folders(os.environ):
        path = folder / f"{name}{CODE}"
        try:
            content = _read_trusted(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.debug("no code is taken from %s: %s", path, error)
            continue
        code = _unwrap(name, content)
        if code is not None:
            return code
        logger.debug("%s is broken, so it is made again", path)
    return None


def write_code(name: str, code: bytes) -> Path | None:
    """Write code under a name, in place of what is there; tell where to, None if it cannot be kept."""
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
    """Keep others from making the code that has a name, until it ends; tell where it can be kept.

    The system takes the lock from a process that is dead. One that is neither dead nor done is waited for so
    long [s], and then both make it. Where there is no lock to be had, there is none.
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
    """Open and lock a file, which may be removed by who has it before; wait so long [s] at most.

    Returns
    -------
    tuple
        The file; and whether it is locked, None where the file system knows no locks.

    Raises
    ------
    OSError
        It cannot be made.
    """
    end = time.monotonic() + seconds
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            state = _try_to_lock(lock)
            if state is None or (state and _is_at(path, lock)):
                return lock, state
            if not state and time.monotonic() > end:
                logger.debug("%s is locked for more than %g s", path, seconds)
                return lock, False
            time.sleep(_SECONDS_BETWEEN_TRIES)
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _try_to_lock(lock: int) -> bool | None:
    """Lock a file for this process, if nobody else has; None where the file system knows no locks."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _IS_LOCKED else None
    return True


def _is_at(path: Path, lock: int) -> bool:
    """Whether a file that is open is still the one with that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _check_trusted(state: os.stat_result) -> None:
    """Refuse what belongs to somebody else, or what somebody else may write to."""
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
    # A pipe of that name must not be waited for.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        state = os.fstat(file.fileno())
        _check_trusted(state)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            raise OSError(errno.EINVAL, "it is no file of ours")
        content = file.read()
    if time.time() - state.st_mtime > _SECONDS_BETWEEN_MARKS:
        with suppress(OSError):
            os.utime(path)
    return content


def _wrap(name: str, code: bytes) -> bytes:
    body = name.encode() + b"\n" + code
    return _FORMAT + hashlib.sha256(body).digest() + body


def _unwrap(name: str, content: bytes) -> bytes | None:
    """Take the code out of the content of a file; None unless that is whole, and of this name."""
    start = len(_FORMAT) + hashlib.sha256().digest_size
    head, body = content[:start], content[start:]
    named, _, code = body.partition(b"\n")
    is_whole = head == _FORMAT + hashlib.sha256(body).digest()
    return code if is_whole and named == name.encode() else None


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is there when it is whole, and not before."""
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
    """Remove what nobody has used for long, and what the dead have begun to write."""
    now = time.time()
    for path in folder.glob("*"):
        with suppress(OSError):
            age = now - path.lstat().st_mtime
            most = _SECONDS_TO_WRITE if path.suffix == PART else _SECONDS_TO_KEEP
            if path.suffix in (CODE, LOCK, PART) and age > most:
                path.unlink()
