"""Attributes of a result that say how functions of time were fitted to it."""

from dataclasses import fields
from typing import Any, NamedTuple

from fringefleet.choices import Uncertainty
from fringefleet.network.network import date_name
from fringefleet.option_words import in_words_of_python, option
from fringefleet.products.std import FORMAL
from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_functions import TimeFunctions, compact_date, parameters_of

FIT_ATTRIBUTES = (
    *("time_functions", "velocity_uncertainty", "velocity_interval", "first_date_used", "last_date_used"),
    *("n_date_used", "gap_filled_dates", "velocity_degrees_of_freedom", "velocity_std_unknown"),
)
_NORMAL = "normal (z)"
_INTERVALS = {
    "residual": "Student's t with date_count - {n_parameter} degrees of freedom",
    "covariance": _NORMAL,
    "bootstrap": _NORMAL,
    "none": "none",
}
# Where the residuals of the pairs tell the scale of their variances
_BY_PAIRS = "Student's t with as many degrees of freedom as the pixel has redundant pairs"
MEANT = {
    "residual": "from the residuals of the fit, as if dates were independent",
    "covariance": "from the covariance of the displacements, by decorrelation",
    "bootstrap": "by bootstrap over the dates",
}


class Errors(NamedTuple):
    """Standard errors of a fit.

    Attributes
    ----------
    uncertainty
        What they are from; with ``none`` there are none.
    std_scale
        What the covariance of the displacements is in proportion to, as :mod:`fringefleet.products.std` says.
    """

    uncertainty: Uncertainty = "residual"
    std_scale: str = FORMAL


def fit_attributes(model: TimeModel, errors: Errors, *, uses_gap_filled: bool = False) -> dict[str, Any]:
    """Give the attributes of a result that say how its maps were made, as named in :data:`FIT_ATTRIBUTES`."""
    names = [date_name(model.dates[index]).partition("T")[0] for index in model.used]
    n_free = model.n_used - model.n_parameter
    unknown = why_std_unknown(model, errors.uncertainty)
    found = {
        "time_functions": describe_functions(model.functions),
        "velocity_uncertainty": errors.uncertainty,
        "velocity_interval": interval_of(model.functions, errors),
        "first_date_used": names[0],
        "last_date_used": names[-1],
        "n_date_used": len(names),
        "gap_filled_dates": "used" if uses_gap_filled else "left out",
        "velocity_degrees_of_freedom": n_free if errors.uncertainty == "residual" else None,
        "velocity_std_unknown": None if unknown is None else in_words_of_python(unknown),
    }
    return {name: value for name, value in found.items() if value is not None}


def why_std_unknown(model: TimeModel, uncertainty: Uncertainty) -> str | None:
    """Explain why no standard error can be known, and what to do; None where one can be."""
    if uncertainty not in ("residual", "bootstrap") or model.n_used > model.n_parameter:
        return None
    return (
        f"found {model.n_used} dates for {model.n_parameter} parameters of the time functions, which leaves "
        f"no residual to find errors from: {option('uncertainty', uncertainty)} gives no standard deviation. "
        f"Use more dates, {option('uncertainty', 'covariance')}, or {option('uncertainty', 'none')}"
    )


def interval_of(functions: TimeFunctions, errors: Errors) -> str:
    """Name the distribution whose quantiles make intervals of standard errors."""
    if errors.uncertainty == "covariance" and errors.std_scale != FORMAL:
        return _BY_PAIRS
    return _INTERVALS[errors.uncertainty].format(n_parameter=len(parameters_of(functions)))


def describe_functions(functions: TimeFunctions) -> str:
    """Describe the functions that are fitted, in the words of the options.

    Examples
    --------
    >>> describe_functions(TimeFunctions(periodic=(1, 0.5), exponential="20170910 60 120"))
    'polynomial 1; periodic 1 0.5; exponential 20170910 60 120'
    """
    parts = []
    for field in fields(functions):
        value = getattr(functions, field.name)
        if value != ():
            parts.append(f"{field.name} {_in_words(value)}")
    return "; ".join(parts)


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_in_words, value))
    return compact_date(value) if isinstance(value, str) else f"{value:g}"
