"""Quality measures of a pixel from sums over its valid pairs."""

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
