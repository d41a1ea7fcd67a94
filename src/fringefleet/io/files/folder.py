"""Content of a folder without files left by other systems: ``._*``, ``Thumbs.db`` and the like."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fringefleet.errors import StackFormatError

_LITTER = frozenset(["__MACOSX", ".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"])


def is_litter(name: str) -> bool:
    """Return whether a name is that of a file left by other systems, which contains no data.

    Examples
    --------
    >>> is_litter("._20200101_20200113.geo.unw.tif"), is_litter("20200101_20200113.geo.unw.tif")
    (True, False)
    """
    return name.startswith("._") or name in _LITTER


def list_folder(folder: Path) -> list[Path]:
    """List the content of a folder, sorted."""
    return without_litter(folder.iterdir())


def find_files(folder: Path, pattern: str) -> list[Path]:
    """List the paths that match a pattern of :meth:`pathlib.Path.glob` (``**`` for all folders), sorted."""
    return [
        path
        for path in sorted(folder.glob(pattern))
        if not any(map(is_litter, path.relative_to(folder).parts))
    ]


def without_litter(paths: Iterable[Path]) -> list[Path]:
    """Drop files left by other systems, and sort."""
    return sorted(path for path in paths if not is_litter(path.name))


def is_litter_member(member: str) -> bool:
    """Return the same for a member of an archive, by its name and the names of its folders.

    Examples
    --------
    >>> is_litter_member("__MACOSX/S1AA/._S1AA_unw_phase.tif")
    True
    """
    return any(map(is_litter, PurePosixPath(member).parts))


def is_there(path: Path) -> bool:
    """Return whether a path exists, even as a folder, a pipe or a broken link."""
    return path.is_symlink() or path.exists()


def check_plain_file(path: Path) -> None:
    """Reject a pipe, a socket or a device in place of a file: opening it would block, or never end.

    Missing files and folders pass: opening them raises an error of its own.

    Raises
    ------
    StackFormatError
        Names the path.
    """
    try:
        mode = path.stat().st_mode  # once, as it may vanish in between
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise StackFormatError(
            f"{path} is a pipe, a socket or a device, not a file. Put a regular file in its place."
        )


def check_plain_files(folder: Path) -> None:
    """Reject a folder that contains anything, at any depth, other than files and folders.

    Raises
    ------
    StackFormatError
        Names the first pipe, socket, device, or broken link.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                check_plain_files(Path(entry.path))
            elif not entry.is_file() and not entry.is_dir() and not is_litter(entry.name):
                raise StackFormatError(
                    f"{entry.path} is not a file: it is a pipe, a socket, a device, or a broken link. "
                    "Copy or create the store again."
                )
