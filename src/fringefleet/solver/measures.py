"""Quality measures of a pixel, and the scale of its variances, from sums over its valid pairs."""

from typing import Any, NamedTuple

from fringefleet.solver.arrays import library_of


class Quality(NamedTuple):
    """Quality measures of a batch, as arrays or tensors; the first two are NaN without valid pairs."""

    temporal_coherence: Any  # (pixel,)
    residual_rms: Any  # (pixel,) [rad]
    pair_count: Any  # (pixel,), whole numbers


def of_sums(count: Any, square: Any, cosine: Any, sine: Any) -> Quality:
    """Compute the measures from the number of valid pairs, and sums of squares [rad^2], cosines and sines."""
    xp = library_of(count)
    number = xp.asarray(count, dtype=square.dtype)
    coherence = xp.hypot(cosine, sine) / number
    return Quality(
        temporal_coherence=xp.where(coherence > 1, xp.ones_like(coherence), coherence),
        residual_rms=xp.sqrt(square / number),
        pair_count=count,
    )


def factor_of_sum(weighted_squares: Any, redundancy: Any) -> Any:
    """Estimate the variance of an observation of weight 1, as :func:`~.uncertainty.variance_factor`.

    Parameters
    ----------
    weighted_squares
        Sum over the valid pairs of weight times squared residual, (pixel,).
    redundancy
        Number of pairs less that of unknowns, (pixel,); where it is 0, there is no estimate: NaN.

    Examples
    --------
    >>> import numpy as np
    >>> factor_of_sum(np.array([6.0, 0.0]), np.array([3, 0]))
    array([ 2., nan])
    """
    xp = library_of(weighted_squares)
    is_redundant = redundancy != 0
    return xp.where(is_redundant, weighted_squares / xp.where(is_redundant, redundancy, 1), xp.nan)
