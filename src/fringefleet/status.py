"""Status codes of pixels: why a pixel has an answer, or none."""

from enum import IntEnum


class Status(IntEnum):
    """What happened to a pixel; stored with the result as ``uint8`` with CF flag attributes.

    ``OK``: one connected network, a unique answer. ``MINIMUM_NORM``, ``LINEAR``, ``NOT_GAP_FILLED``: the
    pixel's observations leave its dates in several parts, which are tied together by the minimum-norm rule,
    by a linear model, or left apart (NaN at dates that nothing ties to the reference date).
    ``NOT_CONVERGED``: the rounds of a robust norm came to their limit, the estimate is the last one.
    ``REFERENCE_POINT``: zero by definition. The rest of the codes have no estimate (NaN); ``FAILED_TILE``
    because its tile could not be read, solved or written, and the run was told to go on without it.
    """

    OK = 0
    MINIMUM_NORM = 1
    NO_OBSERVATION = 2
    MASKED = 3
    TOO_FEW_PAIRS = 4
    REFERENCE_POINT = 5
    LINEAR = 6
    NOT_GAP_FILLED = 7
    NOT_CONVERGED = 8
    FAILED_TILE = 9

    @classmethod
    def meanings(cls) -> str:
        """The CF attribute ``flag_meanings``: the names in order of their codes."""
        return " ".join(status.name.lower() for status in cls)
