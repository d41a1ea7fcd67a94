"""Status codes of pixels."""

from enum import IntEnum


class Status(IntEnum):
    """Outcome of the inversion of a pixel; stored with the result as ``uint8`` with CF flag attributes.

    ``OK``: one connected network, a unique estimate. ``MINIMUM_NORM``, ``LINEAR``, ``NOT_GAP_FILLED``: the
    pixel's valid pairs leave its dates in several components, which are connected by the minimum-norm rule,
    by a linear model, or not at all (NaN at dates that are not connected to the reference date).
    ``NOT_CONVERGED``: a robust norm reached its maximum number of iterations; the estimate is the last one.
    ``REFERENCE_POINT``: zero by definition. The other codes have no estimate (NaN); ``FAILED_TILE``
    because its tile could not be read, solved or written, and the run was told to continue without it.

    Examples
    --------
    >>> Status(4).name, Status.meanings().split()[:2]
    ('TOO_FEW_PAIRS', ['ok', 'minimum_norm'])
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

    @property
    def words(self) -> str:
        """Return the name as people read it: ``too few pairs``."""
        return self.name.lower().replace("_", " ")

    @classmethod
    def meanings(cls) -> str:
        """Return the CF attribute ``flag_meanings``: the names in order of their codes."""
        return " ".join(status.name.lower() for status in cls)
