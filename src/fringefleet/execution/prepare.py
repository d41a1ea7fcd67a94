"""Validation of a stack and its preparation for the inversion, before any work is done.

Everything that the inversion needs besides the observations - network, reference phases, wavelength, looks -
is read once and put into an :class:`~fringefleet.engine.context.InversionContext`, a plain value that travels
with every task.
"""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.shapes import Pixel
from fringefleet.engine.context import InversionContext
from fringefleet.errors import NetworkError, OptionError, StackFormatError
from fringefleet.execution.auto_reference import choose_reference_point
from fringefleet.execution.means import CoherenceMeans
from fringefleet.execution.scene_maps import dem_geometry, pixels_to_invert
from fringefleet.execution.selecting import find_window, select_pairs
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.io import (
    locate_reference_point,
    read_reference_values,
    required_looks,
    required_pixel_size,
    required_wavelength,
    stack_network,
    unmasked_medians,
    unreferenced_pairs,
)
from fringefleet.io.checks.required import usable_attributes
from fringefleet.io.dates import find_date, seconds_of_day
from fringefleet.io.grid import radar_coordinates
from fringefleet.io.mintpy.metadata import names_point
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.io.places import PixelWindow, pixel_at
from fringefleet.io.quantities import check_units, with_baselines_in_metres
from fringefleet.io.reference_phases import is_inside, without_reference_phases
from fringefleet.network.network import Network, date_name, shorten
from fringefleet.observation.oddities import RANGES, Oddities, find_outside, put_together
from fringefleet.observation.quantity import STD_MASKS, std_of
from fringefleet.option_words import Marked, option
from fringefleet.options import Options
from fringefleet.products.answers import check_redundancy
from fringefleet.products.velocity import check_dates

logger = logging.getLogger(__name__)

_SAMPLE_SIDE = 32  # pixels


@dataclass(frozen=True)
class Prepared:
    """Stack reduced to what the inversion reads, and the context shared by all blocks."""

    stack: xr.Dataset  # the observation, and coherence, masks, water_mask ... where needed
    scene: InversionContext
    reference_point: Pixel | None  # row and column in what is inverted, which it may lie outside of
    setting: Setting
    source: str  # path of the stack, if it has one
    selection: Selection = Selection()  # noqa: RUF009 - frozen
    corner: Pixel = (0, 0)  # row and column in the stack of the first pixel that is inverted

    @property
    def zero_point(self) -> Pixel | None:
        """Row and column of the pixel that is zero by definition; None where a mean of several is."""
        return self.reference_point if self.setting.reference_window == 1 else None

    @property
    def point_in_stack(self) -> Pixel | None:
        """Row and column of the reference point in the stack."""
        if self.reference_point is None:
            return None
        return self.reference_point[0] + self.corner[0], self.reference_point[1] + self.corner[1]


def prepare(
    stack: xr.Dataset,
    options: Options,
    setting: Setting,
    selection: Selection | None = None,
    means: CoherenceMeans | None = None,
) -> Prepared:
    """Check a stack against the options and read the context shared by all blocks.

    Parameters
    ----------
    stack
        As returned by :func:`fringefleet.open_stack`; the phases of one pixel are read.
    options
        Options of the inversion.
    setting
        Facts that the stack does not contain. Its maps and its reference point are of the whole scene.
    selection
        The part that is inverted; None: all of it.
    means
        Mean coherences, where the setting or the selection needs them.

    Raises
    ------
    InputError
        One of its subclasses, for anything that would make the inversion fail or change its meaning: a
        missing dataset or attribute, a reference point without data, an unknown date.
    """
    check_kind("stack", stack, xr.Dataset)
    check_kind("options", options, Options)
    check_kind("setting", setting, Setting)
    check_kind("selection", selection := selection or Selection(), Selection)
    check_setting(setting, options)
    source = str(stack.encoding.get("source", ""))
    stack = _observations(stack, options)
    wavelength, pixel_size = _units(stack, options, setting)
    looks = _looks(stack, options, setting)
    window = find_window(stack, selection)
    stack = select_pairs(stack, selection, None if means is None else means.of_pairs)
    point = _reference_point(stack, options, setting, means)
    if setting.drop_unreferenced and point is not None:
        stack = without_unreferenced(stack, options.observation, point, setting.reference_window)
    _check_sample(stack, point)
    network = stack_network(stack)
    check_redundancy(network, options.min_redundancy)
    values = np.zeros(network.n_pair, np.float32)
    if point is not None:
        values = read_reference_values(stack, point, options.observation, setting.reference_window)
    stack = without_reference_phases(stack)
    stack = _with_water_mask(stack, setting)
    baseline, range_sine = dem_geometry(stack, network, wavelength, options, setting.geometry)
    if isinstance(range_sine, np.ndarray):
        stack = stack.assign(range_sine=(("y", "x"), range_sine))
    scene = InversionContext(
        network=network,
        reference_date=find_reference_date(network, setting.reference_date),
        reference_values=tuple(values.tolist()),
        wavelength=wavelength,
        looks=looks,
        baseline=tuple(baseline.tolist()),
        range_sine=np.nan if isinstance(range_sine, np.ndarray) else range_sine,
        metres_per_pixel=pixel_size,
        medians=tuple(_medians(stack, values, options).tolist()),
        seconds_of_day=seconds_of_day(stack.attrs),
    )
    if unknown := check_dates(scene.moments, options):
        logger.warning("%s", Marked(unknown))
    part, moved = _cut(_with_reference_point(stack, point), window, point)
    return Prepared(part, scene, moved, setting, source, selection, _corner(window))


def _observations(stack: xr.Dataset, options: Options) -> xr.Dataset:
    """Take what the options need of a stack, in the units and the order that all else takes for granted."""
    needed = _needed_variables(stack, options)
    _check_not_empty(stack, options.observation)
    check_units(stack, needed)
    return with_baselines_in_metres(_in_order(stack[needed], options.observation))


def _with_water_mask(stack: xr.Dataset, setting: Setting) -> xr.Dataset:
    """Add the map of the pixels to invert, if any are left out."""
    shape = (stack.sizes["y"], stack.sizes["x"])
    invert = pixels_to_invert(shape, setting.water_mask, setting.average_coherence)
    return stack if invert is None else stack.assign(water_mask=(("y", "x"), invert))


def _cut(stack: xr.Dataset, window: PixelWindow, point: Pixel | None) -> tuple[xr.Dataset, Pixel | None]:
    """Take the rows and columns that are inverted, and count the reference point there.

    Its attribute ``reference_point`` is left out where it is outside; its coordinates stay.
    """
    part = stack.isel(dict(zip(("y", "x"), window, strict=True)))
    if point is None:
        return part, None
    row, column = (at - start for at, start in zip(point, _corner(window), strict=True))
    part.attrs = {name: value for name, value in part.attrs.items() if name != "reference_point"}
    named = {"reference_point": [row, column]} if is_inside(part, (row, column)) else {}
    return part.assign_attrs(named), (row, column)


def _corner(window: PixelWindow) -> Pixel:
    return window[0].start, window[1].start


def _medians(
    stack: xr.Dataset, reference_values: NDArray[np.float32], options: Options
) -> NDArray[np.float32]:
    """Find the medians that a mask by standard deviation compares with; none for other masks."""
    if options.mask_dataset not in STD_MASKS:
        return np.zeros(0, np.float32)
    deviation = stack[options.mask_dataset]
    return unmasked_medians(stack[options.observation], reference_values, deviation, options.mask_threshold)


def _check_not_empty(stack: xr.Dataset, observation: str) -> None:
    if lacking := [str(axis) for axis, length in stack[observation].sizes.items() if length == 0]:
        raise StackFormatError(
            f"found no {' and no '.join(lacking)} in the stack: its {observation} is empty. Select a part of "
            "the scene that has pixels and pairs."
        )


def _needed_variables(stack: xr.Dataset, options: Options) -> list[str]:
    needed = {options.observation: "the inversion"}
    if options.mask_dataset is not None:
        needed[options.mask_dataset] = option("mask_dataset", options.mask_dataset)
    if options.needs_std:
        needed[std_of(options.observation)] = option("weight_func", "var")
    elif options.weight_func != "no":
        needed["coherence"] = option("weight_func", options.weight_func)
    for name, reason in needed.items():
        if name not in stack.data_vars:
            there = ", ".join(sorted(map(str, stack.data_vars))) or "nothing"
            known_as = f" (MintPy: {mintpy_name(name)})" if mintpy_name(name) != name else ""
            raise StackFormatError(
                f"found no {name}{known_as} in the stack, which has {there}; {reason} needs it. Add it to "
                f"the stack, or {_way_out(name, options)}."
            )
    return list(needed)


def _way_out(missing: str, options: Options) -> str:
    if missing == options.observation:
        return "give the --dataset that it has"
    weighs = std_of(options.observation) if options.needs_std else "coherence"
    ways = ["choose --weight-func no"] * (options.weight_func != "no" and missing == weighs)
    return " and ".join([*ways, *["leave --mask-dataset out"] * (missing == options.mask_dataset)])


def _in_order(stack: xr.Dataset, observation: str) -> xr.Dataset:
    """Transpose to the order of dimensions that all later steps rely on.

    Rows and columns are numbered where there are no coordinates, because blocks need their position.
    """
    dims = stack[observation].dims
    if set(dims) != {"pair", "y", "x"}:
        raise StackFormatError(
            f"found {observation} with the dimensions {', '.join(map(str, dims))}; it needs pair, y and x."
        )
    numbers = radar_coordinates((stack.sizes["y"], stack.sizes["x"]))
    missing = {dim: numbers[dim] for dim in ("y", "x") if dim not in stack.coords}
    stack = stack.transpose("pair", "y", "x", ...) if dims != ("pair", "y", "x") else stack
    return stack.assign_coords(missing) if missing else stack


def _units(stack: xr.Dataset, options: Options, setting: Setting) -> tuple[float, float | None]:
    """Return the wavelength [m] of a phase, or the metres per pixel of an offset."""
    if options.is_offset:
        return np.nan, required_pixel_size(stack, options.observation)
    return setting.wavelength or required_wavelength(stack), None


def _looks(stack: xr.Dataset, options: Options, setting: Setting) -> int:
    if options.weight_func not in ("var", "fim") or options.is_offset:
        return 0
    return setting.looks or required_looks(stack)


def _reference_point(
    stack: xr.Dataset, options: Options, setting: Setting, means: CoherenceMeans | None
) -> Pixel | None:
    """Find row and column of the reference point; None where nothing is to be referenced.

    Offsets need no reference point: as in MintPy, they are used unchanged if the stack names none.
    """
    if setting.reference == "auto":
        if means is None:
            raise OptionError(
                f"found {option('reference', 'auto')}, for which the coherence is read once, and a lazy "
                "inversion reads nothing beforehand; use fringefleet.run, or give reference_point = (Y, X)."
            )
        return choose_reference_point(stack, means, options.observation)
    given = setting.reference_point is not None or setting.reference_lalo is not None
    unnamed = not given and not names_point(stack.attrs)
    if setting.skip_reference or (options.is_offset and unnamed):
        return None
    if setting.reference_lalo is not None:
        return pixel_at(stack, *setting.reference_lalo, "reference_lalo")
    return locate_reference_point(stack, setting.reference_point)


def without_unreferenced(stack: xr.Dataset, observation: str, point: Pixel, window: int = 1) -> xr.Dataset:
    """Drop the pairs of a stack that have no data at the reference point.

    Raises
    ------
    NetworkError
        No pair is left.
    """
    dropped = unreferenced_pairs(stack, point, observation, window)
    kept = np.setdiff1d(np.arange(stack.sizes["pair"]), dropped)
    if len(kept) == 0:
        raise NetworkError(
            f"no pair has data at the reference point (row {point[0]}, column {point[1]}); "
            "give another --reference-point Y X."
        )
    return stack.isel(pair=kept) if dropped else stack


def find_reference_date(network: Network, wanted: str | None) -> int:
    """Find the index of the date at which displacement is zero; the first date if None is given.

    Raises
    ------
    OptionError
        It is not one of the dates, or is ambiguous.
    """
    if wanted is None:
        return 0
    names = [date_name(date) for date in network.dates]
    try:
        found = find_date(str(wanted), network.times)
    except StackFormatError as error:
        raise OptionError(f"{option('reference_date')}: {error}") from error
    if len(found) > 1:
        which = shorten([names[index] for index in found])
        raise OptionError(
            f"found {option('reference_date', wanted)}, which may be any of {which}; give one of them."
        )
    if not found:
        raise OptionError(
            f"found {option('reference_date', wanted)}, which is not one of the {network.n_date} dates: "
            f"{shorten(names)}. Give one of them."
        )
    return found[0]


def _check_sample(stack: xr.Dataset, point: Pixel | None) -> None:
    """Reject values far outside their range around the reference point, or in the middle of the scene."""
    middle = stack.sizes["y"] // 2, stack.sizes["x"] // 2
    row, column = point if point is not None and is_inside(stack, point) else middle
    window = {
        dim: slice(max(0, at - _SAMPLE_SIDE // 2), at + _SAMPLE_SIDE // 2)
        for dim, at in (("y", row), ("x", column))
    }
    names = [name for name in map(str, stack.data_vars) if name in RANGES]
    where = f"in the pixels around row {row}, column {column}"
    found = find_outside({name: stack[name].isel(window).values for name in names})
    put_together([Oddities(outside=found)], where)


def _with_reference_point(stack: xr.Dataset, point: Pixel | None) -> xr.Dataset:
    """Record the reference point in the attributes; drop attributes that cannot be parsed."""
    stack = stack.copy(deep=False)
    stack.attrs = usable_attributes(stack.attrs)
    if point is None or not is_inside(stack, point):  # where that is, the attributes say already
        return stack
    row, column = point
    return stack.assign_attrs(
        reference_point=[row, column],
        reference_point_y=float(stack["y"].values[row]),
        reference_point_x=float(stack["x"].values[column]),
    )
