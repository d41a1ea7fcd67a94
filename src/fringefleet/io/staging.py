"""A Zarr store under a temporary name until it is whole, so that what has the name is complete."""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zarr
from zarr.errors import ZarrUserWarning

from fringefleet.errors import InputError, OutputExistsError
from fringefleet.io.disk import free_bytes
from fringefleet.io.place import check_writable

logger = logging.getLogger(__name__)


@contextmanager
def staged_store(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside a store; rename it to the store's when all went well.

    A leftover of an earlier attempt is replaced; after a failure nothing is left.

    Raises
    ------
    OutputExistsError
        The output is there and ``overwrite`` is false, or it is something else than a Zarr store.
    """
    check_writable(output)
    put_back(output)
    refuse_existing(output, overwrite=overwrite)
    output = output.resolve()  # a link stays one
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary, replaced = _beside(output)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if not output.exists():
        temporary.rename(output)
        return
    output.rename(replaced)
    temporary.rename(output)
    shutil.rmtree(replaced)


def put_back(output: Path) -> None:
    """Put a store back that a killed run had moved away, and not yet put its own in the place of.

    Only who alone writes to the output may do it. What is left of a store that has been replaced is removed.
    """
    output = output.resolve()
    temporary, replaced = _beside(output)
    if not replaced.exists():
        return
    if not output.exists() and temporary.exists():  # without it, what was replaced may be half removed
        logger.warning("putting %s back: a run that was to overwrite it was killed before it did", output)
        replaced.rename(output)
        shutil.rmtree(temporary)
    shutil.rmtree(replaced, ignore_errors=True)


def _beside(output: Path) -> tuple[Path, Path]:
    """Where a store is until it is whole, and where what it replaces is until it is removed."""
    return output.with_name(f".{output.name}.partial"), output.with_name(f".{output.name}.replaced")


def refuse_existing(output: Path, *, overwrite: bool) -> None:
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
            f"{output} is there already; give another name, or --overwrite to replace it."
        )
    if not (output / "zarr.json").is_file():
        raise OutputExistsError(
            f"{output} is there and is no Zarr store, so --overwrite does not replace it; "
            "give another name or remove it yourself."
        )


def refuse_full(folder: Path, n_byte: int) -> None:
    """Refuse to write so many bytes to a folder whose disk has not as many free.

    Raises
    ------
    InputError
        Says how many there are.
    """
    free = free_bytes(folder)
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
