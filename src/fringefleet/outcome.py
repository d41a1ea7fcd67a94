"""Status of a pixel from the result of a solver; for NumPy arrays and tensors alike."""

from typing import Any, Protocol

from fringefleet.choices import Bridge
from fringefleet.status import Status

MOST_COMPONENTS = 255  # the largest number that the result's uint8 holds
_TIED = {"minimum-norm": Status.MINIMUM_NORM, "linear": Status.LINEAR, "none": Status.NOT_BRIDGED}


class Solved(Protocol):
    """What is known of pixels that have been solved, (pixel,)."""

    @property
    def pair_count(self) -> Any:
        """Number of valid pairs."""

    @property
    def n_components(self) -> Any:
        """Number of the parts of the dates."""

    @property
    def too_few(self) -> Any:
        """Whether a date has fewer pairs than asked for."""

    @property
    def converged(self) -> Any:
        """Whether reweighing came to rest; None where there was none."""


def find_status(solved: Solved, land: Any, bridge: Bridge) -> Any:
    """Decide what happened to each pixel; the last that applies is what counts.

    Parameters
    ----------
    solved
        What the solver says.
    land
        Pixels that were to be inverted, (pixel,); None: all.
    bridge
        How parts are tied together.
    """
    status = 0 * solved.pair_count
    status[solved.n_components > 1] = int(_TIED[bridge])
    if solved.converged is not None:
        status[~solved.converged] = int(Status.NOT_CONVERGED)
    status[solved.too_few] = int(Status.TOO_FEW_PAIRS)
    status[solved.pair_count == 0] = int(Status.NO_OBSERVATION)
    if land is not None:
        status[~land] = int(Status.MASKED)
    return status


def has_no_answer(status: Any) -> Any:
    """Tell which pixels have no estimate."""
    nothing, masked, too_few = Status.NO_OBSERVATION, Status.MASKED, Status.TOO_FEW_PAIRS
    return (status == int(nothing)) | (status == int(masked)) | (status == int(too_few))


def components_to_keep(n_components: Any, status: Any) -> Any:
    """Give the numbers of parts as they are stored: at most what a byte holds, 0 where a pixel is masked."""
    few = 1 * n_components
    few[few > MOST_COMPONENTS] = MOST_COMPONENTS
    few[status == int(Status.MASKED)] = 0
    return few
