"""Units of stored quantities - phases, coherence, offsets, baselines, angles - and their conversion.

A unit may be spelled in many ways, and is often missing, which means the usual one. Values in another known
unit are converted as they are read; values in an unknown unit, or one that cannot be converted (metres for a
phase), are left unchanged, and rejected where an inversion needs them.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import attribute_text
from fringefleet.io.lazy.wrapped import WrappedVariable
from fringefleet.observation.quantity import STD_MASKS, is_observation, is_offset

logger = logging.getLogger(__name__)


class Quantity(NamedTuple):
    """Quantity: our unit, in words, and the factors from other units."""

    unit: str
    words: str
    factors: Mapping[str, float]


_DEGREE = math.pi / 180
_METRES = dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0)
_KILOMETRES = ("km", "kilometer", "kilometers", "kilometre", "kilometres")
_CENTIMETRES = ("cm", "centimeter", "centimeters", "centimetre", "centimetres")
_RADIANS = ("rad", "rads", "radian", "radians")
_DEGREES = ("deg", "degree", "degrees", "°")
_ONE = ("1", "-", "unitless", "dimensionless", "unity", "na", "n/a", "not applicable")
_NOTHING = ("", "none", "null", "unknown")

PHASE_UNITS = Quantity(
    "rad",
    "radians",
    dict.fromkeys((*_RADIANS, *_ONE), 1.0)
    | dict.fromkeys(_DEGREES, _DEGREE)
    | dict.fromkeys(("cycle", "cycles", "fringe", "fringes", "turn", "turns"), 2 * math.pi)
    | dict.fromkeys(("mrad", "milliradian", "milliradians"), 1e-3),
)
RATIO = Quantity(
    "1",
    "numbers from 0 to 1 without a unit",
    dict.fromkeys((*_ONE, "ratio", "fraction", "coherence", "correlation"), 1.0)
    | dict.fromkeys(("percent", "%", "per cent", "pct", "percentage"), 0.01),
)
_SIGNAL_TO_NOISE = Quantity("1", "ratios without a unit", dict.fromkeys((*_ONE, "ratio"), 1.0))
PIXELS = Quantity(
    "pixel", "pixels", dict.fromkeys(("pixel", "pixels", "px", "pix", "sample", "samples", "1"), 1.0)
)
_PIXELS_OR_METRES = PIXELS._replace(words="metres", factors={**PIXELS.factors, **_METRES})  # of cosicorr
LENGTH = Quantity(
    "m",
    "metres",
    _METRES
    | dict.fromkeys(_KILOMETRES, 1000.0)
    | dict.fromkeys(_CENTIMETRES, 0.01)
    | dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
)
ANGLE = Quantity("degree", "degrees", dict.fromkeys(_DEGREES, 1.0) | dict.fromkeys(_RADIANS, 180 / math.pi))
_OTHER_NAMES = ("UNIT", "unit", "UNITS", "Units")  # of the attribute that CF calls units
_BASELINE = "perpendicular_baseline"


def declared_unit(attrs: Mapping[Any, Any]) -> str | None:
    """Return the unit that the attributes of an array declare; None if they declare none."""
    texts = (attribute_text(attrs.get(name)) for name in ("units", *_OTHER_NAMES))
    return next((text for text in texts if text.lower() not in _NOTHING), None)


def unit_factor(quantity: Quantity, said: str | None) -> float | None:
    """Return the factor from a unit to ours; None if the unit is unknown.

    Examples
    --------
    >>> unit_factor(PHASE_UNITS, "Radians"), unit_factor(RATIO, "%"), unit_factor(PHASE_UNITS, "m")
    (1.0, 0.01, None)
    """
    plain = "" if said is None else said.strip().strip("[]()").lower()
    return 1.0 if plain in _NOTHING else quantity.factors.get(plain)


def in_unit(quantity: Quantity, said: str | None, name: str) -> float:
    """Return the factor of :func:`unit_factor`, for data that cannot be read without it.

    Raises
    ------
    StackFormatError
        The unit is unknown.
    """
    factor = unit_factor(quantity, said)
    if factor is None:
        raise StackFormatError(_refusal(name, said, quantity))
    return factor


def quantity_of(name: str, attrs: Mapping[Any, Any]) -> Quantity | None:
    """Return the quantity of a variable of a stack; None for a variable that is not ours.

    Parameters
    ----------
    name
        Name of the variable.
    attrs
        Attributes of the stack: offsets with ``PROCESSOR`` cosicorr are in metres.
    """
    if is_offset(name) or name in STD_MASKS:
        return _PIXELS_OR_METRES if str(attrs.get("PROCESSOR", "")).lower() == "cosicorr" else PIXELS
    if is_observation(name):
        return PHASE_UNITS
    return {"coherence": RATIO, "offset_snr": _SIGNAL_TO_NOISE, _BASELINE: LENGTH}.get(name)


def in_our_units(stack: xr.Dataset) -> xr.Dataset:
    """Convert variables in other known units, lazily."""
    converted = {}
    for name, data in stack.data_vars.items():
        quantity = quantity_of(str(name), stack.attrs)
        factor = None if quantity is None else unit_factor(quantity, declared_unit(data.attrs))
        if quantity is not None and factor is not None and factor != 1:
            logger.info("%s is converted from %s to %s", name, declared_unit(data.attrs), quantity.words)
            converted[name] = _scaled(data.variable, factor, quantity.unit)
    return with_baselines_in_metres(stack.assign(converted) if converted else stack)


def with_baselines_in_metres(stack: xr.Dataset) -> xr.Dataset:
    """Convert the baselines to metres; those in an unknown unit are dropped with a warning."""
    if _BASELINE not in stack.coords:
        return stack
    baseline = stack[_BASELINE]
    said = declared_unit(baseline.attrs)
    factor = unit_factor(LENGTH, said)
    if factor is None:
        logger.warning(
            "%s Until then they are ignored", _refusal("the perpendicular baselines", said, LENGTH)
        )
        return stack.drop_vars(_BASELINE)
    if factor == 1:
        return stack
    metres = (baseline.values.astype(np.float64) * factor).astype(np.float32)
    return stack.assign_coords({_BASELINE: (baseline.dims, metres, _with_unit(baseline.attrs, "m"))})


def check_units(stack: xr.Dataset, names: Iterable[str]) -> None:
    """Reject variables that are not in our units.

    Raises
    ------
    StackFormatError
        Names the variable, its unit and ours.
    """
    for name in names:
        quantity = quantity_of(name, stack.attrs)
        said = declared_unit(stack[name].attrs)
        if quantity is not None and unit_factor(quantity, said) != 1:
            raise StackFormatError(_refusal(name, said, quantity))


def _refusal(name: str, said: str | None, quantity: Quantity) -> str:
    factor = unit_factor(quantity, said)
    how = "Convert the values" if factor is None else f"Multiply the values by {factor:.9g}"
    return (
        f"found the unit {said!r} of {name}; {quantity.words} are needed. {how} and set the attribute units "
        f"(of MintPy's files: UNIT) to {quantity.unit}, or correct that attribute if the values are right."
    )


def _with_unit(attrs: Mapping[Any, Any], unit: str) -> dict[Any, Any]:
    return {name: value for name, value in attrs.items() if name not in _OTHER_NAMES} | {"units": unit}


class _Scaled(WrappedVariable):
    """Lazy variable whose values are scaled as they are read."""

    def __init__(self, variable: xr.Variable, factor: float) -> None:
        super().__init__(variable, variable.dims, variable.dtype, factor)
        self.factor = factor

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        return np.asarray(self.part(key).values * self.dtype.type(self.factor))


def _scaled(variable: xr.Variable, factor: float, unit: str) -> xr.Variable:
    array = indexing.LazilyIndexedArray(_Scaled(variable, factor))
    return xr.Variable(variable.dims, array, _with_unit(variable.attrs, unit), dict(variable.encoding))
