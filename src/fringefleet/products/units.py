"""Units of lengths, also per year or squared: what is stored in metres, in millimetres or centimetres."""

import re
from typing import NamedTuple

from fringefleet.choices import LengthUnit

_PER_METRE: dict[str, float] = {"mm": 1000.0, "cm": 100.0, "m": 1.0}
_LENGTH = re.compile(r"(?P<unit>mm|cm|m)(?P<power>2|\^2|)(?P<rest>(?:[/ ].*)?)")


class UnitChange(NamedTuple):
    """Unit that values have after the multiplication by a factor."""

    unit: str
    factor: float


def conversion(units: str, wanted: LengthUnit | None) -> UnitChange | None:
    """Find how values are converted to another unit of length.

    Parameters
    ----------
    units
        CF unit that they have.
    wanted
        Unit of length that they shall have; None leaves them as they are.

    Returns
    -------
    UnitChange or None
        None if they are no length, no velocity and no variance of a length.

    Examples
    --------
    >>> conversion("m/year", "mm"), conversion("m2", "cm"), conversion("rad", "mm")
    (UnitChange(unit='mm/year', factor=1000.0), UnitChange(unit='cm2', factor=10000.0), None)
    """
    found = _LENGTH.fullmatch(units)
    if found is None:
        return None
    to = found["unit"] if wanted is None else wanted
    factor = _PER_METRE[to] / _PER_METRE[found["unit"]]
    return UnitChange(to + found["power"] + found["rest"], factor ** (2 if found["power"] else 1))
