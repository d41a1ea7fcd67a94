"""Paths given by users: local ones only, links resolved, folders created."""

import os
import re
from pathlib import Path

from fringefleet.errors import InputError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def check_local(path: str | os.PathLike[str]) -> None:
    """Reject the address of a bucket or a server where a path is needed.

    ``pathlib`` would turn ``s3://bucket/stack.zarr`` into ``s3:/bucket/stack.zarr``, a valid path.

    Raises
    ------
    InputError
        States what was given.

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
    """Resolve the links of a path, as far as they lead somewhere; a link to itself is left unchanged."""
    return Path(os.path.realpath(path))


def make_folder(folder: Path) -> None:
    """Create a folder and its parents if they do not exist.

    Raises
    ------
    InputError
        It cannot be created: a file has the name, a link is broken, or write permission is missing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"found something other than a folder at {folder}, or above it; give the name of a folder, "
            "which is created if it does not exist."
        ) from error
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be created: {error.strerror}. Give another one."
        ) from error
