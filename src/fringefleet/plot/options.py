"""Options of pictures and of the viewer; light, as the command line lists them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fringefleet.arguments.declaration import Declared, Panel, documented, take_arrays
from fringefleet.arguments.kinds import check_numbers, check_two_numbers
from fringefleet.choices import LengthUnit
from fringefleet.errors import OptionError
from fringefleet.io.writers.selection import check_fields_and_mask
from fringefleet.option_words import option

_DATE_LETTERS = 19  # to the second


def date_text(moment: Any) -> str | None:
    """Write a date of datetime, NumPy or xarray as text.

    Examples
    --------
    >>> from datetime import date
    >>> date_text(date(2018, 1, 6)), date_text("20180106"), date_text(None)
    ('2018-01-06', '20180106', None)
    """
    if moment is None:
        return None
    return str(getattr(moment, "values", moment))[:_DATE_LETTERS].replace(" ", "T")


@dataclass(frozen=True)
class PictureFiles:
    """Pictures that are drawn."""

    path: Annotated[
        Path,
        Declared(
            "Stack of any format, or result of invert, rereference or velocity.",
            metavar="PATH",
            is_argument=True,
        ),
    ]
    directory: Annotated[
        Path | None,
        Declared(
            "Folder to write; pictures of an earlier plot in it are replaced.",
            metavar="DIR",
            default="PATH.pictures",
            is_argument=True,
        ),
    ] = None
    truth: Annotated[
        Path | None,
        Declared("Known displacement to compare with.", Panel.PICTURES, metavar="TRUTH.zarr", default="none"),
    ] = None


@documented
@dataclass(frozen=True)
class PictureChoice:
    """Part of a result that is drawn, and its files.

    ``mask``: an expression; False to show all pixels. Without a variable or a pixel, everything is drawn.

    Raises
    ------
    OptionError
        A value cannot be used, or contradicts another.

    Examples
    --------
    >>> PictureChoice("velocity", vlim=(-20, 20), unit="mm").format
    'png'
    """

    variable: Annotated[
        str | None,
        Declared(
            "Draw the map of this variable only, such as velocity.",
            Panel.PICTURES,
            metavar="NAME",
            default="all that are worth it",
        ),
    ] = None
    date: Annotated[
        str | None,
        Declared("Date of maps that have dates.", Panel.PICTURES, metavar="DATE", default="the last"),
    ] = None
    lalo: Annotated[
        tuple[float, float] | None,
        Declared(
            "Draw the time series of the pixel at this latitude and longitude only, in degrees on WGS 84; "
            "with --variable, mark it on the map, too.",
            Panel.PICTURES,
            metavar="LAT LON",
        ),
    ] = None
    yx: Annotated[
        tuple[int, int] | None,
        Declared(
            "Row and column of the pixel instead, counted from 0.", Panel.PICTURES, metavar="ROW COLUMN"
        ),
    ] = None
    vlim: Annotated[
        tuple[float, float] | None,
        Declared(
            "First and last value of the colours of --variable, in the unit of the picture.",
            Panel.PICTURES,
            metavar="LOW HIGH",
            default="of the data, without few outliers",
        ),
    ] = None
    mask: Annotated[
        str | bool | None,
        Declared(
            "Pixels to show: comparisons of maps joined by and/or, such as 'temporal_coherence > 0.7', in "
            "the units that are stored.",
            Panel.SELECTION,
            metavar="EXPRESSION",
            kind=str,
            default="the stored mask, if there is one",
        ),
    ] = None
    unit: Annotated[
        LengthUnit | None,
        Declared(
            "Unit of all that is in metres, also per year.",
            Panel.PICTURES,
            default="cm of displacement, else mm",
        ),
    ] = None
    format: Annotated[Literal["png", "pdf", "svg"], Declared("Format of the files.", Panel.PICTURES)] = "png"
    dpi: Annotated[
        int,
        Declared(
            "Pixels of a picture per inch.", Panel.PICTURES, metavar="N", unit="1/inch", least=30, most=1200
        ),
    ] = 150

    def __post_init__(self) -> None:
        """Refuse values of other kinds, and those that contradict each other."""
        take_arrays(self, "lalo", "yx", "vlim")
        check_fields_and_mask(self)
        if self.lalo is not None:
            check_numbers("lalo", self.lalo, 2, "latitude and longitude in degrees")
        if self.yx is not None:
            check_two_numbers("yx", self.yx, "row and column")
        if self.lalo is not None and self.yx is not None:
            raise OptionError(f"found both {option('yx')} and {option('lalo')}; give one of them.")
        if self.vlim is not None:
            check_numbers("vlim", self.vlim, 2, "the values of the first and the last colour")
            if not self.vlim[0] < self.vlim[1]:
                raise OptionError(f"found {option('vlim', self.vlim)}; give the smaller value first.")


@dataclass(frozen=True)
class ViewOptions:
    """Server that shows a result."""

    port: Annotated[
        int | None,
        Declared(
            "Port of this machine to listen at.",
            Panel.SERVER,
            metavar="N",
            default="the first free one from 8000",
            least=1,
            most=65535,
        ),
    ] = None


EVERYTHING = PictureChoice()
