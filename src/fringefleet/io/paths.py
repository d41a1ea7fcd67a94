"""Paths that a user gives: links followed, folders made."""

import os
from pathlib import Path

from fringefleet.errors import InputError


def real_path(path: Path) -> Path:
    """Follow the links of a path, as far as they lead somewhere; one that leads back to itself stays."""
    return Path(os.path.realpath(path))


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if it is not there.

    Raises
    ------
    InputError
        It cannot be made: a file has the name, a link leads nowhere, it may not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"found something else than a folder at {folder}, or above it; give the name of a folder, which is "
            "made if it is not there."
        ) from error
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}. Give another one.") from error
