"""Appearance of a variable on a map: title, unit, colours and limits, from its record and its attributes.

One convention holds wherever a motion in the line of sight is drawn: blue is towards the satellite (uplift),
red is away from it (subsidence), and white is none.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.choices import LengthUnit
from fringefleet.products.base import MOTION_COLOURS, ColourLimits, MapStyle
from fringefleet.products.registry import is_variable, variable_named
from fringefleet.products.units import UnitChange, conversion

_TOWARDS = "towards the satellite"  # in the long name of what is positive in that direction
_AWAY_AND_TOWARDS = ("away (subsidence)", "towards (uplift)")
_WORDS = ("long_name", "flag_values", "flag_meanings")
_OF_MOTION = MapStyle(MOTION_COLOURS, "symmetric")
_OF_COUNT = MapStyle("cividis", "robust")
_OF_OTHERS = MapStyle("viridis", "robust")


class Appearance(NamedTuple):
    """Appearance of a variable on a map and in a histogram.

    Attributes
    ----------
    title
        Its name for people.
    conversion
        Unit of the picture, and the factor from the unit of the data to it.
    colours
        Name of a colour map.
    limits
        Rule for the limits of its colours.
    ends
        Words for the low and the high end of the colours; empty if they mean nothing.
    is_count
        Whether the values are whole numbers.
    classes
        Names of its values, by code, if they are codes.
    """

    title: str
    conversion: UnitChange
    colours: str
    limits: ColourLimits
    ends: tuple[str, str] | None = None
    is_count: bool = False
    classes: Mapping[int, str] = {}

    @property
    def label(self) -> str:
        """Title with the unit."""
        return f"{self.title} [{self.conversion.unit}]" if self.conversion.unit else self.title


def appearance_of(
    name: str, attrs: Mapping[str, Any], kind: str, unit: LengthUnit | None = None
) -> Appearance:
    """Find how a variable is drawn: one of ours by its record, any other by its attributes.

    Parameters
    ----------
    name
        Of the variable.
    attrs
        CF attributes.
    kind
        Kind of its dtype, such as ``f``.
    unit
        Of lengths in the picture; None: the usual one of the variable.

    Examples
    --------
    >>> velocity = {"units": "m/year", "long_name": "velocity, positive towards the satellite"}
    >>> found = appearance_of("velocity", velocity, "f")
    >>> found.label, found.colours, found.ends
    ('Velocity [mm/year]', 'RdBu', ('away (subsidence)', 'towards (uplift)'))
    """
    is_ours = is_variable(name)
    if is_ours:  # that a calculation took the words of, but no unit, which it may have changed
        record = variable_named(name).attrs
        attrs = {word: record[word] for word in _WORDS if word in record} | dict(attrs)
    long_name = str(attrs.get("long_name", name.replace("_", " ")))
    style = _style_of(name, long_name, kind)
    stored = str(attrs.get("units", ""))
    plain = UnitChange("" if stored == "1" else stored, 1.0)
    title = style.title or (long_name.partition(",")[0] if is_ours else long_name)
    return Appearance(
        title[:1].upper() + title[1:],
        conversion(stored, unit or style.unit) or plain,
        style.colours,
        style.limits,
        _AWAY_AND_TOWARDS if style.limits == "symmetric" and _TOWARDS in long_name else None,
        kind in "iu",
        _classes(attrs),
    )


def _style_of(name: str, long_name: str, kind: str) -> MapStyle:
    known = variable_named(name).style if is_variable(name) else None
    if known is not None:
        return known
    if _TOWARDS in long_name:
        return _OF_MOTION
    return _OF_COUNT if kind in "iu" else _OF_OTHERS


def _classes(attrs: Mapping[str, Any]) -> dict[int, str]:
    """Read CF's ``flag_values`` and ``flag_meanings``."""
    if "flag_values" not in attrs or "flag_meanings" not in attrs:
        return {}
    codes = np.atleast_1d(attrs["flag_values"]).tolist()
    words = [word.replace("_", " ") for word in str(attrs["flag_meanings"]).split()]
    return dict(zip(map(int, codes), words, strict=False))


def colour_limits(values: NDArray[Any], rule: ColourLimits) -> tuple[float, float]:
    """Choose the values of the first and the last colour, by a rule that few outliers do not change."""
    return _RULES[rule](values)


def _robust(values: NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [0.2, 99.8]) if finite.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def _symmetric(values: NDArray[Any]) -> tuple[float, float]:
    limit = _robust(np.abs(values))[1]
    return -limit, limit


_RULES: Mapping[ColourLimits, Callable[[NDArray[Any]], tuple[float, float]]] = {
    "symmetric": _symmetric,
    "robust": _robust,
    "from 0": lambda values: (0.0, _robust(values)[1]),
    "0 to 1": lambda _: (0.0, 1.0),
    "cycle": lambda _: (-np.pi, np.pi),
}
