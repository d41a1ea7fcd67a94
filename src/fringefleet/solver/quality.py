"""Goodness of fit of the series: temporal coherence, residual RMS, number of valid pairs."""

import torch

from fringefleet.solver.measures import Quality, of_sums
from fringefleet.solver.observations import ROWS_AT_ONCE, Observations, batches


def measure_quality(observations: Observations) -> Quality:
    r"""Sum up what is left of the phases of the valid pairs, those of positive weight; unweighted.

    .. math:: \gamma = \frac{1}{n} \left| \sum_k \exp(j (y_k - (\phi_j - \phi_i))) \right|

    Parameters
    ----------
    observations
        With the residual [rad], observed minus modelled phase. Where an observation is missing it is
        set to zero.

    Notes
    -----
    The temporal coherence depends on which date of a pair comes first: turning one round changes the sign
    of its residual and so the sum. That is MintPy's definition too.

    References
    ----------
    Pepe & Lanari (2006), doi:10.1109/TGRS.2006.873207.
    MintPy: ``ifgram_inversion.calc_inv_quality``.
    """
    residual, weight = observations.residual, observations.weight
    sums = residual.new_zeros((4, min(ROWS_AT_ONCE, len(residual)), residual.shape[1]))
    for rows in batches(len(residual)):
        rest = residual[rows]
        valid, wave = observations.scratch[:, : len(rest)]
        count, square, cosine, sine = sums[:, : len(rest)]
        torch.sign(weight[rows], out=valid)
        count.add_(valid)
        rest.mul_(valid)
        square.addcmul_(rest, rest)
        cosine.addcmul_(torch.cos(rest, out=wave), valid)
        # As the pair was given, not as the plan turns it; sin 0 = 0 needs no mask.
        sine.addcmul_(torch.sin(rest, out=wave), observations.sign[rows])
    count, square, cosine, sine = sums.sum(1)
    return of_sums(count.to(torch.int32), square, cosine, sine)
