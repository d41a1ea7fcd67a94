"""Files of pictures: all that a stack or a result has data for, or what is chosen."""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from fringefleet.arguments.calls import checked_call
from fringefleet.errors import InputError, OptionError
from fringefleet.io import open_stack
from fringefleet.io.describe import check_finished, check_options_of_result, describe
from fringefleet.io.store.open_result import is_result, open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.pair_table import RESIDUAL_RMS
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.store.stored_mask import check_mask_current
from fringefleet.io.writers.expressions import PixelRule
from fringefleet.io.writers.selected import date_names_of, rule_of
from fringefleet.option_words import option
from fringefleet.plot.canvas import save
from fringefleet.plot.figures import (
    error_figure,
    histograms_figure,
    map_figure,
    maps_figure,
    matrix_figure,
    network_figure,
    series_figure,
)
from fringefleet.plot.options import EVERYTHING, PictureChoice
from fringefleet.plot.shown import chosen_name, chosen_pixel, date_index, rule_for, shown_map

logger = logging.getLogger(__name__)


@checked_call
def draw_pictures(
    path: Path | str,
    directory: Path | str | None = None,
    truth: Path | str | None = None,
    *,
    choice: PictureChoice = EVERYTHING,
    reader: str | None = None,
    drop_incomplete: bool = False,
) -> Iterator[Path]:
    """Draw one picture after the other; those of the same name are replaced.

    Parameters
    ----------
    path
        Stack of any format, or result.
    directory
        Folder of the pictures; None: ``PATH.pictures`` beside the path.
    truth
        Known displacement to compare a result with.
    choice
        Part of a result that is drawn, and the format of the files.
    reader, drop_incomplete
        As for :func:`fringefleet.open_stack`.

    Returns
    -------
    iterator of Path
        Pictures, each as soon as it is drawn; none is before it is asked for.

    Raises
    ------
    InputError
        The path is no stack and no finished result, or the truth does not go with it.
    OptionError
        There is no such variable, date or pixel, or an option has no effect.

    Examples
    --------
    >>> [picture.name for picture in draw_pictures("stack.zarr")]
    ['network.png', 'matrix.png']
    """
    if choice.vlim is not None and choice.variable is None:
        raise OptionError(f"found {option('vlim')}, which is of one map; give {option('variable')}, too.")
    path = Path(path)
    folder = path.with_name(f"{path.name}.pictures") if directory is None else Path(directory)
    _check_folder(folder)
    check_apart(folder / "maps.png", path)
    if is_result(path):
        check_options_of_result(path, reader, drop_incomplete=drop_incomplete)
        figures = _of_result(path, None if truth is None else Path(truth), choice)
    else:
        figures = _of_stack(path, truth, choice, reader, drop_incomplete=drop_incomplete)
    first = next(figures)  # whatever is refused is so at once
    return _saved(chain([first], figures), folder, choice)


def _saved(figures: Iterable[tuple[str, Figure]], folder: Path, choice: PictureChoice) -> Iterator[Path]:
    for name, figure in figures:
        picture = folder / f"{name}.{choice.format}"
        save(figure, picture, choice.dpi)
        yield picture


def _check_folder(directory: Path) -> None:
    """Refuse a folder that cannot be written to, before anything is drawn."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"found a file where the pictures need a folder: {directory}. Give another name.")
    check_output_name(directory, "a folder", "pictures")
    check_writable(directory / "maps.png")


def _of_stack(
    path: Path, truth: Path | str | None, choice: PictureChoice, reader: str | None, *, drop_incomplete: bool
) -> Iterator[tuple[str, Figure]]:
    stack = open_stack(path, chunks=None, reader=reader, drop_incomplete=drop_incomplete)
    if truth is not None:
        raise InputError(f"found a truth for the stack {path}; give one with a result only.")
    for name in ("variable", "date", "yx", "lalo", "mask", "unit"):
        if getattr(choice, name) is not None:
            raise OptionError(f"found {option(name)} for the stack {path}; it is for results. Leave it out.")
    yield "network", network_figure(stack)
    yield "matrix", matrix_figure(stack)


def _of_result(path: Path, truth_path: Path | None, choice: PictureChoice) -> Iterator[tuple[str, Figure]]:
    kind = describe(path).kind
    if kind == "displacement":
        raise InputError(
            f"found only a displacement in {path}, such as the truth of a simulation; give a stack, or a "
            "result of invert, rereference or velocity."
        )
    if kind == "velocity":
        _check_velocity(path, truth_path, choice)
    else:
        check_finished(path)
    if choice.mask is None:
        check_mask_current(path)
    with open_result(path) as result:
        truth = None if truth_path is None else _read_truth(truth_path, result)
        if choice.variable is None and choice.yx is None and choice.lalo is None:
            yield from _everything(result, truth, choice, rule_of(result, choice.mask))
        else:
            yield from _chosen(result, truth, choice)


def _check_velocity(path: Path, truth_path: Path | None, choice: PictureChoice) -> None:
    """Refuse what maps of velocity do not have."""
    if truth_path is not None:
        raise InputError(f"found a truth for the velocity {path}; give one with a result of invert only.")
    for name in ("date", "yx", "lalo"):
        if getattr(choice, name) is not None:
            raise OptionError(
                f"found {option(name)} for maps of velocity, which have no time series: {path}. Leave it "
                "out, or give a result of invert."
            )


def _chosen(
    result: xr.Dataset, truth: xr.DataArray | None, choice: PictureChoice
) -> Iterator[tuple[str, Figure]]:
    """Draw the map, and the series of the pixel, that are asked for."""
    pixel = chosen_pixel(result, choice)
    if choice.variable is not None:
        name = chosen_name(result, choice)
        shown = shown_map(result, choice, rule_for(result, choice))
        has_dates = "date" in result[name].dims
        at = f"_{date_names_of(result)[date_index(result, choice.date)]}" if has_dates else ""
        yield f"{name}{at}", map_figure(result, shown, choice.vlim, pixel)
    for name in ("date", "mask") if choice.variable is None else ():
        if getattr(choice, name) not in (None, False):
            raise OptionError(
                f"found {option(name)}, and only a time series to draw; give {option('variable')}, too, or "
                "leave it out."
            )
    if pixel is not None:
        figure = series_figure(result, truth, unit=choice.unit, pixels={"": pixel})
        yield f"series_row{pixel[0]}_column{pixel[1]}", figure


def _everything(
    result: xr.Dataset, truth: xr.DataArray | None, choice: PictureChoice, rule: PixelRule | None
) -> Iterator[tuple[str, Figure]]:
    date, unit = choice.date, choice.unit
    has_series = "displacement" in result
    maps, histograms = ("maps", "histograms") if has_series else ("velocity", "velocity_histograms")
    yield maps, maps_figure(result, date=date, unit=unit, rule=rule)
    yield histograms, histograms_figure(result, date=date, unit=unit, rule=rule)
    if not has_series:
        return
    yield "series", series_figure(result, truth, unit=unit, rule=rule)
    if truth is not None:
        yield "error", error_figure(result, truth, rule)
    if RESIDUAL_RMS in result:
        yield "network", network_figure(result)
        yield "matrix", matrix_figure(result)
    else:
        logger.info("no picture of the pairs: the result has no table of them (invert --diagnose makes one)")


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
