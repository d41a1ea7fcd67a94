"""Translation of ENOSPC and EDQUOT into DiskFullError."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fringefleet.errors import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_disk_full(path: Path, bytes_needed: Callable[[], int]) -> Iterator[None]:
    """Translate the system's error for a full disk into ours.

    Parameters
    ----------
    path
        Path being written.
    bytes_needed
        Called only on failure: upper limit of the remaining bytes.

    Raises
    ------
    DiskFullError
        States how much is needed and how much is free.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or isinstance(error, DiskFullError):
            raise
        raise DiskFullError(
            f"the disk of {path} is full, or its quota is exhausted: the remaining data need up to "
            f"{bytes_needed():,} bytes, and {free_disk_bytes(path):,} are free on the disk."
        ) from error


def free_disk_bytes(path: Path) -> int:
    """Return the free bytes on the disk of a path, which need not exist yet."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free
