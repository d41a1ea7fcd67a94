"""Content of a folder without what other systems leave there: ``._*``, ``Thumbs.db`` and the like."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fringefleet.errors import StackFormatError

_LITTER = frozenset(["__MACOSX", ".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"])


def is_litter(name: str) -> bool:
    """Tell whether a name is one of the files that other systems leave, and that hold no data of ours.

    Examples
    --------
    >>> is_litter("._20200101_20200113.geo.unw.tif"), is_litter("20200101_20200113.geo.unw.tif")
    (True, False)
    """
    return name.startswith("._") or name in _LITTER


def list_folder(folder: Path) -> list[Path]:
    """List what is in a folder, sorted."""
    return without_litter(folder.iterdir())


def find_files(folder: Path, pattern: str) -> list[Path]:
    """List what matches a pattern as :meth:`pathlib.Path.glob` has it (``**`` for all folders), sorted."""
    return [
        path
        for path in sorted(folder.glob(pattern))
        if not any(map(is_litter, path.relative_to(folder).parts))
    ]


def without_litter(paths: Iterable[Path]) -> list[Path]:
    """Leave out what other systems left, and sort."""
    return sorted(path for path in paths if not is_litter(path.name))


def is_litter_member(member: str) -> bool:
    """Tell the same of a member of an archive, by its name and the names of its folders.

    Examples
    --------
    >>> is_litter_member("__MACOSX/S1AA/._S1AA_unw_phase.tif")
    True
    """
    return any(map(is_litter, PurePosixPath(member).parts))


def is_there(path: Path) -> bool:
    """Whether there is something of this name, be it a folder, a pipe or a link that leads nowhere."""
    return path.is_symlink() or path.exists()


def check_plain_file(path: Path) -> None:
    """Refuse a pipe, a socket or a device in the place of a file: to open it would wait, or never end.

    What is not there, or is a folder, passes: that ends in an error of its own when it is opened.

    Raises
    ------
    StackFormatError
        Names it.
    """
    try:
        mode = path.stat().st_mode  # once: between two looks it may go
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise StackFormatError(
            f"{path} is a pipe, a socket or a device, and no file. Put a plain file in its place."
        )


def check_plain_files(folder: Path) -> None:
    """Refuse a folder in which anything, however deep, is neither a file nor a folder.

    Raises
    ------
    StackFormatError
        Names the first that is a pipe, a socket, a device, or a link to nothing.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                check_plain_files(Path(entry.path))
            elif not entry.is_file() and not entry.is_dir() and not is_litter(entry.name):
                raise StackFormatError(
                    f"{entry.path} is no file: it is a pipe, a socket, a device, or a link to nothing. "
                    "Copy or make the store again."
                )
