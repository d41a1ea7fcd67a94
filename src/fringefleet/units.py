"""Phase [rad] and displacement [m].

Sign as MintPy: displacement in the line of sight is positive towards the satellite, and an unwrapped
phase of the pair (i, j) is phase[j] - phase[i], so that ``displacement = -wavelength / (4 pi) * phase``.
"""

import math


def metres_per_radian(wavelength: float) -> float:
    """Line-of-sight displacement [m] per radian of phase, for a radar wavelength [m].

    Examples
    --------
    >>> round(metres_per_radian(0.0555) * 2 * math.pi, 5)  # one fringe away from the satellite
    -0.02775
    """
    return -wavelength / (4 * math.pi)
