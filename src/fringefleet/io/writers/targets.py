"""Folders that writers write to: with room for the files, and not left behind after a failure."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fringefleet.arguments.paths import make_folder
from fringefleet.errors import InputError
from fringefleet.io.store.staging import check_free_space


@contextmanager
def folder_for(directory: Path, paths: Sequence[Path], n_byte: int) -> Iterator[None]:
    """Make the folder of files; after a failure none is left that was not there before.

    Parameters
    ----------
    directory
        The folder.
    paths
        Files in it.
    n_byte
        What they take at most [byte].

    Raises
    ------
    InputError
        The disk has no room, or there is a folder where a file is to be.
    """
    check_free_space(directory, n_byte)
    was_there = directory.exists()
    make_folder(directory)
    folders = [str(path) for path in paths if path.is_dir()]
    if folders:
        raise InputError(
            f"found a folder where the export writes a file: {', '.join(folders)}. Give another folder to "
            "write to."
        )
    try:
        yield
    except BaseException:
        if not was_there:
            with suppress(OSError):
                directory.rmdir()
        raise
