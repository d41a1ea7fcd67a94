"""Status of a pixel from the result of a solver; for NumPy arrays and tensors alike."""

from collections.abc import Mapping
from typing import Any, Protocol

from fringefleet.choices import GapRule
from fringefleet.products.registry import all_variables
from fringefleet.solver.arrays import library_of
from fringefleet.status import Status

_TIED = {"minimum-norm": Status.MINIMUM_NORM, "linear": Status.LINEAR, "none": Status.NOT_GAP_FILLED}


class SolvedPixels(Protocol):
    """Solver results that decide the status of pixels, (pixel,)."""

    @property
    def pair_count(self) -> Any:
        """Number of valid pairs."""

    @property
    def n_components(self) -> Any:
        """Number of connected components of the dates."""

    @property
    def too_few(self) -> Any:
        """Whether a date has fewer pairs than requested."""

    @property
    def converged(self) -> Any:
        """Whether the iterative reweighting converged; None where there was none."""


def find_status(solved: SolvedPixels, land: Any, gap_rule: GapRule) -> Any:
    """Determine the status of each pixel; the last rule that applies takes precedence.

    Parameters
    ----------
    solved
        Result of the solver.
    land
        Pixels to be inverted, (pixel,); None: all.
    gap_rule
        Rule by which components are connected.
    """
    status = 0 * solved.pair_count
    status[solved.n_components > 1] = int(_TIED[gap_rule])
    if solved.converged is not None:
        status[~solved.converged] = int(Status.NOT_CONVERGED)
    status[solved.too_few] = int(Status.TOO_FEW_PAIRS)
    status[solved.pair_count == 0] = int(Status.NO_OBSERVATION)
    if land is not None:
        status[~land] = int(Status.MASKED)
    return status


def has_no_answer(status: Any) -> Any:
    """Return which pixels have no estimate."""
    nothing, masked, too_few = Status.NO_OBSERVATION, Status.MASKED, Status.TOO_FEW_PAIRS
    return (status == int(nothing)) | (status == int(masked)) | (status == int(too_few))


def leave_blank(variables: Mapping[str, Any], blank: Any) -> None:
    """Blank pixels without an estimate, in place: NaN or 0, except variables that are set everywhere.

    Parameters
    ----------
    variables
        Arrays (..., pixel) by name of the result's variable.
    blank
        Pixels to blank, (pixel,).
    """
    xp, there, known = library_of(blank), ~blank, all_variables()
    nothing = xp.where(blank, xp.nan, 0.0)
    for name, values in variables.items():
        if known[name].is_set_everywhere:
            continue
        if known[name].dtype.startswith("f"):  # an addition is several times faster than filling by a mask
            xp.add(values, xp.asarray(nothing, dtype=values.dtype), out=values)
        else:
            xp.multiply(values, there, out=values)
