"""Output folders of writers: checked for free space, and removed after a failure."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fringefleet.arguments.paths import make_folder
from fringefleet.errors import InputError
from fringefleet.io.store.staging import check_free_space


@contextmanager
def folder_for(directory: Path, paths: Sequence[Path], n_byte: int) -> Iterator[None]:
    """Create the folder of files; after a failure no new one is left.

    Parameters
    ----------
    directory
        Path of the folder.
    paths
        Files in it.
    n_byte
        Maximum size of the files [byte].

    Raises
    ------
    InputError
        The disk has too little space, or a folder has the name of a file to be written.
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
