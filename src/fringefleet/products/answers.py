"""Diagnosis of pixels without an estimate: counts by status, and the option responsible if none has one."""

from collections.abc import Mapping, Sequence
from typing import Any

from fringefleet.errors import OptionError
from fringefleet.network.network import Network, date_name
from fringefleet.option_words import option
from fringefleet.status import Status

ANSWERED = (Status.OK, Status.MINIMUM_NORM, Status.LINEAR, Status.NOT_GAP_FILLED, Status.NOT_CONVERGED)
WITHOUT = (Status.NO_OBSERVATION, Status.MASKED, Status.TOO_FEW_PAIRS, Status.FAILED_TILE)


def check_redundancy(network: Network, least: float) -> None:
    """Refuse to ask for more pairs at every date than the network has: no pixel would have an answer.

    Raises
    ------
    OptionError
        Names a date that has fewest.
    """
    n_pair = [0] * network.n_date
    for pair in network.pairs:
        for date in pair:
            n_pair[date] += 1
    fewest = min(n_pair)
    if least > max(1, fewest):
        where = date_name(network.dates[n_pair.index(fewest)])
        raise OptionError(
            f"found {option('min_redundancy', f'{least:g}')}, and {fewest} pairs at {where} in the stack: no "
            f"pixel would have an answer. Give {fewest} or less."
        )


def named_counts(status_count: Sequence[int]) -> dict[str, int]:
    """Give the numbers of pixels of each status, which come by code, by name."""
    return {status.name.lower(): count for status, count in zip(Status, status_count, strict=False)}


def describe_no_answer(counts: Mapping[str, int], said: Mapping[str, Any]) -> str | None:
    """Say that no pixel has an answer, and what most likely keeps them from it; None if some have.

    Parameters
    ----------
    counts
        Pixels of each status, by name.
    said
        Options and settings by name, as far as they are known.

    Returns
    -------
    str or None
        With marked options (:func:`fringefleet.errors.option`).
    """
    found = {status: counts.get(status.name.lower(), 0) for status in Status}
    if not any(found.values()) or any(found[status] for status in ANSWERED):
        return None
    most = max(WITHOUT, key=lambda status: found[status])
    each = ", ".join(f"{found[status]:,} {status.name.lower()}" for status in WITHOUT if found[status])
    return f"no pixel has an answer ({each}); {_blame(most, said)}"


def _blame(status: Status, said: Mapping[str, Any]) -> str:
    if status is Status.TOO_FEW_PAIRS:
        wanted = option("min_redundancy", f"{float(said.get('min_redundancy', 1)):g}")
        return f"look at {wanted}, which asks for so many pairs at every date: give less"
    if status is Status.MASKED:
        return f"look at {option('water_mask')} and {option('average_coherence')}, which leave no pixel"
    if status is Status.FAILED_TILE:
        return f"{option('on_error', 'skip')} went on without the tiles that failed: look at why they did"
    mask = said.get("mask_dataset")
    if mask in (None, "none"):
        return "the stack has no data: look at it"
    threshold = option("mask_threshold", said.get("mask_threshold", ""))
    of_value = "" if mask == "connected_component" else f" with {threshold}"
    return f"look at {option('mask_dataset', mask)}{of_value}, which may leave no observation"
