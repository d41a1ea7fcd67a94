"""Selection of a part of a stack: rows and columns, dates and pairs. Light to import."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented
from fringefleet.arguments.kinds import check_numbers, check_two_numbers
from fringefleet.arguments.several import words_of
from fringefleet.errors import OptionError
from fringefleet.option_words import option

_OF_PAIRS = (
    *("start_date", "end_date", "exclude_dates", "exclude_pairs"),
    *("max_temporal_baseline", "max_perpendicular_baseline", "min_coherence"),
)


@documented
@dataclass(frozen=True)
class Selection:
    """Select the part of a stack that is inverted.

    The reference point is found in the whole scene, and may lie outside of the part. Several dates or pairs
    are a sequence of texts, or one text with commas or blanks.

    Raises
    ------
    OptionError
        A value cannot be used.

    Examples
    --------
    >>> Selection(bbox=(-99.3, 19.2, -99.0, 19.5), start_date="20180101").bbox
    (-99.3, 19.2, -99.0, 19.5)
    """

    bbox: Annotated[
        tuple[float, float, float, float] | None,
        Declared(
            "West, south, east and north of the part to invert, in degrees on WGS 84 whatever the CRS of the "
            "scene is; pixels whose centres lie inside.",
            Panel.SCENE,
            metavar="W S E N",
            unit="degree",
            default="the whole scene",
        ),
    ] = None
    rows: Annotated[
        tuple[int, int] | None,
        Declared(
            "First row of the part to invert, and the first one below it, counted from 0.",
            Panel.SCENE,
            metavar="FIRST STOP",
            default="all",
        ),
    ] = None
    columns: Annotated[
        tuple[int, int] | None,
        Declared(
            "First column of the part to invert, and the first one to the right of it, counted from 0.",
            Panel.SCENE,
            metavar="FIRST STOP",
            default="all",
        ),
    ] = None
    start_date: Annotated[
        str | None,
        Declared("Omit pairs with a date before this one.", Panel.SCENE, metavar="DATE", default="the first"),
    ] = None
    end_date: Annotated[
        str | None,
        Declared("Omit pairs with a date after this one.", Panel.SCENE, metavar="DATE", default="the last"),
    ] = None
    exclude_dates: Annotated[
        tuple[str, ...] | None,
        Declared(
            "Omit pairs with one of these dates.",
            Panel.SCENE,
            metavar="DATE ...",
            default="none",
            kind=list[str],
        ),
    ] = None
    exclude_pairs: Annotated[
        tuple[str, ...] | None,
        Declared(
            "Omit these pairs, written as 20180106_20180118.",
            Panel.SCENE,
            metavar="PAIR ...",
            default="none",
            kind=list[str],
        ),
    ] = None
    max_temporal_baseline: Annotated[
        float | None,
        Declared(
            "Omit pairs whose dates are further apart.",
            Panel.SCENE,
            metavar="DAYS",
            unit="days",
            default="no limit",
            above=0,
        ),
    ] = None
    max_perpendicular_baseline: Annotated[
        float | None,
        Declared(
            "Omit pairs whose perpendicular baseline is longer.",
            Panel.SCENE,
            metavar="METRES",
            unit="m",
            default="no limit",
            above=0,
        ),
    ] = None
    min_coherence: Annotated[
        float | None,
        Declared(
            "Omit pairs whose mean coherence is lower: over the pixels of the whole scene that have one, and "
            "that no map excludes. It is computed once and kept beside the output.",
            Panel.SCENE,
            metavar="C",
            default="no limit",
            least=0,
            most=1,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Check every value, and take texts with several words apart."""
        for name in ("exclude_dates", "exclude_pairs"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, words_of(name, given))
        check_fields(self)
        for name, lines in (("rows", "row"), ("columns", "column")):
            if getattr(self, name) is not None:
                _check_range(name, getattr(self, name), lines)
        if self.bbox is not None:
            _check_bbox(self.bbox)
            if self.rows is not None or self.columns is not None:
                raise OptionError(
                    f"found both {option('bbox')} and {option('rows')} or {option('columns')}; give one of "
                    "the two."
                )

    @property
    def given(self) -> dict[str, Any]:
        """Values that select something, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def of_pairs(self) -> dict[str, Any]:
        """Those that select pairs."""
        return {name: value for name, value in self.given.items() if name in _OF_PAIRS}


def _check_range(name: str, value: tuple[int, int], line: str) -> None:
    check_two_numbers(name, value, f"the first {line} and the one behind the last")
    first, stop = value
    if not 0 <= first < stop:
        raise OptionError(
            f"found {option(name, f'({first}, {stop})')}, which are none; give the first {line}, counted "
            f"from 0, and a larger number, the {line} behind the last one."
        )


def _check_bbox(bbox: tuple[float, float, float, float]) -> None:
    check_numbers("bbox", bbox, 4, "west, south, east and north in degrees")
    west, south, east, north = bbox
    if not (-90 <= south < north <= 90 and -360 <= west < east <= 360 and east - west <= 360):
        raise OptionError(
            f"found {option('bbox', tuple(bbox))}; give west, south, east and north in degrees: south below "
            "north, and west below east (across the date line 170 to 190)."
        )
