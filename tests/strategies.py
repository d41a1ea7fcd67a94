"""Hypothesis strategies: networks of every shape, weights over decades, data with all kinds of holes."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fringefleet.network.network import Network

MISSING_PHASE = (np.nan, np.inf, -np.inf, 1e37, -1e37)  # 1e37: about what netCDF fills with
MISSING_WEIGHT = (0.0, -1.0, np.nan, np.inf, -np.inf)
SHAPES = (
    "chain",
    "neighbours",
    "star",
    "all pairs",
    "annual",
    "random",
    "parts",
    "one pair",
    "one reference",
)
GRAIN = 1 / 1024  # phases are whole grains, so that sums of a few of them are exact in float32

SEEDS = st.integers(0, 2**32 - 1)


class Case(NamedTuple):
    """A network and observations of some pixels; all numbers are exact in float32."""

    network: Network
    phase: NDArray[np.float64]  # (pair, pixel) [rad]
    weight: NDArray[np.float64]  # (pair, pixel) [rad^-2]
    valid: NDArray[np.bool_]  # (pair, pixel): the observation counts


@st.composite
def networks(
    draw: st.DrawFn, shapes: tuple[str, ...] = SHAPES, most_dates: int = 30, ascending: bool = False
) -> Network:
    """Draw a network: irregular days, pairs in either order (or all ascending) and shuffled."""
    shape = draw(st.sampled_from(shapes))
    n_date = draw(st.integers(2, most_dates))
    rng = np.random.default_rng(draw(SEEDS))
    pairs = rng.permutation(_pairs_of(shape, n_date, rng))
    turned = rng.random(len(pairs)) < 0.5
    if shape == "one reference":  # all pairs start at one date, which need not be the first
        turned = pairs[:, 1] == np.bincount(pairs.ravel()).argmax()
    turned &= not ascending
    pairs[turned] = pairs[turned, ::-1]
    return dated(pairs, rng)


def dated(pairs: NDArray[np.int64], rng: np.random.Generator) -> Network:
    """Give irregular days to dates that are numbered; dates that no pair uses fall away."""
    days = np.cumsum(rng.choice([1, 6, 12, 24, 48], pairs.max() + 1))
    times = np.datetime64("2015-01-01T00:12:25", "s") + days.astype("timedelta64[D]")
    return Network.from_dates(times[pairs[:, 0]], times[pairs[:, 1]])


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    network: st.SearchStrategy[Network] | None = None,
    decades: st.SearchStrategy[float] | None = None,
    missing: st.SearchStrategy[float] | None = None,
    n_pixel: int = 6,
) -> Case:
    """Draw observations that contradict one another, unequally weighted, some of them missing.

    Parameters
    ----------
    network
        Strategy for the network; all shapes by default.
    decades
        Over how many decades the weights are spread; 0 to 6 by default.
    missing
        The fraction that is missing, by a bad phase or a bad weight; 0 to 0.9 by default.
    n_pixel
        Number of pixels.
    """
    graph = draw(networks() if network is None else network)
    spread = draw(st.floats(0, 6) if decades is None else decades)
    fraction = draw(st.sampled_from([0, 0.02, 0.3, 0.6, 0.9]) if missing is None else missing)
    rng = np.random.default_rng(draw(SEEDS))
    shape = (graph.n_pair, n_pixel)
    phase = rng.integers(-20_000, 20_000, shape) * GRAIN * rng.choice([0.125, 1, 8])
    weight = 10 ** rng.uniform(-spread / 2, spread / 2, shape)
    weight = weight.astype(np.float32).astype(np.float64)
    valid = rng.random(shape) >= fraction
    phase, weight = with_holes(phase, weight, valid, rng)
    return Case(graph, phase, weight, valid)


def with_holes(
    phase: NDArray[np.float64],
    weight: NDArray[np.float64],
    valid: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spoil the observations that are not valid, each in one of the ways that data are spoilt."""
    by_phase = rng.random(phase.shape) < 0.5
    holes = rng.choice(MISSING_PHASE, phase.shape)
    bad_weights = rng.choice(MISSING_WEIGHT, phase.shape)
    return (
        np.where(~valid & by_phase, holes, phase),
        np.where(~valid & ~by_phase, bad_weights, weight),
    )


def _pairs_of(shape: str, n_date: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """List ascending pairs of numbered dates; at least one."""
    first, second = np.triu_indices(n_date, 1)
    gap = second - first
    match shape:
        case "chain":
            keep = gap == 1
        case "neighbours":
            keep = gap <= rng.integers(1, 5)
        case "star" | "one reference":
            centre = rng.integers(n_date)
            keep = (first == centre) | (second == centre)
        case "all pairs":
            keep = second < max(2, min(n_date, 12))
        case "annual":
            keep = (gap <= 2) | (gap == max(3, n_date // 3))
        case "random":
            keep = rng.random(len(gap)) < min(0.5, 3 / n_date)
        case "parts":
            part = rng.integers(0, max(1, n_date // 3), n_date)
            keep = (part[first] == part[second]) & (gap <= n_date // 2 + 1)
        case _:
            keep = (first == 0) & (second == 1)
    keep[rng.integers(len(keep))] |= not keep.any()
    return np.stack([first[keep], second[keep]], axis=1)
