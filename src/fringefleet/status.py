"""Why a pixel has, or has no, answer."""

from enum import IntEnum


class Status(IntEnum):
    """What happened to a pixel; stored with the result as ``uint8`` with CF flag attributes.

    ``OK``: one connected network, a unique answer. ``MINIMUM_NORM``: the pixel's observations leave
    its dates in several parts; the parts are tied together by the minimum-norm rule. The rest of the
    codes have no estimate (NaN), but ``REFERENCE_POINT``, which is zero by definition.
    """

    OK = 0
    MINIMUM_NORM = 1
    NO_OBSERVATION = 2
    MASKED = 3
    TOO_FEW_PAIRS = 4
    REFERENCE_POINT = 5

    @classmethod
    def meanings(cls) -> str:
        """The CF attribute ``flag_meanings``: the names in order of their codes."""
        return " ".join(status.name.lower() for status in cls)
