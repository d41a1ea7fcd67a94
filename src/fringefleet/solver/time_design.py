"""Design matrix of functions of time at the dates of a series.

:mod:`fringefleet.solver.time_functions` has the equations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import InputError
from fringefleet.network.network import date_name, shorten
from fringefleet.option_words import option
from fringefleet.solver.time_functions import TimeFunctions, TimeParameter, parameters_of

DAYS_PER_YEAR = 365.25
SMALLEST_PIVOT = 1e-10  # of a triangular factor whose columns have unit length; rounding leaves 1e-16

Years = NDArray[np.float64]
_NEED_ONSET = ("step", "polyline", "exponential", "logarithmic")


@dataclass(frozen=True)
class TimeModel:
    """Functions of time at the dates of a series: plain values, which travel with every task.

    Attributes
    ----------
    functions
        What is fitted.
    dates
        All dates of the series, ISO, ascending.
    used
        Indices of those that are used.

    Raises
    ------
    InputError
        Fewer dates than parameters, or dates that cannot tell the functions apart.
    """

    functions: TimeFunctions
    dates: tuple[str, ...]
    used: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what no pixel could have an estimate of."""
        _check_number(self.n_used, self.n_parameter)
        _check_onsets(self.parameters, [self.dates[index] for index in self.used])
        matrix = self.matrix / np.linalg.norm(self.matrix, axis=0)
        if np.abs(np.diag(np.linalg.qr(matrix, mode="r"))).min() < SMALLEST_PIVOT:
            raise InputError(
                f"found {self.n_used} dates that cannot tell the {self.n_parameter} parameters of the time "
                "functions apart: two of the functions are the same at these dates. Give fewer functions."
            )

    @property
    def n_used(self) -> int:
        """Number of dates that are used."""
        return len(self.used)

    @property
    def n_parameter(self) -> int:
        """Number of parameters of a pixel."""
        return len(self.parameters)

    @cached_property
    def parameters(self) -> tuple[TimeParameter, ...]:
        """Give the columns."""
        return parameters_of(self.functions)

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """Give the design matrix, (used date, parameter), in metres and years."""
        years = decimal_years([self.dates[index] for index in self.used])
        return np.stack([_column(parameter, years) for parameter in self.parameters], axis=1)


def decimal_years(dates: Sequence[str]) -> Years:
    """Convert ISO dates to years as MintPy does: the calendar year and (day of the year - 1) / 365.25.

    A year of 365 days so ends a quarter of a day before the next one begins.

    Examples
    --------
    >>> decimal_years(["2017-01-01", "2017-07-02T12:00"]).round(6).tolist()
    [2017.0, 2017.499658]
    """
    times = np.array(dates, "datetime64[s]")
    year = times.astype("datetime64[Y]")
    days = (times - year).astype("timedelta64[s]").astype(np.float64) / 86400
    years: Years = 1970 + year.astype(np.int64) + days / DAYS_PER_YEAR
    return years


def _column(parameter: TimeParameter, years: Years) -> Years:
    """Write a function at some years."""
    if parameter.onset:
        since = years - decimal_years([parameter.onset])[0]
        begun = since > 0
        column: Years = _ONSET[parameter.kind](
            np.where(begun, since, 0), begun, parameter.value / DAYS_PER_YEAR
        )
        return column
    return _STEADY[parameter.kind](years - years[0], parameter.value)


def _power(years: Years, order: float) -> Years:
    found: Years = years**order / float(np.prod(np.arange(1, order + 1)))
    return found


_STEADY: dict[str, Callable[[Years, float], Years]] = {
    "polynomial": _power,
    "cosine": lambda years, period: np.cos(2 * np.pi / period * years),
    "sine": lambda years, period: np.sin(2 * np.pi / period * years),
}
# Of the years since the onset, 0 before it, whether it has come, and the characteristic time [year]
_ONSET: dict[str, Callable[[Years, NDArray[np.bool_], float], Years]] = {
    "step": lambda _since, begun, _tau: begun.astype(np.float64),
    "polyline": lambda since, _begun, _tau: since,
    "exponential": lambda since, _begun, tau: -np.expm1(-since / tau),
    "logarithmic": lambda since, _begun, tau: np.log1p(since / tau),
}


def _check_number(n_date: int, n_parameter: int) -> None:
    if n_date < n_parameter:
        raise InputError(
            f"found {n_date} dates for time functions of {n_parameter} parameters; at least as many are "
            "needed, and more for standard errors. Select more dates, or give fewer functions."
        )


def _check_onsets(parameters: tuple[TimeParameter, ...], dates: list[str]) -> None:
    """Refuse functions that begin after the last date, or of which nothing is before."""
    times = np.array(dates, "datetime64[s]")
    for parameter in parameters:
        if parameter.kind not in _NEED_ONSET:
            continue
        n_after = int((times > np.datetime64(parameter.onset)).sum())
        is_same_as_another = n_after == len(times) and parameter.kind in ("step", "polyline")
        if n_after == 0 or is_same_as_another:
            where = "after" if n_after == 0 else "before"
            raise InputError(
                f"found {option(parameter.kind, date_name(parameter.onset))}, and no date {where} it among "
                f"{shorten([date_name(date) for date in dates], at_most=4)}. Give a date between them."
            )
