"""Limits that a mask is made of; light, as the command line lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fringefleet.arguments.declaration import Declared, check_fields
from fringefleet.arguments.kinds import check_kind
from fringefleet.errors import OptionError
from fringefleet.option_words import option

_REFERENCE = "reference_point"
MAP_OF = {  # by the name of a limit
    "min_temporal_coherence": "temporal_coherence",
    "max_rms": "residual_rms",
    "min_pairs": "pair_count",
    "status": "status",
}
_COMPARISONS = {"min_temporal_coherence": ">=", "max_rms": "<=", "min_pairs": ">="}


@dataclass(frozen=True)
class MaskLimits:
    """Limits of the maps of a result within which a pixel is kept; all that are given have to hold."""

    min_temporal_coherence: Annotated[
        float | None,
        Declared("Least temporal coherence of a pixel that is kept.", metavar="X", least=0, most=1),
    ] = None
    max_rms: Annotated[
        float | None,
        Declared(
            "Largest residual of a pixel that is kept.", metavar="X", unit="rad, of offsets pixel", above=0
        ),
    ] = None
    min_pairs: Annotated[
        int | None, Declared("Fewest interferograms used at a pixel that is kept.", metavar="N", least=1)
    ] = None
    status: Annotated[
        Sequence[str] | str | None,
        Declared(
            "Status of pixels that are kept, with commas between them; the reference point is kept besides.",
            metavar="A,B",
            kind=str,
        ),
    ] = None
    rule: Annotated[
        str | None,
        Declared(
            "Comparisons of maps, as for export --mask, that have to hold besides.", metavar="EXPRESSION"
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse values of other kinds and beyond their limits, and no limit at all."""
        if self.status is not None:
            check_kind("status", self.status, str, list, tuple)
        check_fields(self)
        if not self.expressions():
            names = ", ".join(map(option, self.__dataclass_fields__))
            raise OptionError(f"found no limit for the mask. Give some: {names}.")

    def expressions(self) -> list[str]:
        """Give the conditions, as :func:`fringefleet.io.writers.expressions.parse_rule` takes them."""
        found = [
            f"{MAP_OF[name]} {comparison} {getattr(self, name)!r}"
            for name, comparison in _COMPARISONS.items()
            if getattr(self, name) is not None
        ]
        if self.status is not None:
            words = dict.fromkeys([*self.statuses(), _REFERENCE])
            found.append(f"({' or '.join(f'status == {word}' for word in words)})")
        return [*found, *([f"({self.rule})"] if self.rule is not None else [])]

    def statuses(self) -> list[str]:
        """Give the words of the statuses that are kept."""
        given = self.status or ()
        return [
            word.strip() for word in (given.split(",") if isinstance(given, str) else given) if word.strip()
        ]
