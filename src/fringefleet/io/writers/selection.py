"""Options of an export; light, as the command line lists them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared, Panel, check_fields
from fringefleet.arguments.kinds import check_kind
from fringefleet.choices import LengthUnit
from fringefleet.errors import OptionError
from fringefleet.option_words import option


def check_fields_and_mask(values: Any) -> None:
    """Check the fields of options with a mask, which is an expression, None, or False to keep all pixels."""
    if values.mask is True:
        check_kind("mask", values.mask, str)
    check_fields(replace(values, mask=None) if values.mask is False else values)


def mask_of(mask: str | None, *, no_mask: bool) -> str | bool | None:
    """Return the pixels that count: an expression, or False for all.

    Raises
    ------
    OptionError
        Both are given.
    """
    if no_mask and mask is not None:
        raise OptionError(f"found {option('mask', repr(mask))} and --no-mask; give one of them.")
    return False if no_mask else mask


@dataclass(frozen=True)
class ExportSelection:
    """Part of a result that is wanted; ``mask``: an expression; False to keep all pixels.

    Where ``mask`` is None, the mask that is stored in the result counts, if it has one.
    """

    variables: Annotated[
        Sequence[str] | str | None,
        Declared(
            "Variables to write, such as velocity,velocity_std.",
            Panel.SELECTION,
            metavar="NAME,...",
            kind=list[str],
            default="all of maps and dates but the covariance",
        ),
    ] = None
    dates: Annotated[
        Sequence[str] | str | None,
        Declared("Dates to write.", Panel.SELECTION, metavar="DATE ...", kind=list[str], default="all"),
    ] = None
    mask: Annotated[
        str | bool | None,
        Declared(
            "Pixels to keep: comparisons of maps joined by and/or, such as 'temporal_coherence > 0.7 and "
            "status == ok', in the units that are stored; others have no data.",
            Panel.SELECTION,
            metavar="EXPRESSION",
            kind=str,
            default="the stored mask, if there is one",
        ),
    ] = None
    unit: Annotated[
        LengthUnit | None,
        Declared("Unit of all that is in metres, also per year.", Panel.OUTPUT, default="m"),
    ] = None

    def __post_init__(self) -> None:
        """Refuse values of other kinds, and a unit that is none."""
        for name in ("variables", "dates"):
            if (value := getattr(self, name)) is not None:
                check_kind(name, value, str, list, tuple)
        check_fields_and_mask(self)
