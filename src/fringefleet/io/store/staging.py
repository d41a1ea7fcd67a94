"""A Zarr store under a temporary name until it is whole, so that what has the name is complete."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zarr
from zarr.errors import ZarrUserWarning

from fringefleet.arguments.paths import make_folder, real_path
from fringefleet.errors import InputError, OutputExistsError
from fringefleet.io.store.disk import free_disk_bytes
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.owned import REPLACED, owned_folder, remove_left_behind
from fringefleet.io.store.place import check_writable
from fringefleet.option_words import option


@contextmanager
def staged_store(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path for a store; rename it to the store's when all went well.

    After a failure nothing is left; what processes that died have left beside the store is removed.

    Raises
    ------
    OutputExistsError
        The output is there and ``overwrite`` is false, or it is something else than a Zarr store.
    """
    check_output_name(output, "Zarr", "stack.zarr")
    check_writable(output)
    recover_interrupted_overwrite(output)
    check_replaceable(output, overwrite=overwrite)
    output = real_path(output)  # a link stays one
    make_folder(output.parent)
    with owned_folder(output.parent) as folder:
        temporary = folder / output.name
        yield temporary
        check_replaceable(output, overwrite=overwrite)  # another one may have been quicker
        if output.exists():
            (folder / REPLACED).mkdir()
            output.rename(folder / REPLACED / output.name)
        temporary.rename(output)


def recover_interrupted_overwrite(output: Path) -> None:
    """Put a store back that a killed run had moved away, and not yet put its own in the place of.

    What is left of a store that has been replaced is removed, and whatever else the dead have left beside it.
    """
    remove_left_behind(real_path(output).parent)


def check_replaceable(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that is there, unless it is a Zarr store that may be overwritten.

    Raises
    ------
    OutputExistsError
        See above; the message says which.
    """
    if not output.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{output} is there already; give another name, or {option('overwrite', True)} to replace it."
        )
    if not (output / "zarr.json").is_file():
        raise OutputExistsError(
            f"{output} is there and is no Zarr store, so {option('overwrite', True)} does not replace it; "
            "give another name or remove it yourself."
        )


def check_free_space(folder: Path, n_byte: int) -> None:
    """Refuse to write so many bytes to a folder whose disk has not as many free.

    Raises
    ------
    InputError
        Says how many there are.
    """
    free = free_disk_bytes(folder)
    if free < n_byte:
        raise InputError(
            f"found {free:,} bytes free on the disk of {folder.absolute()}, and {n_byte:,} are needed; make "
            "room."
        )


def consolidate_metadata(path: Path) -> None:
    """Copy the metadata of all arrays to one place, where ``xr.open_zarr`` looks for it first.

    Zarr warns that version 3 of the format does not define it; other readers ignore it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)
