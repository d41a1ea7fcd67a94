"""Observables of a pair: unwrapped phase, or offset in slant range or azimuth.

A phase [rad] is also kept as it is after a correction of its unwrapping, as MintPy does it: in a variable of
the same name with a suffix. Offsets [pixel] are of the kind that the correlation of amplitudes gives; what
they have beside them is their standard deviation, under the name of the offset and ``_std``.
"""

PHASE = "unwrapped_phase"
OFFSETS = ("range_offset", "azimuth_offset")

STD_MASKS = ("range_offset_std", "azimuth_offset_std")
# Masks by standard deviation (:mod:`fringefleet.observation.masks`)
RELAXATION = 5  # times the threshold
SMALLEST_RATIO = 10  # of an offset that stands out to its standard deviation
REGULARISATION = 1e-5  # [pixel]


def is_observation(name: str) -> bool:
    """Whether a variable of a stack can be inverted.

    Examples
    --------
    >>> [is_observation(name) for name in ("unwrapped_phase_mine", "range_offset", "range_offset_std")]
    [True, True, False]
    """
    return name == PHASE or name.startswith(f"{PHASE}_") or name in OFFSETS


def is_offset(name: str) -> bool:
    """Whether an observation is an offset [pixel], and not a phase [rad]."""
    return name in OFFSETS


def std_of(offset: str) -> str:
    """Name of the standard deviation [pixel] of an offset."""
    return f"{offset}_std"
