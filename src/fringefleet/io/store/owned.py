"""Folders of files that are not complete yet, each of one process; what the dead have left is removed.

Who has a folder is told by a lock beside it (:mod:`fringefleet.io.store.lock`): a process of this machine
that lives keeps it, one that cannot be seen from here (another host, another namespace of processes) as long
as it gives signs of life. The lock is there before the folder and goes after it, so a folder without one was
left by the dead.

A store that was about to be replaced is put back if its successor did not take its place any more.
"""

import glob
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from fringefleet.io.store.lock import lock_path, locked
from fringefleet.io.store.lock_file import inspect_lock

logger = logging.getLogger(__name__)

BESIDE = ".fringefleet-"  # how folders begin that are made beside what is written
_MADE_HERE = re.compile("[0-9a-f]{16}")
REPLACED = (
    "replaced"  # folder in such a folder: what is replaced lies in it until its successor has its place
)


@contextmanager
def owned_folder(base: Path, prefix: str = BESIDE) -> Iterator[Path]:
    """Make a folder that only this user can read, and remove it at last; and those that the dead have left.

    Parameters
    ----------
    base
        The folder to make it in.
    prefix
        What its name begins with.
    """
    remove_left_behind(base, prefix)
    folder = base / f"{prefix}{uuid4().hex[:16]}"
    with locked(folder):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _put_back(folder)
            shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(base: Path, prefix: str = BESIDE) -> None:
    """Remove the folders of this user that processes have left which are no more, and their locks."""
    start = glob.escape(prefix)
    for lock in base.glob(f".{start}*.lock*"):
        found = inspect_lock(lock)
        if found is not None and not found.counts and _is_ours(lock):
            _remove(base / lock.name[1:].partition(".lock")[0])
            with suppress(OSError):
                lock.unlink(missing_ok=True)
    for folder in base.glob(f"{start}*"):
        if _MADE_HERE.fullmatch(folder.name.removeprefix(prefix)) and not lock_path(folder).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    if _is_ours(folder) and folder.is_dir() and not folder.is_symlink():
        _put_back(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:  # who removes it, too, was quicker
        return False


def _put_back(folder: Path) -> None:
    """Put back what had been moved away, if what was to take its place is still here."""
    moved_away = folder / REPLACED
    for old in moved_away.iterdir() if moved_away.is_dir() else ():
        place = folder.parent / old.name
        if (folder / old.name).exists() and not place.exists():
            logger.warning("putting %s back: a run that was to overwrite it ended before it did", place)
            with suppress(OSError):  # another one may have been quicker
                old.rename(place)
