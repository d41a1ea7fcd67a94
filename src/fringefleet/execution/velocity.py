"""Fit of functions of time to the series of a result, as a function of the arrays of a tile.

:mod:`fringefleet.solver.time_fit` has the equations; :mod:`fringefleet.velocity_maps` the two forms that
users call.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import InputError, StackFormatError
from fringefleet.execution.tile import Arrays, BlockFunction, Tile
from fringefleet.execution.velocity_job import FitOptions
from fringefleet.io.dates import find_date, read_dates, seconds_of_day
from fringefleet.io.grid import GRID_MAPPING
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.io.placeholders import placeholder
from fringefleet.io.store.conventions import with_history
from fringefleet.io.store.result_kind import SERIES, check_series, made_from
from fringefleet.io.store.stored_mask import MASK, RULE
from fringefleet.network.network import date_name, shorten, with_time_of_day
from fringefleet.option_words import Marked, as_it_is, option
from fringefleet.processes.dask_defaults import with_graph_defaults
from fringefleet.products.fit_attributes import FIT_ATTRIBUTES, Errors, fit_attributes, why_std_unknown
from fringefleet.products.provenance import MASK_RULE
from fringefleet.products.std import FORMAL
from fringefleet.products.velocity import velocity_variables
from fringefleet.solver.compiled.available import has_numba
from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_errors import Bootstrap, covariance_propagated
from fringefleet.solver.time_fit import Propagate, SeriesFit
from fringefleet.solver.time_functions import TimeFunctions

logger = logging.getLogger(__name__)

GAP_FILLED, COVARIANCE = "gap_filled", "displacement_cov"
_LARGE = 2**28  # numbers of a series; with fewer the import of numba takes longer than it saves
_DIMS = {
    SERIES: ("date", "y", "x"),
    GAP_FILLED: ("date", "y", "x"),
    COVARIANCE: ("date", "date2", "y", "x"),
    MASK: ("y", "x"),
}


@dataclass(frozen=True)
class VelocityOfTile:
    """Fit of the series of a tile; it travels to the workers.

    Attributes
    ----------
    model
        The functions at the dates.
    options
        Which dates, and which standard errors.
    std_scale
        What the covariance of the displacements is in proportion to.
    is_compiled
        Whether numba solves, because the scene is worth its import, or it is imported already.
    """

    model: TimeModel
    options: FitOptions
    std_scale: str = FORMAL
    is_compiled: bool = False

    @property
    def errors(self) -> Errors:
        """Give what standard errors are from."""
        return Errors(self.options.uncertainty, self.std_scale)

    def as_function(self) -> BlockFunction:
        """Give the functions of a tile."""
        return BlockFunction("fit_velocity", self._compute)

    def _compute(self, arrays: Arrays, _tile: Tile, watch: Stopwatch, place: BlockPlace) -> BlockResult:
        with place.turn(), watch.time("solve"):
            return BlockResult(self.fit(arrays))

    def fit(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Fit the series of a block.

        Parameters
        ----------
        arrays
            Displacement [m], whether dates are gap filled, covariances [m^2], and a mask, (..., y, x).

        Returns
        -------
        dict
            Maps (y, x), in the dtypes of :func:`fringefleet.products.velocity.velocity_variables`.
        """
        shape = arrays[SERIES].shape[1:]
        flat = {name: values.reshape(*values.shape[:-2], -1) for name, values in arrays.items()}
        has_std = self.options.uncertainty != "none"
        fit = SeriesFit(self.model, has_std=has_std, is_compiled=self.is_compiled and has_numba())
        if MASK in flat:
            flat[SERIES] = np.where(flat[MASK] == 1, flat[SERIES], np.float32(np.nan))
        found = fit.fit(flat[SERIES], flat.get(GAP_FILLED), self._propagate(flat))
        return {
            name: found[name].astype(variable.dtype).reshape(shape)
            for name, variable in velocity_variables(self.model.functions, self.errors).items()
        }

    def _propagate(self, flat: Mapping[str, NDArray[Any]]) -> Propagate | None:
        """Choose where the covariance of the parameters comes from; None: from the residuals."""
        if self.options.uncertainty == "covariance":
            return covariance_propagated(flat[COVARIANCE])
        if self.options.uncertainty == "bootstrap":
            return Bootstrap(self.model, self.options.bootstrap_count, self.options.seed).of(flat[SERIES])
        return None


@dataclass(frozen=True)
class PreparedFit:
    """A result that has been checked, and what all its tiles share.

    Attributes
    ----------
    data
        The variables that are read, of the result as it was given.
    function
        What is computed of a tile.
    attrs
        Attributes of the maps.
    """

    data: xr.Dataset
    function: VelocityOfTile
    attrs: Mapping[str, Any]

    @property
    def shape(self) -> Shape:
        """Rows and columns of the scene."""
        return self.data.sizes["y"], self.data.sizes["x"]


def prepare_fit(result: xr.Dataset, functions: TimeFunctions, options: FitOptions) -> PreparedFit:
    """Check a result against the functions that are to be fitted; nothing but its dates is read.

    Raises
    ------
    InputError
        One of its children: it has no series, dates that are named are not there, too few are left, or there
        is no covariance.
    """
    wanted = [SERIES]
    if GAP_FILLED in result and not options.include_gap_filled:
        wanted.append(GAP_FILLED)
    if MASK in result and not options.no_mask:
        wanted.append(MASK)
    if options.uncertainty == "covariance":
        _check_has_covariance(result)
        wanted.append(COVARIANCE)
    _check_dimensions(result, wanted)
    times = result["date"].values.astype("datetime64[s]")
    used = _used_dates(times, options)
    dates = with_time_of_day(times.astype(str).tolist(), seconds_of_day(result.attrs))
    model = TimeModel(functions, dates, used)
    kept = {name: data for name, data in result[wanted].coords.items() if name in ("y", "x", GRID_MAPPING)}
    data = xr.Dataset({name: result[name].drop_vars(result[name].coords) for name in wanted}, coords=kept)
    scale = str(result.attrs.get("std_scale", FORMAL))
    is_compiled = result[SERIES].size >= _LARGE or "numba" in sys.modules
    function = VelocityOfTile(model, options, scale, is_compiled=is_compiled)
    rule = {MASK_RULE: str(result[MASK].attrs.get(RULE, ""))} if MASK in wanted else {}
    return PreparedFit(data, function, {**_attributes(result, function), **rule})


def warn_of_unknown_std(prepared: PreparedFit) -> None:
    """Warn where no standard error can be known."""
    if unknown := why_std_unknown(prepared.function.model, prepared.function.options.uncertainty):
        logger.warning("%s", Marked(unknown))


@with_graph_defaults
def template_of(prepared: PreparedFit, tile: Shape) -> xr.Dataset:
    """Build maps without numbers: shapes, chunks, coordinates and attributes of the real ones."""
    data, function = prepared.data, prepared.function
    mapping = data[SERIES].attrs.get("grid_mapping")
    more = {"grid_mapping": mapping} if mapping else {}
    variables = {
        name: (
            variable.dims,
            placeholder(name, prepared.shape, variable.dtype, tile),
            variable.attributes_for(str(prepared.attrs.get("observation"))) | more,
        )
        for name, variable in velocity_variables(function.model.functions, function.errors).items()
    }
    coords = {str(name): data[name].variable for name in data.coords}
    return with_own_attributes(xr.Dataset(variables, coords=coords, attrs=dict(prepared.attrs)))


def _check_dimensions(result: xr.Dataset, wanted: list[str]) -> None:
    check_series(result, "a velocity")
    for name in wanted:
        if result[name].dims != _DIMS[name]:
            found, needed = (", ".join(map(str, dims)) for dims in (result[name].dims, _DIMS[name]))
            raise StackFormatError(f"found {name} over {found}; {needed} are needed. Transpose it.")


def _check_has_covariance(result: xr.Dataset) -> None:
    if COVARIANCE in result:
        return
    has_std = "displacement_std" in result
    found = "a displacement_std only" if has_std else "no covariance of the displacements"
    why = (
        "; dates are correlated, so that the variance of each says nothing of that of a velocity"
        if has_std
        else ""
    )
    raise InputError(
        f"found {option('uncertainty', 'covariance')}, and {found} in the result{why}. Repeat invert with "
        f"{as_it_is('--covariance')}, or with {as_it_is('--velocity --uncertainty covariance')}; or give "
        f"{option('uncertainty', 'residual')}."
    )


def _used_dates(times: NDArray[np.datetime64], options: FitOptions) -> tuple[int, ...]:
    """Choose the dates by number.

    Raises
    ------
    InputError
        None is left, or one that is excluded is not there.
    """
    used = np.ones(len(times), dtype=bool)
    if options.start_date is not None:
        used &= times >= _bounds("start_date", options.start_date)[0]
    if options.end_date is not None:
        used &= times < _bounds("end_date", options.end_date)[1]
    for date in options.exclude_dates:
        name = date_name(date)
        if not (found := find_date(name, times)):
            raise InputError(
                f"found {option('exclude_dates', name)}, which is no date of the result: it has "
                f"{shorten([date_name(each) for each in times.astype(str)], at_most=4)}. Give dates of it."
            )
        used[found] = False
    if not used.any():
        raise InputError(
            f"found no date from {options.start_date or 'the first'} to {options.end_date or 'the last'} "
            f"that is not excluded, among {len(times)} from {date_name(str(times[0]))} to "
            f"{date_name(str(times[-1]))}. Select more."
        )
    return tuple(np.flatnonzero(used).tolist())


def _bounds(name: str, text: str) -> tuple[np.datetime64, np.datetime64]:
    """Give when a date begins, and when it is over, to its own precision."""
    try:
        (time,), (precision,), _ = read_dates([text])
    except StackFormatError as error:
        raise InputError(f"found {option(name, repr(text))}: {error}") from error
    return time, time + np.timedelta64(int(precision), "s")


def _attributes(result: xr.Dataset, function: VelocityOfTile) -> dict[str, Any]:
    """Replace what the attributes of the result say of an earlier fit, and note this one."""
    model, options = function.model, function.options
    made = fit_attributes(model, function.errors, uses_gap_filled=options.include_gap_filled)
    kept = {name: value for name, value in result.attrs.items() if name not in FIT_ATTRIBUTES}
    return {
        **kept,
        **made,
        **made_from(result),
        "fringefleet_version": version("fringefleet"),
        "history": with_history(result.attrs, f"velocity: {made['time_functions']}"),
    }
