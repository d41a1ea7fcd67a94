"""Mapping between MintPy's names of datasets and ours."""

from fringefleet.observation.quantity import PHASE

OUR_NAMES = {
    "unwrapPhase": PHASE,
    "unwrapPhase_bridging": f"{PHASE}_bridging",
    "unwrapPhase_phaseClosure": f"{PHASE}_phase_closure",
    "unwrapPhase_bridging_phaseClosure": f"{PHASE}_bridging_phase_closure",
    "coherence": "coherence",
    "connectComponent": "connected_component",
    "rangeOffset": "range_offset",
    "rangeOffsetStd": "range_offset_std",
    "azimuthOffset": "azimuth_offset",
    "azimuthOffsetStd": "azimuth_offset_std",
    "offsetSNR": "offset_snr",
}
MINTPY_NAMES = {ours: theirs for theirs, ours in OUR_NAMES.items()}
_PHASE_OF_MINTPY = "unwrapPhase"


def our_name(name: str) -> str:
    """Translate a dataset name of MintPy; our own and unknown names are unchanged.

    Examples
    --------
    >>> our_name("unwrapPhase_bridging"), our_name("unwrapPhase_mine"), our_name("range_offset")
    ('unwrapped_phase_bridging', 'unwrapped_phase_mine', 'range_offset')
    """
    if name in OUR_NAMES:
        return OUR_NAMES[name]
    if name.startswith(f"{_PHASE_OF_MINTPY}_"):
        return PHASE + name.removeprefix(_PHASE_OF_MINTPY)
    return name


def mintpy_name(name: str) -> str:
    """Translate a name of ours to MintPy's.

    Examples
    --------
    >>> mintpy_name("unwrapped_phase_mine"), mintpy_name("offset_snr")
    ('unwrapPhase_mine', 'offsetSNR')
    """
    if name in MINTPY_NAMES:
        return MINTPY_NAMES[name]
    if name.startswith(f"{PHASE}_"):
        return _PHASE_OF_MINTPY + name.removeprefix(PHASE)
    return name
