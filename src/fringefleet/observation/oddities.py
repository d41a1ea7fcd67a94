"""Detection of values that cannot be observations: counted per tile, reported once per run.

An undeclared no-data value looks like an observation. It is recognised by:

- phases beyond 1,000 cycles, which no interferogram has;
- the same phase at more than 1 % of a pair's pixels, and at 100 or more, where phases are not stored as
  integers: a measured phase hardly ever occurs twice. A sample of the pixels of each tile yields candidates,
  at most four per pair, which are then counted at all pixels. A value is missed in tiles where fewer than
  about one pixel in a thousand has it; the counts of a pair are too low only by that;
- values outside the range of their quantity. Rounding errors are not counted. Values far outside end the
  run, because weights and masks would be meaningless: bytes instead of a coherence from 0 to 1, for example.

The functions need no more than two boolean arrays of one pair and a sample of 32 kB: less than the result,
for which no memory is allocated yet.
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
SHARE, AT_LEAST = 0.01, 100  # of a pair's pixels that have the same phase
_SAMPLE = 4096  # pixels of a tile
MOST_CANDIDATES, MOST_REMEMBERED = 4, 64  # values per pair: in a tile, and over all tiles
_MOST_NAMED = 5  # pairs in a message
_SAID: set[tuple[int, str]] = set()  # kinds of oddity already reported in this process, by stack


class Range(NamedTuple):
    """Valid range of a quantity, and the limits beyond which the values cannot be that quantity at all."""

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
    """Number and extremes of values outside the range of their quantity."""

    n_value: int = 0
    lowest: float = math.inf
    highest: float = -math.inf

    def __or__(self, other: "Outside") -> "Outside":
        """Add the values of another tile."""
        lowest, highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        return Outside(self.n_value + other.n_value, lowest, highest)


class Oddities(NamedTuple):
    """Oddities found in one tile."""

    n_infinite: int = 0  # infinite observations
    far: Mapping[int, int] = {}  # number of phases beyond 1,000 cycles, by pair
    same: Mapping[tuple[int, float], int] = {}  # number of pixels with the same phase, by pair and phase
    outside: Mapping[str, Outside] = {}  # by quantity


def find_oddities(
    observed: NDArray[Any], *, is_phase: bool, is_coarse: bool, first_pair: int = 0
) -> Oddities:
    """Find values in a tile that cannot be observations.

    Parameters
    ----------
    observed
        Phases [rad] or offsets [pixel], (pair, y, x).
    is_phase
        Whether they are phases; for offsets only infinities are counted.
    is_coarse
        Whether they are stored so coarsely that many are equal.
    first_pair
        Index of the first pair in the network.

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
        Arrays by variable name, (pair, y, x); variables without a known range are skipped.

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
    """Merge the oddities found in different pairs of one tile.

    Parameters
    ----------
    parts
        Oddities, each with the indices of its pairs in the network.
    where
        Location of the tile, for the error message.

    Raises
    ------
    ImpossibleValuesError
        Values cannot be of the quantity they are declared as.
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
    """Warn of values of a map outside their valid range, and of what they count as; NaN is ignored."""
    outside = _outside(values, limits)
    if outside.n_value:
        logger.warning("%s", _describe_outside(what, outside, limits, count_as))


class OddityCounts:
    """Oddities of all tiles of a run, in little memory."""

    def __init__(self) -> None:
        self.n_pixel = self.n_infinite = 0
        self.far: Counter[int] = Counter()
        self.same: dict[int, Counter[float]] = {}
        self.outside: dict[str, Outside] = {}

    def add(self, odd: Oddities, n_pixel: int) -> None:
        """Add the oddities of a tile with the given number of pixels."""
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
        """Describe the oddities and the pairs concerned, in a sentence for each kind."""
        said = {}
        if self.n_infinite:
            said["infinite"] = (
                f"{self.n_infinite} infinite phases were treated as missing data; check the stack for their "
                "cause"
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
                f"the same phase occurs at more than {SHARE:.0%} of the pixels in {len(same)} of "
                f"{network.n_pair} pairs ({pairs} pixels); {_UNDECLARED}"
            )
        return said | {
            name: _describe_outside(name, found, RANGES[name], "the nearest valid value")
            for name, found in sorted(self.outside.items())
        }

    def _too_often(self) -> list[tuple[int, float, int]]:
        """Find the pairs with a phase that occurs at too many of their pixels, the worst first."""
        most = [(pair, *values.most_common(1)[0]) for pair, values in self.same.items()]
        limit = max(AT_LEAST - 1, SHARE * self.n_pixel)
        return sorted((found for found in most if found[2] > limit), key=lambda found: -found[2])


_UNDECLARED = (
    "this is usually a no-data value that the stack does not declare, and it was inverted like a "
    "phase: declare it (attribute _FillValue), or replace it by NaN"
)


def say_once(odd: Oddities, network: Network, n_pixel: int, stack: Hashable) -> None:
    """Log the oddities of a block, each kind only for the first block of a stack that has it.

    ``stack`` distinguishes the stack from others with the same network.
    """
    counts = OddityCounts()
    counts.add(odd, n_pixel)
    for kind, sentence in counts.sentences(network).items():
        if (known := (hash((network, stack)), kind)) not in _SAID:
            _SAID.add(known)
            logger.warning("in the first affected block of the stack: %s", sentence)


def _describe_outside(name: str, outside: Outside, limits: Range, count_as: str) -> str:
    meant = f"{limits.lowest:g} to {limits.highest:g}" if limits.highest < math.inf else "0 or more"
    return (
        f"{outside.n_value:,} values of {name} are outside the valid range, {meant}: they range from "
        f"{outside.lowest:.6g} to {outside.highest:.6g}, and count as {count_as}; check the stack for their "
        "cause"
    )


def _name(pairs: list[str]) -> str:
    more = len(pairs) - _MOST_NAMED
    return ", ".join(pairs[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count_outside(layer: NDArray[Any], lowest: float, highest: float) -> int:
    flat = layer.reshape(-1)
    if not flat.size or (np.fmin.reduce(flat) >= lowest and np.fmax.reduce(flat) <= highest):
        return 0  # the usual case, found quickly; both ignore NaN
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
            f"values are outside the valid range, {wanted}, so that weights and masks would be meaningless. "
            "Scale it (bytes by 1/255, percent by 1/100; attribute scale_factor), or declare the value that "
            "stands for no data (attribute _FillValue)."
        )


def _same_values(layer: NDArray[Any]) -> Iterator[tuple[float, int]]:
    """Find values that occur at suspiciously many pixels, with their counts."""
    flat = layer.reshape(-1)
    sample = np.sort(flat if flat.size <= 2 * _SAMPLE else flat[_some_pixels(flat.size)])
    often = max(2, -(-sample.size // 1600))
    repeated = sample[often - 1 :] == sample[: sample.size - often + 1]
    if not repeated.any():  # NaN does not even equal itself
        return
    values, counts = np.unique(sample[often - 1 :][repeated], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    odd = [value for value in values[order] if value != 0 and abs(value) <= IMPLAUSIBLE_PHASE]
    for value in odd[:MOST_CANDIDATES]:
        yield float(value), int(np.count_nonzero(layer == value))


@lru_cache(maxsize=8)
def _some_pixels(n_pixel: int) -> NDArray[np.int64]:
    """Choose random pixels, the same ones each time, in an order that no pattern of a scene can have."""
    chosen = np.random.default_rng(n_pixel).choice(n_pixel, _SAMPLE, replace=False)
    return np.sort(chosen)
