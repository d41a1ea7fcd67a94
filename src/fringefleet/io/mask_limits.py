"""Limits that a mask is made of; light, as the command line lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fringefleet.arguments.declaration import Declared, Panel, check_fields
from fringefleet.arguments.several import words_of
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
_JOINED = ("status", "rule")  # limits that may be several comparisons


@dataclass(frozen=True)
class MaskLimits:
    """Limits of the maps of a result within which a pixel is kept; all that are given have to hold."""

    min_temporal_coherence: Annotated[
        float | None,
        Declared(
            "Least temporal coherence of a pixel that is kept, from 0 to 1.",
            Panel.LIMITS,
            metavar="C",
            default="no limit",
            least=0,
            most=1,
        ),
    ] = None
    max_rms: Annotated[
        float | None,
        Declared(
            "Largest root mean square of the residuals of a pixel that is kept [rad; of offsets: pixel].",
            Panel.LIMITS,
            metavar="RMS",
            unit="rad; of offsets: pixel",
            default="no limit",
            above=0,
        ),
    ] = None
    min_pairs: Annotated[
        int | None,
        Declared(
            "Fewest interferograms used at a pixel that is kept.",
            Panel.LIMITS,
            metavar="N",
            default="no limit",
            least=1,
        ),
    ] = None
    status: Annotated[
        Sequence[str] | str | None,
        Declared(
            "Status of pixels that are kept, such as ok,minimum_norm; the reference point is kept besides.",
            Panel.LIMITS,
            metavar="WORD,...",
            default="every status",
            kind=list[str],
        ),
    ] = None
    rule: Annotated[
        str | None,
        Declared(
            "Comparisons of maps, as for export --mask, that have to hold besides.",
            Panel.LIMITS,
            metavar="EXPRESSION",
            default="none",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse values of other kinds and beyond their limits, and no limit at all."""
        check_fields(self)
        if not self.expressions():
            names = ", ".join(map(option, self.__dataclass_fields__))
            raise OptionError(f"found no limit for the mask. Give some: {names}.")

    def expressions(self) -> dict[str, str]:
        """Give the condition of each limit that is given, for :mod:`fringefleet.io.writers.expressions`."""
        found = {
            name: f"{MAP_OF[name]} {comparison} {getattr(self, name)!r}"
            for name, comparison in _COMPARISONS.items()
            if getattr(self, name) is not None
        }
        if self.status is not None:
            words = dict.fromkeys([*self.statuses(), _REFERENCE])
            found["status"] = " or ".join(f"status == {word}" for word in words)
        return found | ({} if self.rule is None else {"rule": self.rule})

    def expression(self) -> str:
        """Give the condition of all limits."""
        found = self.expressions()
        if len(found) == 1:
            return "".join(found.values())
        return " and ".join(f"({text})" if name in _JOINED else text for name, text in found.items())

    def statuses(self) -> list[str]:
        """Give the words of the statuses that are kept."""
        return [] if self.status is None else list(words_of("status", self.status))
