r"""Functions of time that a series is described by, and the maps that a fit of them gives. Light to import.

With :math:`t` [year] since the first date that is used, the displacement [m] of a pixel is

.. math::

    d(t) = \sum_{k=0}^{N} c_k \frac{t^k}{k!} + \sum_P \left(a_P \cos\frac{2 \pi t}{P}
    + b_P \sin\frac{2 \pi t}{P}\right) + \sum_s h_s H(t - s) + \sum_s u_s (t - s) H(t - s)
    + \sum e \left(1 - e^{-(t - s) / \tau}\right) H(t - s)
    + \sum l \ln\left(1 + \frac{t - s}{\tau}\right) H(t - s)

with :math:`H(x)` 1 for :math:`x > 0`, else 0: a date at the very time of a step is before it. :math:`c_1` is
the velocity [m/year], :math:`c_2` the acceleration [m/year^2]; a periodic motion is
:math:`A \sin(2 \pi t / P + \varphi)` with amplitude :math:`A = \sqrt{a^2 + b^2}` and phase
:math:`\varphi = \mathrm{atan2}(a, b)`. What is given for a change of velocity at :math:`s` is the velocity
after it, :math:`c_1` with all :math:`u` until then.

The functions, their units and the reference time are those of MintPy's ``timeseries2velocity``, as its output
shows. The years of a date, too: the calendar year and (day of the year - 1) / 365.25.

References
----------
Hetland et al. (2012), doi:10.1029/2011JB008731, eqs. 2-9. Fattahi & Amelung (2015),
doi:10.1002/2015JB012419.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from numbers import Integral
from typing import Annotated, Any, NamedTuple

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented
from fringefleet.arguments.several import split
from fringefleet.errors import OptionError
from fringefleet.option_words import option

Onset = tuple[str, tuple[float, ...]]  # date, and characteristic times [days]
Several = Any  # one value or several, as text, numbers or dates; kept as a tuple
MOST_ORDER = 9
DATE_COUNT, RESIDUAL_RMS = "date_count", "series_residual_rms"  # maps that every fit gives
_DATE = "YYYYMMDD, or YYYYMMDDTHHMM"
_NAMES_OF_PERIODS = {1.0: "annual", 0.5: "semiannual"}
_NAMES_OF_ORDERS = {1: "velocity", 2: "acceleration"}
POSITIVE_TOWARDS = "positive towards the satellite"


@documented
@dataclass(frozen=True)
class TimeFunctions:
    """Choose the functions of time that are fitted to a series; :mod:`~fringefleet.solver.time_functions`.

    Raises
    ------
    OptionError
        A value cannot be used, or is given twice.

    Examples
    --------
    >>> TimeFunctions(polynomial=2, periodic=(1, 0.5), step="20170919").polynomial
    2
    """

    polynomial: Annotated[
        int,
        Declared(
            "Order of the polynomial in time: 1 gives the velocity, 2 an acceleration, too.",
            Panel.VELOCITY,
            metavar="N",
            least=1,
            most=MOST_ORDER,
        ),
    ] = 1
    periodic: Annotated[
        Several,
        Declared(
            "Periods of periodic motion: 1 is annual, 0.5 semiannual.",
            Panel.VELOCITY,
            metavar="YEARS ...",
            default="none",
            kind=list[str],
        ),
    ] = ()
    step: Annotated[
        Several,
        Declared(
            "Steps at these dates, such as earthquakes.",
            Panel.VELOCITY,
            metavar="DATE ...",
            default="none",
            kind=list[str],
        ),
    ] = ()
    polyline: Annotated[
        Several,
        Declared(
            "Changes of velocity at these dates.",
            Panel.VELOCITY,
            metavar="DATE ...",
            default="none",
            kind=list[str],
        ),
    ] = ()
    exponential: Annotated[
        Several,
        Declared(
            "Exponential decay that begins at a date, for each characteristic time [days].",
            Panel.VELOCITY,
            metavar="DATE TAU ...",
            default="none",
            kind=list[str],
        ),
    ] = ()
    logarithmic: Annotated[
        Several,
        Declared(
            "Logarithmic growth that begins at a date, for each characteristic time [days].",
            Panel.VELOCITY,
            metavar="DATE TAU ...",
            default="none",
            kind=list[str],
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Take text, lists and dates, and check all."""
        for field in fields(self):
            if field.name in _READERS:
                object.__setattr__(self, field.name, _read(field.name, getattr(self, field.name)))
        check_fields(self)
        names = [each.name for each in maps_of(self)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise OptionError(
                f"found two functions of time for the map {twice[0]}: two periods or characteristic times "
                "are nearly the same. Leave one out."
            )


class TimeMap(NamedTuple):
    """A map that a fit gives.

    Attributes
    ----------
    name
        Of the variable.
    units, long_name
        CF attributes.
    parameters
        Indices of the parameters whose sum it is; or of cosine and sine.
    part
        The sum, or amplitude or phase of cosine and sine.
    """

    name: str
    units: str
    long_name: str
    parameters: tuple[int, ...]
    part: str = "sum"


class TimeParameter(NamedTuple):
    """One parameter of a fit: a column of the design matrix.

    Attributes
    ----------
    kind
        ``polynomial``, ``cosine``, ``sine``, ``step``, ``polyline``, ``exponential`` or ``logarithmic``.
    value
        Order; period [year]; or characteristic time [days].
    onset
        ISO date and time from which it is not zero; empty where it has none.
    """

    kind: str
    value: float = 0.0
    onset: str = ""


def parameters_of(functions: TimeFunctions) -> tuple[TimeParameter, ...]:
    """List the parameters of a fit, the constant first.

    Examples
    --------
    >>> [parameter.kind for parameter in parameters_of(TimeFunctions(periodic=(1,)))]
    ['polynomial', 'polynomial', 'cosine', 'sine']
    """
    found = [TimeParameter("polynomial", float(order)) for order in range(functions.polynomial + 1)]
    for period in functions.periodic:
        found += [TimeParameter("cosine", period), TimeParameter("sine", period)]
    found += [TimeParameter("step", onset=date) for date in functions.step]
    found += [TimeParameter("polyline", onset=date) for date in functions.polyline]
    for kind in ("exponential", "logarithmic"):
        onsets: tuple[Onset, ...] = getattr(functions, kind)
        found += [TimeParameter(kind, tau, date) for date, taus in onsets for tau in taus]
    return tuple(found)


def maps_of(functions: TimeFunctions) -> tuple[TimeMap, ...]:
    """List the maps that a fit gives, without those of their standard deviations.

    Examples
    --------
    >>> [found.name for found in maps_of(TimeFunctions(periodic=("1", "0.3"), step="2017-09-10"))][:4]
    ['velocity', 'intercept', 'annual_amplitude', 'annual_phase']
    >>> maps_of(TimeFunctions(exponential="20170910,60"))[-1].name
    'exponential_20170910_tau_60'
    """
    found: list[TimeMap] = []
    changes: list[int] = []
    for index, parameter in enumerate(parameters_of(functions)):
        if parameter.kind == "cosine":
            found += _of_period(parameter.value, index)
        elif parameter.kind == "polyline":
            changes.append(index)
            found.append(_of_change(parameter, (1, *changes)))
        elif parameter.kind != "sine":
            found.append(_of_one(parameter, index))
    return (found[1], found[0], *found[2:])


def std_name(name: str) -> str:
    """Name the map of the standard deviations of another one."""
    return f"{name}_std"


def _of_period(period: float, index: int) -> list[TimeMap]:
    name, both = _NAMES_OF_PERIODS.get(period, f"period_{_plain(period)}"), (index, index + 1)
    words = f"motion with a period of {period:g} years"
    return [
        TimeMap(f"{name}_amplitude", "m", f"amplitude of {words}", both, "amplitude"),
        TimeMap(
            f"{name}_phase",
            "rad",
            f"phase of {words}: of its sine, at the first date that is used",
            both,
            "phase",
        ),
    ]


def _of_change(parameter: TimeParameter, parameters: tuple[int, ...]) -> TimeMap:
    date = compact_date(parameter.onset)
    return TimeMap(
        f"velocity_after_{date}", "m/year", f"velocity after {date}, {POSITIVE_TOWARDS}", parameters
    )


def _of_one(parameter: TimeParameter, index: int) -> TimeMap:
    if parameter.kind == "polynomial":
        return _of_order(int(parameter.value), index)
    date = compact_date(parameter.onset)
    if parameter.kind == "step":
        return TimeMap(f"step_{date}", "m", f"step at {date}, {POSITIVE_TOWARDS}", (index,))
    name = f"{parameter.kind}_{date}_tau_{_plain(parameter.value)}"
    words = f"{parameter.kind} motion since {date} with a characteristic time of {parameter.value:g} days"
    return TimeMap(name, "m", f"{words}, {POSITIVE_TOWARDS}", (index,))


def _of_order(order: int, index: int) -> TimeMap:
    if order == 0:
        return TimeMap(
            "intercept",
            "m",
            f"displacement that the fit has at the first date that is used, {POSITIVE_TOWARDS}",
            (index,),
        )
    name = _NAMES_OF_ORDERS.get(order, f"derivative_{order}")
    units = "m/year" if order == 1 else f"m/year^{order}"
    words = {1: "velocity", 2: "acceleration"}.get(order, f"derivative of order {order} of the displacement")
    return TimeMap(name, units, f"{words}, {POSITIVE_TOWARDS}", (index,))


def _plain(value: float) -> str:
    """Write a number for the name of a variable.

    Examples
    --------
    >>> _plain(0.25), _plain(60.0)
    ('0p25', '60')
    """
    return f"{value:g}".replace(".", "p").replace("+", "").replace("-", "m")


def compact_date(date: str) -> str:
    """Write an ISO date and time as names of variables have it.

    Examples
    --------
    >>> compact_date("2017-09-10T00:00:00"), compact_date("2017-09-10T12:30:00")
    ('20170910', '20170910T1230')
    """
    moment = datetime.fromisoformat(date)
    if moment.second:
        return f"{moment:%Y%m%dT%H%M%S}"
    return f"{moment:%Y%m%dT%H%M}" if moment.hour or moment.minute else f"{moment:%Y%m%d}"


def read_date(name: str, value: Any) -> str:
    """Read a date that an option has, as ISO date and time.

    Parameters
    ----------
    name
        Of the option.
    value
        Text, or a date of Python or NumPy.

    Raises
    ------
    OptionError
        It is none.

    Examples
    --------
    >>> read_date("step", "20170910T1230")
    '2017-09-10T12:30:00'
    """
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise OptionError(f"found {option(name, repr(str(value)))}; give dates as {_DATE}.") from error
    if moment.tzinfo is not None:
        raise OptionError(f"found {option(name, repr(str(value)))} with a time zone; give UTC without it.")
    return moment.isoformat(timespec="seconds")


def read_dates_of(name: str, value: Any) -> tuple[str, ...]:
    """Read the dates that an option has, each once, as :func:`read_date` does."""
    return _read(name, value)


def _read(name: str, value: Any) -> tuple[Any, ...]:
    """Read what an option has, which may be one value or several, and refuse one that is given twice."""
    read_one, is_one = _READERS[name]
    values = [value] if is_one(value) else _listed(name, value)
    if read_one is not _read_onset:
        values = [part for each in values for part in (split(each) if isinstance(each, str) else [each])]
    found = tuple(read_one(name, each) for each in values)
    single = [each for item in found for each in (_taken_apart(item) if isinstance(item, tuple) else [item])]
    for each in single:
        if single.count(each) > 1:
            raise OptionError(f"found {option(name)} {_said(each)} twice; give it once.")
    return found


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, Iterable):
        return list(value)
    raise OptionError(f"found {option(name, repr(value))}; give one or more values.")


def _taken_apart(onset: Onset) -> list[tuple[str, float]]:
    return [(onset[0], tau) for tau in onset[1]]


def _said(value: Any) -> str:
    return " ".join(map(_said, value)) if isinstance(value, tuple) else f"{value}"


def _read_number(name: str, value: Any) -> float:
    """Read a positive number."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise OptionError(f"found {option(name, repr(value))}; give positive numbers.")
    return number


def _read_onset(name: str, value: Any) -> Onset:
    """Read a date and characteristic times, of text with commas or blanks or of a sequence."""
    parts = split(value) if isinstance(value, str) else list(value)
    taus = [tau for part in parts[1:] for tau in (part if isinstance(part, tuple | list) else [part])]
    if not taus:
        raise OptionError(
            f"found {option(name, _said(tuple(parts)))}; give a date and one or more characteristic times in "
            "days, such as 20170910 60."
        )
    return read_date(name, parts[0]), tuple(_read_number(name, tau) for tau in taus)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or not isinstance(value, Iterable)


def _is_number(value: Any) -> bool:
    return isinstance(value, str | float | Integral)


def _is_onset(value: Any) -> bool:
    """Whether it is one date with its times, and not several: text, or a tuple; a list has several."""
    is_pair = isinstance(value, tuple) and len(value) > 0 and isinstance(value[0], str)
    return isinstance(value, str) or (is_pair and "," not in value[0] and " " not in value[0].strip())


_READERS: dict[str, Any] = {
    "periodic": (_read_number, _is_number),
    "step": (read_date, _is_text),
    "exclude_dates": (read_date, _is_text),
    "polyline": (read_date, _is_text),
    "exponential": (_read_onset, _is_onset),
    "logarithmic": (_read_onset, _is_onset),
}
