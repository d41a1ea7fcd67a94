"""Folders of unfinished files, each owned by one process; those of dead processes are removed.

A lock next to a folder names its owner (:mod:`fringefleet.io.store.lock`): a live process of this machine
keeps it, one that cannot be seen from here (another host, another namespace of processes) as long as it
gives signs of life. The lock is created before the folder and removed after it, so a folder without one was
left by a dead process.

A store that was about to be replaced is restored if its successor did not get into its place. Files that
belong together, of which only some got into theirs, are removed again (:func:`note_placing`).
"""

import glob
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from fringefleet.io.store.lock import lock_path, locked
from fringefleet.io.store.lock_file import inspect_lock

logger = logging.getLogger(__name__)

BESIDE = ".fringefleet-"  # prefix of folders next to an output
_MADE_HERE = re.compile("[0-9a-f]{16}")
REPLACED = (
    "replaced"  # folder in such a folder for a store that is being replaced, until its successor is in place
)
_PLACING = "placing.json"  # file in such a folder, while what is complete in it gets to its place


@contextmanager
def owned_folder(base: Path, prefix: str = BESIDE) -> Iterator[Path]:
    """Create a folder that only this user can read, and remove it at the end; remove those of dead processes.

    Parameters
    ----------
    base
        Folder to create it in.
    prefix
        Prefix of its name.
    """
    remove_left_behind(base, prefix)
    folder = base / f"{prefix}{uuid4().hex[:16]}"
    with locked(folder):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _restore(folder)
            _take_back(folder)
            shutil.rmtree(folder, ignore_errors=True)


def note_placing(folder: Path, names: Iterable[str]) -> None:
    """Note that parts in a folder of unfinished files are about to get to their new place, next to it.

    Until :func:`end_placing` they are removed from there with the folder: a part of what belongs together is
    never taken for the whole.

    Parameters
    ----------
    folder
        From :func:`owned_folder`.
    names
        Of the parts that replace nothing.
    """
    (folder / _PLACING).write_text(json.dumps({name: _identity(folder / name) for name in names}))


def end_placing(folder: Path) -> None:
    """Note that all parts are in their places."""
    (folder / _PLACING).unlink()


def remove_left_behind(base: Path, prefix: str = BESIDE) -> None:
    """Remove the folders of this user that dead processes have left, and their locks."""
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
        _restore(folder)
        _take_back(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _take_back(folder: Path) -> None:
    """Remove the parts that are in their places, where others are not, and nothing else."""
    with suppress(OSError, ValueError):  # there is no such note, or only its beginning
        for name, identity in json.loads((folder / _PLACING).read_text()).items():
            place = folder.parent / name
            if _identity(place) == identity:
                place.rename(folder / name)


def _identity(path: Path) -> list[int] | None:
    """Return what distinguishes a file or folder from another one of its name; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return [found.st_ino, found.st_mtime_ns]


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:  # another process removed it first
        return False


def _restore(folder: Path) -> None:
    """Restore a store that was moved away, if its successor is still here."""
    moved_away = folder / REPLACED
    for old in moved_away.iterdir() if moved_away.is_dir() else ():
        place = folder.parent / old.name
        if (folder / old.name).exists() and not place.exists():
            logger.warning("restoring %s: a run that was to overwrite it ended before it did", place)
            with suppress(OSError):  # another process may have been faster
                old.rename(place)
