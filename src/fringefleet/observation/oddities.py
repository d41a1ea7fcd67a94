"""Detection of values that cannot be observations: counted in every tile, reported once a run.

A value for no data that a stack does not declare looks like an observation. What gives it away:

- phases beyond 1,000 cycles, which no interferogram has;
- one same phase at more than 1 % of a pair's pixels, 100 at least, where phases are not stored as integers:
  a measured one hardly ever comes twice. In each tile a sample of its pixels names the values that may be
  meant, at most four a pair, and they are counted at all pixels. A value is missed in tiles where fewer than
  about one pixel in a thousand has it; only so far the counts of a pair are too low;
- values outside the range of their quantity. Rounding is not counted. Far outside it the run ends, because
  weights and masks would mean nothing: bytes in the place of a coherence from 0 to 1, say.

Nothing here needs more than two truth values a pixel of one pair, and a sample of 32 kB: less than the
result, for which no room is taken yet.
"""

import logging
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import ImpossibleValuesError
from fringefleet.network.network import Network

logger = logging.getLogger(__name__)

IMPLAUSIBLE_PHASE = 2 * math.pi * 1000  # [rad]
SHARE, AT_LEAST = 0.01, 100  # of a pair's pixels, that have one same phase
_SAMPLE = 4096  # pixels of a tile
MOST_CANDIDATES, MOST_REMEMBERED = 4, 64  # values of a pair: in a tile, and of all tiles
_MOST_NAMED = 5  # pairs in a message
_SAID: set[tuple[int, str]] = set()  # what of which stack, in this process


class Range(NamedTuple):
    """What a quantity may be, and beyond what it cannot be that quantity at all."""

    lowest: float
    highest: float
    rounding: float = 0.0
    impossible: tuple[float, float] = (-math.inf, math.inf)


_POSITIVE = Range(0, math.inf)
MASK = Range(0, 255)  # of pixels to invert: 1 or, in bytes, 255
RANGES: Mapping[str, Range] = {
    "coherence": Range(0, 1, 1e-3, (-0.5, 1.5)),
    "offset_snr": _POSITIVE,
    "range_offset_std": _POSITIVE,
    "azimuth_offset_std": _POSITIVE,
}


class Outside(NamedTuple):
    """Values outside the range of their quantity."""

    n_value: int = 0
    lowest: float = math.inf
    highest: float = -math.inf

    def __or__(self, other: "Outside") -> "Outside":
        """Add those of another tile."""
        lowest, highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        return Outside(self.n_value + other.n_value, lowest, highest)


class Oddities(NamedTuple):
    """What is odd in one tile."""

    n_infinite: int = 0  # observations
    far: Mapping[int, int] = {}  # pair to phases beyond 1,000 cycles
    same: Mapping[tuple[int, float], int] = {}  # pair and phase to pixels that have it
    outside: Mapping[str, Outside] = {}  # by quantity


def find_oddities(
    observed: NDArray[Any], *, is_phase: bool, is_coarse: bool, first_pair: int = 0
) -> Oddities:
    """Look for observations of a tile that can be none.

    Parameters
    ----------
    observed
        Phases [rad] or offsets [pixel], (pair, y, x).
    is_phase
        Whether they are phases; of offsets infinities are counted only.
    is_coarse
        Whether they are stored so coarsely that many are the same.
    first_pair
        Number of the first pair in the network.

    Examples
    --------
    >>> phase = np.random.default_rng(0).normal(0, 9, (1, 60, 60)).astype("f4")
    >>> phase[0, :2], phase[0, 2], phase[0, 3, 3] = -99, 2e4, np.inf
    >>> find_oddities(phase, is_phase=True, is_coarse=False)
    Oddities(n_infinite=1, far={0: 60}, same={(0, -99.0): 120}, outside={})
    """
    n_infinite = 0
    far: dict[int, int] = {}
    same: dict[tuple[int, float], int] = {}
    for pair, layer in enumerate(observed, first_pair):
        n_far = _count_outside(layer, -IMPLAUSIBLE_PHASE, IMPLAUSIBLE_PHASE)
        if n_far:
            n_here = int(np.count_nonzero(np.isinf(layer)))
            n_infinite += n_here
            if is_phase and n_far > n_here:
                far[pair] = n_far - n_here
        if is_phase and not is_coarse:
            same |= {(pair, value): count for value, count in _same_values(layer)}
    return Oddities(n_infinite, far, same)


def find_outside(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Outside]:
    """Count the values that are outside the range of their quantity.

    Parameters
    ----------
    arrays
        By the names of the variables, (pair, y, x); those without a known range are passed over.

    Examples
    --------
    >>> find_outside({"coherence": np.array([[0.5, 1.0005, 1.25, np.nan]])})
    {'coherence': Outside(n_value=1, lowest=1.25, highest=1.25)}
    """
    found = {}
    for name in sorted(arrays.keys() & RANGES.keys()):
        outside = Outside()
        for layer in arrays[name]:
            outside |= _outside(layer, RANGES[name])
        if outside.n_value:
            found[name] = outside
    return found


def put_together(parts: Iterable[Oddities], where: str) -> Oddities:
    """Put together what was found at some pairs each of one tile.

    Parameters
    ----------
    parts
        Each with the numbers that its pairs have in the network.
    where
        They are, for a message.

    Raises
    ------
    ImpossibleValuesError
        Values cannot be that quantity at all.
    """
    n_infinite = 0
    far: dict[int, int] = {}
    same: dict[tuple[int, float], int] = {}
    outside: dict[str, Outside] = {}
    for part in parts:
        n_infinite += part.n_infinite
        far |= part.far
        same |= part.same
        for name, more in part.outside.items():
            outside[name] = outside.get(name, Outside()) | more
    for name, found in outside.items():
        _check_possible(name, found, where)
    return Oddities(n_infinite, far, same, outside)


def warn_of_outside(what: str, values: NDArray[Any], limits: Range, *, count_as: str) -> None:
    """Say how many numbers of a map are outside of what they can be, and what they count as; NaN is none."""
    outside = _outside(values, limits)
    if outside.n_value:
        logger.warning("%s", _say_outside(what, outside, limits, count_as))


class OddityCounts:
    """What is odd in all tiles of a run; needs little memory, however many there are."""

    def __init__(self) -> None:
        self.n_pixel = self.n_infinite = 0
        self.far: Counter[int] = Counter()
        self.same: dict[int, Counter[float]] = {}
        self.outside: dict[str, Outside] = {}

    def add(self, odd: Oddities, n_pixel: int) -> None:
        """Count a tile of so many pixels."""
        self.n_pixel += n_pixel
        self.n_infinite += odd.n_infinite
        self.far.update(odd.far)
        for (pair, value), count in odd.same.items():
            values = self.same.setdefault(pair, Counter())
            values[value] += count
            if len(values) > 2 * MOST_REMEMBERED:
                self.same[pair] = Counter(dict(values.most_common(MOST_REMEMBERED)))
        for name, outside in odd.outside.items():
            self.outside[name] = self.outside.get(name, Outside()) | outside

    def sentences(self, network: Network) -> dict[str, str]:
        """Say what was odd, and in which pairs; by what it is."""
        said = {}
        if self.n_infinite:
            said["infinite"] = (
                f"{self.n_infinite} infinite phases were left out as if there were no data; look for their "
                "cause in the stack"
            )
        if self.far:
            pairs = _name([f"{network.pair_name(pair)}: {n:,}" for pair, n in self.far.most_common()])
            said["far"] = (
                f"{self.far.total():,} phases are beyond 1,000 cycles, in {len(self.far)} of "
                f"{network.n_pair} pairs ({pairs}); {_UNDECLARED}"
            )
        if same := self._too_often():
            pairs = _name([f"{network.pair_name(pair)}: {value:.9g} at {n:,}" for pair, value, n in same])
            said["same"] = (
                f"one same phase is at more than {SHARE:.0%} of the pixels in {len(same)} of "
                f"{network.n_pair} pairs ({pairs} pixels); {_UNDECLARED}"
            )
        return said | {
            name: _say_outside(name, found, RANGES[name], "the nearest that it can be")
            for name, found in sorted(self.outside.items())
        }

    def _too_often(self) -> list[tuple[int, float, int]]:
        """Find the pairs with a phase that too many of their pixels have; the worst first."""
        most = [(pair, *values.most_common(1)[0]) for pair, values in self.same.items()]
        limit = max(AT_LEAST - 1, SHARE * self.n_pixel)
        return sorted((found for found in most if found[2] > limit), key=lambda found: -found[2])


_UNDECLARED = (
    "most often that is a value for no data that the stack does not declare, and it was inverted like a "
    "phase: declare it (attribute _FillValue), or write NaN in its place"
)


def say_once(odd: Oddities, network: Network, n_pixel: int, stack: Hashable) -> None:
    """Say what is odd in a block of so many pixels; of each stack and kind, in the first one that has it.

    ``stack``: tells it from others with the same network.
    """
    counts = OddityCounts()
    counts.add(odd, n_pixel)
    for kind, sentence in counts.sentences(network).items():
        if (known := (hash((network, stack)), kind)) not in _SAID:
            _SAID.add(known)
            logger.warning("in the first block of the stack that has it: %s", sentence)


def _say_outside(name: str, outside: Outside, limits: Range, count_as: str) -> str:
    meant = f"{limits.lowest:g} to {limits.highest:g}" if limits.highest < math.inf else "0 or more"
    return (
        f"{outside.n_value:,} values of {name} are outside of what it can be, {meant}: they go from "
        f"{outside.lowest:.6g} to {outside.highest:.6g}, and count as {count_as}; look for their cause"
    )


def _name(pairs: list[str]) -> str:
    more = len(pairs) - _MOST_NAMED
    return ", ".join(pairs[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count_outside(layer: NDArray[Any], lowest: float, highest: float) -> int:
    flat = layer.reshape(-1)
    if not flat.size or (np.fmin.reduce(flat) >= lowest and np.fmax.reduce(flat) <= highest):
        return 0  # as nearly always, and soon found; those two pass over NaN
    n_above = int(np.count_nonzero(layer > highest)) if highest < math.inf else 0
    return int(np.count_nonzero(layer < lowest)) + n_above


def _outside(layer: NDArray[Any], limits: Range) -> Outside:
    lowest, highest = limits.lowest - limits.rounding, limits.highest + limits.rounding
    count = _count_outside(layer, lowest, highest)
    if not count:
        return Outside()
    values = layer[(layer < lowest) | (layer > highest)]
    return Outside(count, float(values.min()), float(values.max()))


def _check_possible(name: str, outside: Outside, where: str) -> None:
    lowest, highest = RANGES[name].impossible
    finite = [value for value in (outside.lowest, outside.highest) if math.isfinite(value)]
    if any(value < lowest or value > highest for value in finite):
        wanted = f"{RANGES[name].lowest:g} to {RANGES[name].highest:g}"
        raise ImpossibleValuesError(
            f"found {name} from {outside.lowest:.6g} to {outside.highest:.6g} {where}: {outside.n_value:,} "
            f"values are outside of {wanted}, where it must be, and weights and masks would mean nothing. "
            "Scale it (bytes by 1/255, per cent by 1/100; attribute scale_factor), or declare the value that "
            "stands for no data (attribute _FillValue)."
        )


def _same_values(layer: NDArray[Any]) -> Iterator[tuple[float, int]]:
    """Find the values that surprisingly many pixels have, and count them."""
    flat = layer.reshape(-1)
    sample = np.sort(flat if flat.size <= 2 * _SAMPLE else flat[_some_pixels(flat.size)])
    often = max(2, -(-sample.size // 1600))
    repeated = sample[often - 1 :] == sample[: sample.size - often + 1]
    if not repeated.any():  # NaN is not even the same as itself
        return
    values, counts = np.unique(sample[often - 1 :][repeated], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    odd = [value for value in values[order] if value != 0 and abs(value) <= IMPLAUSIBLE_PHASE]
    for value in odd[:MOST_CANDIDATES]:
        yield float(value), int(np.count_nonzero(layer == value))


@lru_cache(maxsize=8)
def _some_pixels(n_pixel: int) -> NDArray[np.int64]:
    """Choose pixels at random, always the same ones; in no order that a pattern in a scene could have."""
    chosen = np.random.default_rng(n_pixel).choice(n_pixel, _SAMPLE, replace=False)
    return np.sort(chosen)
