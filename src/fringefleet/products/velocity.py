"""Velocity and other functions of time of a series: the maps, their attributes and their look.

:mod:`fringefleet.solver.time_functions` has the equations.
"""

import re
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products.base import (
    MAP,
    MOTION_COLOURS,
    BatchMemory,
    Compute,
    MapStyle,
    Product,
    ResultVariable,
    SolvedBatch,
    SolverForm,
)
from fringefleet.products.fit_attributes import (
    FIT_ATTRIBUTES,
    MEANT,
    Errors,
    fit_attributes,
    interval_of,
    why_std_unknown,
)
from fringefleet.products.std import scale_of_std
from fringefleet.solver.arrays import in_library_of, on_host
from fringefleet.solver.compiled.available import has_numba
from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_fit import SeriesFit
from fringefleet.solver.time_functions import (
    DATE_COUNT,
    POSITIVE_TOWARDS,
    RESIDUAL_RMS,
    TimeFunctions,
    TimeMap,
    maps_of,
    parameters_of,
    std_name,
)

_DATE = r"\d{8}(?:T\d{4,6})?"
_NAME = re.compile(
    r"(?:velocity|intercept|acceleration|derivative_\d|(?:annual|semiannual|period_[\dpem]+)_(?:amplitude|phase)"
    rf"|(?:step|velocity_after)_{_DATE}|(?:exponential|logarithmic)_{_DATE}_tau_[\dpem]+)(?:_std)?"
)


def velocity_variables(functions: TimeFunctions, errors: Errors) -> dict[str, ResultVariable]:
    """Give the maps of a fit, by name."""
    found = {}
    for each in maps_of(functions):
        has_std = errors.uncertainty != "none"
        attrs = {"units": each.units, "long_name": each.long_name}
        of_std = {"ancillary_variables": std_name(each.name)} if has_std else {}
        found[each.name] = ResultVariable(
            "f4",
            MAP,
            attrs | of_std,
            {
                "azimuth_offset": {
                    "long_name": each.long_name.replace(POSITIVE_TOWARDS, "with the sign of the offsets")
                }
            },
            style=_style(each.name, each.units),
        )
        if has_std:
            found[std_name(each.name)] = _std_variable(each, functions, errors)
    found[RESIDUAL_RMS] = ResultVariable(
        "f4",
        MAP,
        {"units": "m", "long_name": "root mean square of what the time functions leave of the series"},
        style=MapStyle("magma_r", "from 0", "mm", "Residual of the time functions"),
    )
    found[DATE_COUNT] = ResultVariable(
        "u4",
        MAP,
        {"units": "1", "long_name": "dates that the time functions were fitted to"},
        at_reference=lambda network: network.n_date,
    )
    return found


def map_named(name: str) -> ResultVariable:
    """Give a map of a fit by its name alone, whatever the functions were, with no attributes but its unit."""
    units = _units_of(name)
    return ResultVariable("f4", MAP, {"units": units}, style=_style(name, units))


def is_map(name: str) -> bool:
    """Return whether a map of a fit has this name.

    Examples
    --------
    >>> is_map("step_20170910_std"), is_map("step"), is_map("stepwise")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None


def check_dates(moments: tuple[str, ...], options: Options) -> str | None:
    """Refuse functions of time that the dates of a stack cannot tell apart, if any are to be fitted.

    Returns
    -------
    str or None
        Why no standard error can be known, if so.

    Raises
    ------
    InputError
        As :class:`~fringefleet.solver.time_design.TimeModel`.
    """
    return why_std_unknown(_model(moments, options), options.uncertainty) if options.velocity else None


def _std_variable(each: TimeMap, functions: TimeFunctions, errors: Errors) -> ResultVariable:
    name = std_name(each.name)
    attrs = {
        "units": each.units,
        "long_name": f"standard deviation of the {each.long_name.partition(',')[0]}",
        "uncertainty": f"{errors.uncertainty}: {MEANT[errors.uncertainty]}",
        "interval": interval_of(functions, errors),
    }
    return ResultVariable("f4", MAP, attrs, style=_style(name, each.units))


def _units_of(name: str) -> str:
    """Return the unit of a map of a fit, by its name."""
    base = name.removesuffix("_std")
    if base.endswith("_phase"):
        return "rad"
    if base.startswith("velocity"):
        return "m/year"
    order = "2" if base == "acceleration" else base.removeprefix("derivative_")
    return f"m/year^{order}" if order.isdigit() else "m"


def _style(name: str, units: str) -> MapStyle:
    """Choose how a map of a fit is drawn."""
    if name.endswith(("_std", "_amplitude")):
        return MapStyle("magma_r", "robust", "mm", _title(name))
    if units == "rad":
        return MapStyle("twilight", "cycle", title=_title(name))
    return MapStyle(MOTION_COLOURS, "symmetric", "mm", _title(name))


def _title(name: str) -> str:
    base = name.removesuffix("_std")
    words = base.replace("_", " ").capitalize()
    return f"Standard deviation, {words.lower()}" if base != name else words


def _model(moments: tuple[str, ...], options: Options) -> TimeModel:
    return TimeModel(options.time_functions, moments, tuple(range(len(moments))))


def _fit(moments: tuple[str, ...], options: Options) -> SeriesFit:
    has_std = options.uncertainty != "none"
    return SeriesFit(_model(moments, options), has_std=has_std, is_compiled=has_numba())


def _errors(options: Options) -> Errors:
    return Errors(options.uncertainty, scale_of_std(options))


def _variables(options: Options) -> dict[str, ResultVariable]:
    return velocity_variables(options.time_functions, _errors(options))


def _prepare(moments: tuple[str, ...], options: Options) -> Compute:
    return partial(_compute, _fit(moments, options), options.uncertainty == "covariance")


def _operator(moments: tuple[str, ...], options: Options) -> NDArray[np.float64]:
    return _fit(moments, options).operator


def _compute(fit: SeriesFit, is_propagated: bool, batch: SolvedBatch) -> dict[str, Any]:
    """Fit a batch; what is in the memory of the CPU as NumPy has it, whose way is the quicker one."""
    propagate = batch.propagate if is_propagated else None
    found = fit.fit(on_host(batch.displacement), on_host(batch.gap_filled), propagate)
    return {name: in_library_of(batch.displacement, values) for name, values in found.items()}


def _memory(plan: EliminationPlan, options: Options, form: SolverForm) -> BatchMemory:
    """Maps and sums of a batch in float64; on a GPU its series, too."""
    n_map, n_parameter = len(_variables(options)), len(parameters_of(options.time_functions))
    n_double = 2 * plan.network.n_date if form == "fused" else 0
    return BatchMemory(n_double=n_double, n_byte=8 * (2 * n_map + 5 * (n_parameter + 1)))


def _memory_with_factor(plan: EliminationPlan, options: Options, form: SolverForm) -> BatchMemory:
    """Besides, the factor where only this product needs it, and what is substituted into it in float64.

    Compiled, the substitution holds nothing for all pixels at once; without torch neither is the factor kept.
    """
    n_parameter, n_date = len(parameters_of(options.time_functions)), plan.network.n_date
    n_row = plan.n_slot + n_date if form == "compiled" else 0
    n_state = 0 if has_numba() and form != "fused" else n_parameter * n_date
    n_tie = 0 if form == "direct" else n_date + 2 * plan.n_neighbour
    n_byte = 8 * (n_state + 3 * n_parameter**2 + n_tie)
    n_vector_row = 2 * n_parameter * (n_date + n_parameter) if form == "direct" else 0
    own = BatchMemory(n_row=n_row, n_vector_row=n_vector_row, n_byte=n_byte)
    return _memory(plan, options, form).plus(own)


_BY_DEFAULT = velocity_variables(TimeFunctions(), Errors())


def _attribute(name: str, options: Options, moments: tuple[str, ...]) -> Any:
    return fit_attributes(_model(moments, options), _errors(options)).get(name)


_ATTRIBUTES = {name: partial(_attribute, name) for name in FIT_ATTRIBUTES}

VELOCITY = Product(
    variables=_BY_DEFAULT,
    find_variables=_variables,
    applies=lambda options: options.velocity and options.uncertainty != "covariance",
    prepare=_prepare,
    memory=_memory,
    attributes=_ATTRIBUTES,
)
VELOCITY_BY_FACTOR = replace(
    VELOCITY,
    applies=lambda options: options.velocity and options.uncertainty == "covariance",
    operator=_operator,
    needs=frozenset({"factor", "unit_variance"}),
    memory=_memory_with_factor,
)
