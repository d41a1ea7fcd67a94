"""Zarr store under a temporary name until complete, so that a store with the final name is complete."""

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
    """Yield a temporary path for a store; rename it to the final path on success.

    On failure nothing is left; leftovers of dead processes next to the store are removed.

    Raises
    ------
    OutputExistsError
        The output exists and ``overwrite`` is false, or it is not a Zarr store.
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
        check_replaceable(output, overwrite=overwrite)  # another process may have been faster
        if output.exists():
            (folder / REPLACED).mkdir()
            output.rename(folder / REPLACED / output.name)
        temporary.rename(output)


def recover_interrupted_overwrite(output: Path) -> None:
    """Restore a store that a killed run had moved away before its own was in place.

    Remains of a replaced store, and other leftovers of dead processes next to it, are removed.
    """
    remove_left_behind(real_path(output).parent)


def check_replaceable(output: Path, *, overwrite: bool) -> None:
    """Reject an existing output, unless it is a Zarr store that may be overwritten.

    Raises
    ------
    OutputExistsError
        See above; the message states which.
    """
    if not output.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{output} exists; give another name, or {option('overwrite', True)} to replace it."
        )
    if not (output / "zarr.json").is_file():
        raise OutputExistsError(
            f"{output} exists and is not a Zarr store, so {option('overwrite', True)} does not replace it; "
            "give another name or remove it yourself."
        )


def check_free_space(folder: Path, n_byte: int) -> None:
    """Reject writing to a folder whose disk has less free space than needed.

    Raises
    ------
    InputError
        States how much there is.
    """
    free = free_disk_bytes(folder)
    if free < n_byte:
        raise InputError(
            f"found {free:,} bytes free on the disk of {folder.absolute()}, but {n_byte:,} are needed; free "
            "some "
            "space."
        )


def consolidate_metadata(path: Path) -> None:
    """Consolidate the metadata of all arrays in one place, where ``xr.open_zarr`` looks for them first.

    Zarr warns that version 3 of the format does not define it; other readers ignore it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)
