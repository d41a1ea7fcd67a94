"""New reference of a result: another pixel, or another date. Light to import."""

from dataclasses import dataclass
from typing import Annotated

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented, take_arrays
from fringefleet.arguments.kinds import check_numbers, check_two_numbers
from fringefleet.errors import OptionError
from fringefleet.option_words import option

OF_DATE = (
    "displacements since another date than that of the inversion, exact where the dates of a pixel hang "
    "together; without an estimate where that date has none"
)
OF_POINT = (
    "differences of two series, as MintPy's reference_point: equal to an inversion with this reference point "
    "only where its pairs close, or where both pixels have the same pairs and weights and the norm is l2"
)


@documented
@dataclass(frozen=True)
class NewReference:
    """Specify the new reference of a result: one of the three.

    Raises
    ------
    OptionError
        None or several are given, or one cannot be meant so.
    """

    point: Annotated[
        tuple[int, int] | None,
        Declared(
            f"Row and column of the new reference pixel. The result has {OF_POINT}.",
            Panel.REFERENCE,
            metavar="Y X",
        ),
    ] = None
    lalo: Annotated[
        tuple[float, float] | None,
        Declared(
            "Latitude and longitude of the new reference pixel, in degrees on WGS 84; as --point.",
            Panel.REFERENCE,
            metavar="LAT LON",
        ),
    ] = None
    date: Annotated[
        str | None,
        Declared(f"New reference date. The result has {OF_DATE}.", Panel.REFERENCE, metavar="DATE"),
    ] = None

    def __post_init__(self) -> None:
        """Take arrays and dates as plain values, and check them."""
        take_arrays(self, "point", "lalo")
        if self.date is not None:
            object.__setattr__(self, "date", str(self.date))
        check_fields(self)
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) != 1:
            found = " and ".join(map(option, given)) or "no new reference"
            raise OptionError(
                f"found {found}; give one of {option('point')}, {option('lalo')} and {option('date')}."
            )
        if self.point is not None:
            check_two_numbers("point", self.point, "row and column")
        if self.lalo is not None:
            check_numbers("lalo", self.lalo, 2, "latitude and longitude in degrees")
