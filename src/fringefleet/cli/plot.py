"""The command ``plot``: everything that a stack or a result has data for, as PNG files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.console import echo, logger
from fringefleet.cli.parameters import parameters
from fringefleet.errors import InputError
from fringefleet.execution.job import Run

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class PlotOptions:
    """Parameters of the command."""

    path: Annotated[Path, Declared("Stack of any format, or result.", metavar="PATH", is_argument=True)]
    directory: Annotated[Path, Declared("Folder to write.", metavar="DIR", is_argument=True)]
    truth: Annotated[Path | None, Declared("Known displacement to compare with.", metavar="TRUTH.zarr")] = (
        None
    )
    no_mask: Annotated[bool, Declared("Show all pixels, whatever mask is stored in the result.")] = False


@command(
    *parameters(PlotOptions),
    *parameters(Run, "reader", "drop_incomplete"),
    examples=(
        "fringefleet plot result.zarr pictures/",
        "fringefleet plot result.zarr pictures/ --truth truth.zarr",
    ),
)
def plot(given: Any) -> None:
    """Plot maps, time series, errors and the network, as far as there are data for them, to PNG files."""
    pictures = draw_pictures(
        given.path,
        given.directory,
        given.truth,
        reader=given.reader,
        drop_incomplete=given.drop_incomplete,
        no_mask=given.no_mask,
    )
    for picture in pictures:
        echo(picture)


def draw_pictures(
    path: Path,
    directory: Path,
    truth: Path | None,
    *,
    reader: str | None = None,
    drop_incomplete: bool = False,
    no_mask: bool = False,
) -> Iterator[Path]:
    """Draw one picture after the other; those of the same name are replaced.

    Raises
    ------
    InputError
        The path is no stack and no finished result, or the truth does not go with it.
    """
    from fringefleet.io import open_stack
    from fringefleet.io.describe import check_finished, check_options_of_result, describe
    from fringefleet.io.store.open_result import has_displacement, open_result
    from fringefleet.io.store.stored_mask import MASK, check_mask_current
    from fringefleet.plot import plot_network

    _check_folder(directory)
    if not has_displacement(path):
        stack = open_stack(path, chunks=None, reader=reader, drop_incomplete=drop_incomplete)
        if truth is not None:
            raise InputError(f"found a truth for the stack {path}; give one with a result only.")
        plot_network(stack, directory / "network.png")
        yield directory / "network.png"
        return
    check_options_of_result(path, reader, drop_incomplete=drop_incomplete)
    if describe(path).kind != "result":
        raise InputError(f"found only a displacement in {path}; give a stack, or what invert wrote.")
    check_finished(path)
    if not no_mask:
        check_mask_current(path)
    with open_result(path) as opened:
        result = opened.drop_vars(MASK, errors="ignore") if no_mask else opened
        yield from _draw_result(result, directory, None if truth is None else _read_truth(truth, result))


def _check_folder(directory: Path) -> None:
    """Refuse a folder that cannot be written to, before anything is drawn."""
    from fringefleet.io.store.output_names import check_output_name
    from fringefleet.io.store.place import check_writable

    if directory.exists() and not directory.is_dir():
        raise InputError(f"found a file where the pictures need a folder: {directory}. Give another name.")
    check_output_name(directory, "a folder", "pictures")
    check_writable(directory / "maps.png")


def _draw_result(result: "xr.Dataset", directory: Path, truth: "xr.DataArray | None") -> Iterator[Path]:
    from fringefleet.io.store.pair_table import RESIDUAL_RMS
    from fringefleet.plot import plot_error, plot_maps, plot_network, plot_series

    maps, series, error, network = (
        directory / f"{name}.png" for name in ("maps", "series", "error", "network")
    )
    plot_maps(result, maps)
    yield maps
    plot_series(result, truth, series)
    yield series
    if truth is not None:
        plot_error(result, truth, error)
        yield error
    if RESIDUAL_RMS in result:
        plot_network(result, network)
        yield network
    else:
        logger.info("no picture of the pairs: the result has no table of them (invert --diagnose makes one)")


def _read_truth(path: Path, result: "xr.Dataset") -> "xr.DataArray":
    from fringefleet.io.describe import describe
    from fringefleet.io.store.open_result import open_result

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
