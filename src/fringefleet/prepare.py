"""From a stack to something that can be inverted: everything is checked here, before any work.

Whatever the inversion needs besides the observations - network, reference phases, wavelength, looks - is
read once and put into a :class:`~fringefleet.scene.Scene`, a plain value that travels with every task.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.design import date_baselines
from fringefleet.errors import MissingMetadataError, NetworkError, OptionError, StackFormatError
from fringefleet.io import (
    geometry_from_attributes,
    locate_reference_point,
    read_geometry,
    read_reference_phase,
    read_water_mask,
    required_looks,
    required_wavelength,
    stack_network,
    unreferenced_pairs,
)
from fringefleet.network import Network, date_name, shorten
from fringefleet.options import Options
from fringefleet.scene import Scene
from fringefleet.solver.joint import temporal_columns


@dataclass(frozen=True)
class Setting:
    """What the inversion needs to know of the scene, where the stack does not say it or says it wrongly.

    ``reference_point``: row and column of the pixel whose motion is zero. ``reference_date``: date whose
    displacement is zero, as YYYYMMDD or in ISO form; the first date if None. ``water_mask``: file
    or array (y, x), nonzero where pixels are inverted. ``wavelength`` [m] and ``looks``: replace what the
    attributes say. ``geometry``: for a DEM error, MintPy's geometry file or an array (y, x) of slant range
    times sine of the incidence angle [m]; the middle of the scene, from the attributes, if None.
    ``skip_reference``: take the phases as referenced already. ``drop_unreferenced``: leave
    out pairs without data at the reference point, instead of refusing them.
    """

    reference_point: tuple[int, int] | None = None
    reference_date: str | None = None
    water_mask: Path | str | NDArray[Any] | xr.DataArray | None = None
    wavelength: float | None = None
    looks: int | None = None
    geometry: Path | str | NDArray[Any] | xr.DataArray | None = None
    skip_reference: bool = False
    drop_unreferenced: bool = False

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.wavelength is not None and not 0 < self.wavelength < np.inf:
            raise OptionError(f"found wavelength = {self.wavelength}; give it in metres, above 0.")
        if self.looks is not None and self.looks < 1:
            raise OptionError(f"found looks = {self.looks}; give 1 or more.")
        if self.skip_reference and (self.reference_point is not None or self.drop_unreferenced):
            raise OptionError(
                "found skip_reference together with reference_point or drop_unreferenced; "
                "a stack that is referenced already takes neither."
            )


@dataclass(frozen=True)
class Prepared:
    """A stack cut down to what the inversion reads, and what all its blocks share."""

    stack: xr.Dataset  # unwrapped_phase, and coherence, connected_component, water_mask where needed
    scene: Scene
    reference_point: tuple[int, int] | None  # row and column
    setting: Setting


def prepare(stack: xr.Dataset, options: Options, setting: Setting) -> Prepared:
    """Check a stack against the options and read what all blocks share.

    Parameters
    ----------
    stack
        As from :func:`fringefleet.open_stack`; the phases of one pixel are read.
    options
        How to invert.
    setting
        What the stack does not say.

    Raises
    ------
    InputError
        One of its children, for anything that would make the inversion fail or mean something else: a
        missing dataset or attribute, a reference point without data, a date that is not there.
    """
    used = _needed_variables(stack, options)
    stack = _in_order(stack[used])
    wavelength = setting.wavelength or required_wavelength(stack)
    looks = _looks(stack, options, setting)
    point = None if setting.skip_reference else locate_reference_point(stack, setting.reference_point)
    if setting.drop_unreferenced and point is not None:
        stack = _without_unreferenced(stack, point)
    network = stack_network(stack)
    phases = np.zeros(network.n_pair) if point is None else read_reference_phase(stack, point)
    if setting.water_mask is not None:
        stack = stack.assign(water_mask=(("y", "x"), _water_mask(stack, setting.water_mask)))
    baseline, range_sine = _geometry(stack, network, wavelength, options, setting)
    if isinstance(range_sine, np.ndarray):
        stack = stack.assign(range_sine=(("y", "x"), range_sine))
    scene = Scene(
        network=network,
        reference_date=_find_date(network, setting.reference_date),
        reference_phase=tuple(phases.tolist()),
        wavelength=wavelength,
        looks=looks,
        baseline=tuple(baseline.tolist()),
        range_sine=np.nan if isinstance(range_sine, np.ndarray) else range_sine,
    )
    return Prepared(_with_reference_point(stack, point), scene, point, setting)


def _needed_variables(stack: xr.Dataset, options: Options) -> list[str]:
    needed = {"unwrapped_phase": "the inversion"}
    if options.needs_coherence:
        needed["coherence"] = f"weight_func = {options.weight_func}"
        if options.weight_func == "no":
            needed["coherence"] = "mask_dataset = coherence"
    if options.mask_dataset == "connected_component":
        needed["connected_component"] = "mask_dataset = connected_component"
    for name, reason in needed.items():
        if name not in stack.data_vars:
            there = ", ".join(sorted(map(str, stack.data_vars)))
            raise StackFormatError(
                f"found no {name} in the stack, which has {there}; {reason} needs it. Add it to the stack, "
                "or choose --weight-func no and no --mask-dataset."
            )
    return list(needed)


def _in_order(stack: xr.Dataset) -> xr.Dataset:
    """Bring the dimensions into the order that everything else takes for granted.

    Rows and columns are numbered where there are no coordinates: they tell blocks where they are.
    """
    dims = stack["unwrapped_phase"].dims
    if set(dims) != {"pair", "y", "x"}:
        raise StackFormatError(
            f"found unwrapped_phase with the dimensions {', '.join(map(str, dims))}; it needs pair, y and x."
        )
    missing = {dim: np.arange(stack.sizes[dim]) for dim in ("y", "x") if dim not in stack.coords}
    stack = stack.transpose("pair", "y", "x", ...) if dims != ("pair", "y", "x") else stack
    return stack.assign_coords(missing) if missing else stack


def _looks(stack: xr.Dataset, options: Options, setting: Setting) -> int:
    if options.weight_func not in ("var", "fim"):
        return 0
    return setting.looks or required_looks(stack)


def _without_unreferenced(stack: xr.Dataset, point: tuple[int, int]) -> xr.Dataset:
    dropped = unreferenced_pairs(stack, point)
    kept = np.setdiff1d(np.arange(stack.sizes["pair"]), dropped)
    if len(kept) == 0:
        raise NetworkError(
            f"no pair has data at the reference point (row {point[0]}, column {point[1]}); "
            "give another --reference-point Y X."
        )
    return stack.isel(pair=kept) if dropped else stack


def _water_mask(stack: xr.Dataset, mask: Path | str | NDArray[Any] | xr.DataArray) -> NDArray[np.bool_]:
    shape = (stack.sizes["y"], stack.sizes["x"])
    if isinstance(mask, Path | str):
        return read_water_mask(mask, shape)
    values = _values_of_map(mask, shape, "a water mask")
    invert: NDArray[np.bool_] = np.nan_to_num(values) != 0
    return invert


def _geometry(
    stack: xr.Dataset, network: Network, wavelength: float, options: Options, setting: Setting
) -> tuple[NDArray[np.float32], NDArray[np.float32] | float]:
    """Baselines of the dates [m] and slant range times sine of the incidence angle [m], for a DEM error."""
    if not options.dem_error:
        if setting.geometry is not None:
            raise OptionError("found a geometry without dem_error, which alone needs it; ask for dem_error.")
        return np.zeros(0, np.float32), np.nan
    if "perpendicular_baseline" not in stack.coords:
        raise MissingMetadataError(
            "found no perpendicular_baseline in the stack; dem_error tells a DEM error by it. Add it "
            "(MintPy: the dataset bperp), or do not ask for dem_error."
        )
    pair_baseline = stack["perpendicular_baseline"].values
    reached = network.pair_array[np.isfinite(pair_baseline)]
    missing = np.setdiff1d(np.arange(network.n_date), reached)
    if len(missing):
        names = shorten([date_name(network.dates[index]) for index in missing])
        raise MissingMetadataError(
            f"found no pair with a perpendicular baseline at {names}; dem_error needs those of all dates. "
            "Complete them, or do not ask for dem_error."
        )
    baseline = date_baselines(network, pair_baseline)
    temporal_columns(network, baseline, wavelength, options.temporal_model)  # refuses what tells nothing
    given, shape = setting.geometry, (stack.sizes["y"], stack.sizes["x"])
    if given is None:
        return baseline, geometry_from_attributes(stack.attrs)
    if isinstance(given, Path | str):
        return baseline, read_geometry(given, shape)
    values = _values_of_map(given, shape, "a geometry").astype(np.float32)
    known: NDArray[np.float32] = np.where(np.isfinite(values) & (values > 0), values, np.float32(np.nan))
    if np.isnan(known).all():
        raise OptionError(
            "found a geometry that is a positive number at no pixel; give the slant range times the sine of "
            "the incidence angle [m], or none to take the middle of the scene."
        )
    return baseline, known


def _values_of_map(given: NDArray[Any] | xr.DataArray, shape: tuple[int, int], name: str) -> NDArray[Any]:
    """Take a map as it is, or by the names of its dimensions if it has some."""
    if isinstance(given, xr.DataArray):
        if set(given.dims) != {"y", "x"}:
            raise OptionError(
                f"found {name} with the dimensions {', '.join(map(str, given.dims))}; it needs y and x. "
                "Rename them, or give a plain array of rows and columns."
            )
        given = given.transpose("y", "x")
    values = np.asarray(given)
    if values.shape != shape:
        raise OptionError(f"found {name} of {values.shape}; the scene has {shape} rows and columns.")
    return values


def _find_date(network: Network, wanted: str | None) -> int:
    if wanted is None:
        return 0
    names = [date_name(date) for date in network.dates]
    plain = wanted.replace("-", "").replace(":", "")
    found = [
        index
        for index, (name, date) in enumerate(zip(names, network.dates, strict=True))
        if plain in (name, name.split("T")[0]) or wanted == date
    ]
    if len(found) != 1:
        raise OptionError(
            f"found reference_date = {wanted}, which is {'none' if not found else 'more than one'} of the "
            f"{network.n_date} dates: {shorten(names)}. Give one of them as YYYYMMDD."
        )
    return found[0]


def _with_reference_point(stack: xr.Dataset, point: tuple[int, int] | None) -> xr.Dataset:
    if point is None:
        return stack
    row, column = point
    return stack.assign_attrs(
        reference_point=[row, column],
        reference_point_y=float(stack["y"].values[row]),
        reference_point_x=float(stack["x"].values[column]),
    )
