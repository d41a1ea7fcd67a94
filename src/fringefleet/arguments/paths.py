"""Paths that a user gives: local ones only, links followed, folders made."""

import os
import re
from pathlib import Path

from fringefleet.errors import InputError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def check_local(path: str | os.PathLike[str]) -> None:
    """Refuse an address of a bucket or a server where a path is needed.

    ``pathlib`` would turn ``s3://bucket/stack.zarr`` into ``s3:/bucket/stack.zarr``, which is a path like any
    other.

    Raises
    ------
    InputError
        Says what was given.

    Examples
    --------
    >>> check_local("/scratch/stack.zarr")
    >>> check_local("s3://bucket/stack.zarr")
    Traceback (most recent call last):
        ...
    fringefleet.errors.InputError: found s3://bucket/stack.zarr; paths are local: copy the data here, or \
mount the bucket.
    """
    text = os.fspath(path)
    if _ADDRESS.match(text):
        raise InputError(f"found {text}; paths are local: copy the data here, or mount the bucket.")


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
            f"found something else than a folder at {folder}, or above it; give the name of a folder, "
            "which is made if it is not there."
        ) from error
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made: {error.strerror}. Give another one."
        ) from error
