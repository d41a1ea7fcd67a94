"""Observables of a pair: unwrapped phase, or offset in slant range or azimuth.

A phase [rad] may also come corrected for unwrapping errors, in MintPy's manner: in a variable of the same
name with a suffix. Offsets [pixel] come from the correlation of amplitudes, with a standard deviation in a
variable named after the offset with the suffix ``_std``.
"""

PHASE = "unwrapped_phase"
OFFSETS = ("range_offset", "azimuth_offset")

STD_MASKS = ("range_offset_std", "azimuth_offset_std")
# Masks by standard deviation (:mod:`fringefleet.observation.masks`)
RELAXATION = 5  # times the threshold
SMALLEST_RATIO = 10  # of an offset that stands out to its standard deviation
REGULARISATION = 1e-5  # [pixel]


def is_observation(name: str) -> bool:
    """Return whether a variable of a stack can be inverted.

    Examples
    --------
    >>> [is_observation(name) for name in ("unwrapped_phase_mine", "range_offset", "range_offset_std")]
    [True, True, False]
    """
    return name == PHASE or name.startswith(f"{PHASE}_") or name in OFFSETS


def is_offset(name: str) -> bool:
    """Return whether an observation is an offset [pixel], not a phase [rad]."""
    return name in OFFSETS


def std_of(offset: str) -> str:
    """Return the name of the standard deviation [pixel] of an offset."""
    return f"{offset}_std"
