"""All pictures that a stack or a result has data for."""

import logging
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from fringefleet.errors import InputError
from fringefleet.io import open_stack
from fringefleet.io.describe import check_finished, check_options_of_result, describe
from fringefleet.io.store.open_result import is_result, open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.pair_table import RESIDUAL_RMS
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.store.stored_mask import MASK, check_mask_current
from fringefleet.plot.network import plot_network
from fringefleet.plot.result import plot_error, plot_maps, plot_series, plot_velocity

logger = logging.getLogger(__name__)


def draw_pictures(
    path: Path,
    directory: Path,
    truth: Path | None = None,
    *,
    reader: str | None = None,
    drop_incomplete: bool = False,
    no_mask: bool = False,
) -> Iterator[Path]:
    """Draw one picture after the other; those of the same name are replaced.

    Parameters
    ----------
    path
        Stack of any format, or result.
    directory
        Folder of the pictures.
    truth
        Known displacement to compare a result with.
    reader, drop_incomplete
        As for :func:`fringefleet.open_stack`.
    no_mask
        Show all pixels, whatever mask is stored in the result.

    Yields
    ------
    Path
        A picture that has just been drawn.

    Raises
    ------
    InputError
        The path is no stack and no finished result, or the truth does not go with it.
    """
    _check_folder(directory)
    check_apart(directory / "maps.png", path)
    if is_result(path):
        check_options_of_result(path, reader, drop_incomplete=drop_incomplete)
        yield from _draw_result(path, directory, truth, no_mask=no_mask)
        return
    stack = open_stack(path, chunks=None, reader=reader, drop_incomplete=drop_incomplete)
    if truth is not None:
        raise InputError(f"found a truth for the stack {path}; give one with a result only.")
    plot_network(stack, directory / "network.png")
    yield directory / "network.png"


def _check_folder(directory: Path) -> None:
    """Refuse a folder that cannot be written to, before anything is drawn."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"found a file where the pictures need a folder: {directory}. Give another name.")
    check_output_name(directory, "a folder", "pictures")
    check_writable(directory / "maps.png")


def _draw_result(path: Path, directory: Path, truth_path: Path | None, *, no_mask: bool) -> Iterator[Path]:
    kind = describe(path).kind
    if kind == "velocity":
        yield _draw_velocity(path, directory / "velocity.png", truth_path, no_mask=no_mask)
        return
    if kind != "result":
        raise InputError(
            f"found only a displacement in {path}, such as the truth of a simulation; give a stack, or a "
            "result of invert, rereference or velocity."
        )
    check_finished(path)
    if not no_mask:
        check_mask_current(path)
    with open_result(path) as opened:
        result = opened.drop_vars(MASK, errors="ignore") if no_mask else opened
        truth = None if truth_path is None else _read_truth(truth_path, result)
        plot_maps(result, picture := directory / "maps.png")
        yield picture
        plot_series(result, truth, picture := directory / "series.png")
        yield picture
        if truth is not None:
            plot_error(result, truth, picture := directory / "error.png")
            yield picture
        if RESIDUAL_RMS in result:
            plot_network(result, picture := directory / "network.png")
            yield picture
        else:
            logger.info(
                "no picture of the pairs: the result has no table of them (invert --diagnose makes one)"
            )


def _draw_velocity(path: Path, picture: Path, truth_path: Path | None, *, no_mask: bool) -> Path:
    if truth_path is not None:
        raise InputError(f"found a truth for the velocity {path}; give one with a result of invert only.")
    if not no_mask:
        check_mask_current(path)
    with open_result(path) as maps:
        plot_velocity(maps.drop_vars(MASK, errors="ignore") if no_mask else maps, picture)
    return picture


def _read_truth(path: Path, result: xr.Dataset) -> xr.DataArray:
    if describe(path).kind == "stack":
        raise InputError(f"found the stack {path} as truth; give a displacement, OUT_truth.zarr of simulate.")
    truth: xr.DataArray = open_result(path)["displacement"]
    found, needed = ((data.sizes["y"], data.sizes["x"]) for data in (truth, result))
    lacking = set(result["date"].values.tolist()) - set(truth["date"].values.tolist())
    if found != needed or lacking:
        raise InputError(
            f"found a truth with rows and columns {found} that lacks {len(lacking)} of the dates; the result "
            f"has {needed}. Give the truth of the same scene."
        )
    return truth
