"""A disk that is full, or a quota that is used up: said as what it is."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fringefleet.errors import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_disk_full(path: Path, bytes_needed: Callable[[], int]) -> Iterator[None]:
    """Turn the system's error for a full disk into ours.

    Parameters
    ----------
    path
        What is written.
    bytes_needed
        Asked only if it fails: at most how much is still to be written [byte].

    Raises
    ------
    DiskFullError
        Says how much is needed and how much is free.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or isinstance(error, DiskFullError):
            raise
        raise DiskFullError(
            f"the disk of {path} is full, or its quota is used up: what is still to be written needs up to "
            f"{bytes_needed():,} bytes, and {free_disk_bytes(path):,} are free on the disk."
        ) from error


def free_disk_bytes(path: Path) -> int:
    """Bytes that are free on the disk of a path, which need not be there yet."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free
