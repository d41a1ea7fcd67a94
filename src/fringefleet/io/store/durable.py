"""Synchronisation of files and folders to disk, so that they survive a power failure."""

import errno
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_AT_ONCE = 16  # threads that wait for the disk, in addition to those that decode and compress
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EISDIR)


def sync(files: Iterable[Path], root: Path) -> None:
    """Wait until files are on the disk under their names; missing ones have been removed.

    All are requested at the same time, so that the file system can write its journal once for all.

    Parameters
    ----------
    files
        Files below ``root``.
    root
        Folder that is on the disk already; folders between it and the files are synchronised, too.

    Raises
    ------
    OSError
        The disk failed.
    """
    files, folders = list(files), {root}
    for file in files:
        folder = file.parent
        while folder not in folders:
            folders.add(folder)
            folder = folder.parent
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fringefleet-sync") as threads:
        list(threads.map(_sync, files))
        list(threads.map(_sync_folder, folders))


def sync_tree(folder: Path) -> None:
    """Wait until everything in a new folder is on the disk."""
    sync((path for path in folder.rglob("*") if path.is_file()), folder)


def _sync_folder(path: Path) -> None:
    """Synchronise the names in a folder, on file systems that support it, and where it is readable."""
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def _sync(path: Path) -> None:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
