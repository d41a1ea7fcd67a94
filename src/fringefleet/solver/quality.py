"""Goodness of fit of the series: temporal coherence, residual RMS, number of valid pairs."""

import torch

from fringefleet.solver.measures import Quality, of_sums
from fringefleet.solver.observations import ROWS_AT_ONCE, Observations, batches


def measure_quality(observations: Observations) -> Quality:
    r"""Compute quality measures from the residuals of the valid pairs, those of positive weight; unweighted.

    .. math:: \gamma = \frac{1}{n} \left| \sum_k \exp(j (y_k - (\phi_j - \phi_i))) \right|

    Parameters
    ----------
    observations
        Observations with the residual [rad], observed minus modelled phase. It is set to zero where an
        observation is missing.

    Notes
    -----
    The temporal coherence depends on the order of the dates of a pair: swapping them changes the sign of its
    residual and thus the sum. MintPy's definition has the same property.

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
        # With the sign of the pair as given, not as oriented by the plan; sin 0 = 0 needs no mask.
        sine.addcmul_(torch.sin(rest, out=wave), observations.sign[rows])
    count, square, cosine, sine = sums.sum(1)
    return of_sums(count.to(torch.int32), square, cosine, sine)
