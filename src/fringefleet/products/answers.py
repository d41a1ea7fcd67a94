"""Diagnosis of pixels without an estimate: counts by status, and the option most likely responsible."""

from collections.abc import Mapping, Sequence
from typing import Any

from fringefleet.errors import OptionError
from fringefleet.network.network import Network, date_name
from fringefleet.option_words import option
from fringefleet.status import Status

ANSWERED = (Status.OK, Status.MINIMUM_NORM, Status.LINEAR, Status.NOT_GAP_FILLED, Status.NOT_CONVERGED)
WITHOUT = (Status.NO_OBSERVATION, Status.MASKED, Status.TOO_FEW_PAIRS, Status.FAILED_TILE)


def check_redundancy(network: Network, least: float) -> None:
    """Reject a minimum number of pairs per date that the network does not have: every pixel would fail it.

    Raises
    ------
    OptionError
        Names a date with the fewest pairs.
    """
    n_pair = [0] * network.n_date
    for pair in network.pairs:
        for date in pair:
            n_pair[date] += 1
    fewest = min(n_pair)
    if least > max(1, fewest):
        where = date_name(network.dates[n_pair.index(fewest)])
        raise OptionError(
            f"found {option('min_redundancy', f'{least:g}')}, but {where} has only {fewest} pairs in the "
            "stack: no "
            f"pixel would have an estimate. Give {fewest} or less."
        )


def named_counts(status_count: Sequence[int]) -> dict[str, int]:
    """Return the pixel counts by status name, given the counts by status code."""
    return {status.name.lower(): count for status, count in zip(Status, status_count, strict=False)}


def describe_no_answer(counts: Mapping[str, int], said: Mapping[str, Any]) -> str | None:
    """Describe why no pixel has an estimate, with the most likely cause; None if some pixels have one.

    Parameters
    ----------
    counts
        Number of pixels with each status, by name.
    said
        Known options and settings, by name.

    Returns
    -------
    str or None
        With marked option names (:func:`fringefleet.errors.option`).
    """
    found = {status: counts.get(status.name.lower(), 0) for status in Status}
    if not any(found.values()) or any(found[status] for status in ANSWERED):
        return None
    most = max(WITHOUT, key=lambda status: found[status])
    each = ", ".join(f"{found[status]:,} {status.name.lower()}" for status in WITHOUT if found[status])
    return f"no pixel has an estimate ({each}); {_likely_cause(most, said)}"


def _likely_cause(status: Status, said: Mapping[str, Any]) -> str:
    if status is Status.TOO_FEW_PAIRS:
        wanted = option("min_redundancy", f"{float(said.get('min_redundancy', 1)):g}")
        return f"check {wanted}, the minimum number of pairs at every date: lower it"
    if status is Status.MASKED:
        return f"check {option('water_mask')} and {option('average_coherence')}, which exclude every pixel"
    if status is Status.FAILED_TILE:
        return f"{option('on_error', 'skip')} skipped the tiles that failed: check why they failed"
    mask = said.get("mask_dataset")
    if mask in (None, "none"):
        return "the stack contains no data: check it"
    threshold = option("mask_threshold", said.get("mask_threshold", ""))
    of_value = "" if mask == "connected_component" else f" with {threshold}"
    return f"check {option('mask_dataset', mask)}{of_value}, which may mask every observation"
