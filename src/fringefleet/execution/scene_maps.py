"""Maps of a scene from outside the stack: pixels to invert, and the geometry for a DEM error."""

import logging
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import MissingMetadataError, OptionError, StackFormatError
from fringefleet.io import (
    geometry_from_attributes,
    read_average_coherence,
    read_geometry,
    read_water_mask,
)
from fringefleet.io.quantities import LENGTH, declared_unit, in_unit
from fringefleet.network.design_matrix import date_baselines
from fringefleet.network.network import Network, date_name, shorten
from fringefleet.observation.oddities import MASK, warn_of_outside
from fringefleet.options import Options
from fringefleet.solver.temporal_model import TemporalModel, temporal_columns

logger = logging.getLogger(__name__)

_LARGEST_BASELINE = 1e5  # [m]

GivenMap: TypeAlias = Path | str | NDArray[Any] | xr.DataArray


def pixels_to_invert(
    shape: Shape, water_mask: GivenMap | None, average_coherence: Path | str | None
) -> NDArray[np.bool_] | None:
    """Combine the maps that exclude pixels, (y, x); None if nothing excludes any.

    Parameters
    ----------
    shape
        Rows and columns of the scene.
    water_mask
        Nonzero where pixels are inverted.
    average_coherence
        MintPy's file of the coherence averaged over all pairs; pixels where it is exactly 0 are excluded. A
        file of another size is ignored, as in MintPy, with a warning.

    Raises
    ------
    InputError
        One of its subclasses: a file cannot be used, or a map has another shape.
    """
    invert = None if water_mask is None else _water_mask(shape, water_mask)
    if average_coherence is None:
        return invert
    covered = read_average_coherence(average_coherence, shape)
    if covered is None:
        logger.warning("%s differs in size from the stack: not used", average_coherence)
        return invert
    n_empty = covered.size - int(covered.sum())
    logger.info("%d pixels are excluded because %s is 0 there", n_empty, Path(average_coherence).name)
    return covered if invert is None else invert & covered


def _water_mask(shape: Shape, mask: GivenMap) -> NDArray[np.bool_]:
    if isinstance(mask, Path | str):
        return read_water_mask(mask, shape)
    values = _values_of_map(mask, shape, "a water mask")
    warn_of_outside("the water mask", values, MASK, count_as="land")
    invert: NDArray[np.bool_] = np.nan_to_num(values) != 0
    return invert


def dem_geometry(
    stack: xr.Dataset, network: Network, wavelength: float, options: Options, given: GivenMap | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | float]:
    """Return the baselines of the dates [m] and R sin(incidence angle) [m], for a DEM error.

    Raises
    ------
    InputError
        One of its subclasses: baselines or geometry are unknown.
    """
    if not options.dem_error:
        return np.zeros(0, np.float32), np.nan
    baseline = _baselines(stack, network)
    model = TemporalModel(options.polynomial_order, options.atmosphere_std)
    temporal_columns(network, baseline, wavelength, model)  # rejects baselines without information
    shape = (stack.sizes["y"], stack.sizes["x"])
    if given is None:
        return baseline, geometry_from_attributes(stack.attrs)
    if isinstance(given, Path | str):
        return baseline, read_geometry(given, shape)
    said = declared_unit(given.attrs) if isinstance(given, xr.DataArray) else None
    values = _values_of_map(given, shape, "a geometry") * in_unit(LENGTH, said, "the geometry")
    values = values.astype(np.float32)
    known: NDArray[np.float32] = np.where(np.isfinite(values) & (values > 0), values, np.float32(np.nan))
    if np.isnan(known).all():
        raise OptionError(
            "found a geometry without any positive value; give the slant range times the sine of "
            "the incidence angle [m], or none to use the middle of the scene."
        )
    return baseline, known


def _baselines(stack: xr.Dataset, network: Network) -> NDArray[np.float32]:
    if "perpendicular_baseline" not in stack.coords:
        raise MissingMetadataError(
            "found no perpendicular_baseline in the stack; dem_error needs it. Add it "
            "(MintPy: the dataset bperp), or omit dem_error."
        )
    pair_baseline = stack["perpendicular_baseline"].values
    largest = np.nanmax(np.abs(pair_baseline), initial=0)
    if _LARGEST_BASELINE < largest < np.inf:
        raise StackFormatError(
            f"found a perpendicular_baseline of {largest:g} m, and dem_error needs it in metres; no two "
            "orbits that interfere are so far apart. Correct it, or write NaN where it is unknown."
        )
    reached = network.pair_array[np.isfinite(pair_baseline)]
    missing = np.setdiff1d(np.arange(network.n_date), reached)
    if len(missing):
        names = shorten([date_name(network.dates[index]) for index in missing])
        raise MissingMetadataError(
            f"found no pair with a perpendicular baseline at {names}; dem_error needs those of all dates. "
            "Complete them, or omit dem_error."
        )
    return date_baselines(network, pair_baseline)


def _values_of_map(given: NDArray[Any] | xr.DataArray, shape: Shape, name: str) -> NDArray[Any]:
    """Return a map as an array (y, x), transposed by the names of its dimensions if it has any."""
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
