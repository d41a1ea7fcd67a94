"""Files that an export writes: checked for what is there, and for free space."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fringefleet.arguments.paths import make_folder
from fringefleet.errors import InputError, OutputExistsError
from fringefleet.io.store.owned import remove_left_behind
from fringefleet.io.store.staging import check_free_space
from fringefleet.network.network import shorten
from fringefleet.option_words import option

logger = logging.getLogger(__name__)

MADE_BY = "fringefleet_version"  # attribute of every store of version 2 that an export writes


@dataclass(frozen=True)
class PlannedFiles:
    """Files that an export writes.

    Attributes
    ----------
    paths
        The files, or stores.
    n_byte
        Room that they and what is beside them need at most [byte].
    memory
        Memory that writing them takes at most [byte].
    are_folders
        Whether they are stores, which are folders.
    related
        Files that are there and belong to the same variables, but are not written.
    """

    paths: Sequence[Path]
    n_byte: int
    memory: int = 0
    are_folders: bool = False
    related: Sequence[Path] = ()


def check_existing(planned: PlannedFiles, *, overwrite: bool) -> None:
    """Reject files that are there already, unless they may be replaced.

    What a killed export has left is removed first, so that only files of a finished one, or of somebody else,
    are found.

    Parameters
    ----------
    planned
        What would be written.
    overwrite
        Whether it may replace files. Nothing else in their folder is touched.

    Raises
    ------
    InputError
        A folder has the name of a file.
    OutputExistsError
        Names the files.
    """
    _check_kind_of_existing(planned)
    for folder in dict.fromkeys(path.absolute().parent for path in planned.paths):
        if folder.is_dir():
            remove_left_behind(folder)
    found = [path for path in planned.paths if path.exists()]
    names = shorten([path.name for path in planned.related], at_most=4)
    if overwrite and planned.related:
        logger.warning(
            "kept in %s, of another export of the same variables: %s", planned.related[0].parent, names
        )
    if overwrite or not (found or planned.related):
        return
    if not found:
        raise OutputExistsError(
            f"found {names} in {planned.related[0].parent}, of another export of the same variables. Give "
            f"another folder, or {option('overwrite', True)} to write beside them."
        )
    listed = shorten(list(map(str, found)), at_most=4)
    verb, them = ("exists", "it") if len(found) == 1 else ("exist", "them")
    raise OutputExistsError(
        f"{listed} {verb}; give another name, or {option('overwrite', True)} to replace {them}."
    )


def _check_kind_of_existing(planned: PlannedFiles) -> None:
    """Reject what is never replaced: a folder in place of a file, and a store that no export wrote."""
    if planned.are_folders:
        others = [path for path in planned.paths if path.exists() and not _is_of_an_export(path)]
        if others:
            raise OutputExistsError(
                f"{others[0]} exists and is no store of an export, so it is not replaced; give another name, "
                "or remove it yourself."
            )
        return
    folders = [str(path) for path in planned.paths if path.is_dir()]
    if folders:
        raise InputError(
            f"found a folder where the export writes a file: {', '.join(folders)}. Give another folder to "
            "write to."
        )


def _is_of_an_export(path: Path) -> bool:
    """Return whether a path is a store of version 2 of the Zarr format that an export wrote."""
    try:
        return MADE_BY in json.loads((path / ".zattrs").read_bytes())
    except (OSError, ValueError):
        return False


@contextmanager
def folder_for(planned: PlannedFiles) -> Iterator[Path]:
    """Create the folder of files; after a failure no new one is left.

    Raises
    ------
    InputError
        The disk has too little space, or a file is where the folder has to be.
    """
    directory = planned.paths[0].parent
    check_free_space(directory, planned.n_byte)
    was_there = directory.exists()
    make_folder(directory)
    try:
        yield directory
    except BaseException:
        if not was_there:
            with suppress(OSError):
                directory.rmdir()
        raise
