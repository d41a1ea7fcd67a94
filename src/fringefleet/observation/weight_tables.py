"""Tables of weight against coherence, and the limits of weights."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import OptionError

COHERENCE_FLOOR = 0.05
_FISHER_COHERENCE_CAP = 0.999
LARGEST_INFORMATION = _FISHER_COHERENCE_CAP**2 / ((1 - _FISHER_COHERENCE_CAP) * (1 + _FISHER_COHERENCE_CAP))
_MAX_LOOKS = 80  # end of MintPy's table
_N_BIN = 200
BIN_WIDTH = 0.005
FIRST_BIN_CENTRE = 0.0025
LAST_BIN_CENTRE = 0.9975
_N_PHASE = 200
SMALLEST_STD, UNKNOWN_STD, LARGEST_STD = 0.005, 100.0, 1e6  # of offsets [pixel]


@lru_cache(maxsize=16)
def phase_variance_table(looks: int) -> NDArray[np.float64]:
    r"""Tabulate the variance of the interferometric phase against coherence.

    Parameters
    ----------
    looks
        Number of looks :math:`L`, at least 1; above 80 it counts as 80, as in MintPy.

    Returns
    -------
    NDArray
        Variance [rad^2] for coherences 0.0025, 0.0075, ... 0.9975, shape (bin,); read-only.

    Raises
    ------
    OptionError
        ``looks`` is below 1.

    Notes
    -----
    .. math:: \sigma^2 = \sum_i \varphi_i^2 \, p(\varphi_i; \gamma, L) \; 2\pi / 200

    over 200 phases from :math:`-\pi` to :math:`\pi`, both ends included. This is MintPy's sum: its
    step is :math:`2\pi/199`, so that the whole table is 0.5 % too low, which does not affect solutions,
    and it is too coarse for coherences above 0.985. It is kept so that the weights are equal to MintPy's.
    MintPy's rule for variances that rounding has made negative is not needed: there are none for any
    ``looks``.

    Examples
    --------
    >>> phase_variance_table(5)[[10, 100, 190]].round(4)
    array([2.9173, 0.5366, 0.013 ])
    """
    check_looks(looks)
    coherence = FIRST_BIN_CENTRE + BIN_WIDTH * np.arange(_N_BIN, dtype=np.float64)
    phase = np.linspace(-np.pi, np.pi, _N_PHASE, dtype=np.float64)
    density = _phase_density(coherence[:, None], phase[None, :], min(looks, _MAX_LOOKS))
    variance: NDArray[np.float64] = (density * phase**2).sum(axis=1) * (2 * np.pi / _N_PHASE)
    variance.flags.writeable = False
    return variance


def _phase_density(
    coherence: NDArray[np.float64], phase: NDArray[np.float64], looks: int
) -> NDArray[np.float64]:
    r"""Return the probability density [1/rad] of the multilooked phase about expectation 0; arrays broadcast.

    With :math:`\beta = \gamma \cos\varphi`, :math:`u = 1 - \beta^2` and
    :math:`q = (1-\gamma^2)/u \le 1`,

    .. math:: 2\pi p = \frac{\binom{2L-2}{L-1}}{4^{L-1}} q^L \left[
        1 + (2L-1) \beta \arccos(-\beta) / \sqrt{u} \right]
        + \frac{(1-\gamma^2)^L}{2(L-1)} \sum_{r=0}^{L-2} c_r (1 + (2r+1) \beta^2) u^{-r-2}

    where :math:`c_0 = 1`, :math:`c_r = c_{r-1} (L-r-1/2)/(L-r-1)`. The sum, times :math:`u^L`, is a
    polynomial in :math:`u`, which does not overflow for any number of looks.
    """
    beta = coherence * np.cos(phase)
    u = (1 - beta) * (1 + beta)
    q_power = ((1 - coherence) * (1 + coherence) / u) ** looks
    factor = math.comb(2 * looks - 2, looks - 1) / 4 ** (looks - 1)
    term = factor * (1 + (2 * looks - 1) * beta * np.arccos(-beta) / np.sqrt(u))
    series = np.zeros_like(beta)
    c = 1.0
    for r in range(looks - 1):
        c *= (looks - r - 0.5) / (looks - r - 1) if r else 1.0
        series = series * u + c * (1 + (2 * r + 1) * beta**2)
    density: NDArray[np.float64] = term + (series / (2 * (looks - 1)) if looks > 1 else 0.0)
    return q_power * density / (2 * np.pi)


def check_looks(looks: int) -> None:
    """Reject a number of looks for which the phase variance is not defined.

    Raises
    ------
    OptionError
        The number is below 1.
    """
    if looks < 1:
        raise OptionError(
            f"found {looks} looks; the phase variance needs at least 1. Give the number of looks "
            "of the interferograms (NCORRLOOKS, or ALOOKS and RLOOKS), or use weight function coh "
            "or no."
        )
