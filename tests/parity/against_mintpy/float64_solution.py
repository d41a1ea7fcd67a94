"""Solution of a random scene in float64, by MintPy's rules, and what float32 makes of it."""

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet.engine.device import one_thread
from fringefleet.observation.weight_tables import phase_variance_table
from parity.against_mintpy.random_scenes import DAYS_OF_YEAR, LOOKS, THRESHOLD, Floats, RandomScene

SAMPLES_PER_CELL = 1.94  # of MintPy, for the number of independent looks
RCOND = 1e-5  # MintPy's


class Exact(NamedTuple):
    """Solution of a scene in float64, and what float32 makes of it; zero where MintPy has none."""

    series: Floats  # [rad], (date, y, x)
    in_float32: Floats  # the same by LAPACK's gelsd in float32, which is what MintPy calls
    pair_count: NDArray[np.int64]  # (y, x)
    is_deficient: NDArray[np.bool_]  # of rank, (y, x)
    is_missed: NDArray[np.bool_]  # by a Cholesky of the normal equations in float32, which finds no fault


class Observed(NamedTuple):
    """What both programs see of a scene: in float32, what is left when the reference is subtracted."""

    pairs: NDArray[np.int64]  # (pair, 2)
    years: Floats  # of the intervals between the dates
    phase: NDArray[np.float32]  # [rad], (pair, y, x)
    root_weight: Floats
    is_valid: NDArray[np.bool_]
    reference: tuple[int, int]


def read_scene(scene: RandomScene, folder: Path) -> Observed:
    """Read the observations of a scene, masked and weighed by MintPy's rules."""
    with h5py.File(folder / "inputs" / "ifgramStack.h5") as file:
        dates = np.sort(np.unique(file["date"][:]))
        pairs = np.searchsorted(dates, file["date"][:])
        phase, coherence = file["unwrapPhase"][:], file["coherence"][:]
        component = file["connectComponent"][:]
        reference = int(file.attrs["REF_Y"]), int(file.attrs["REF_X"])
    left = phase - phase[:, *reference][:, None, None]
    is_valid = np.isfinite(left) & (phase != 0) & (left != 0)
    if scene.mask == "connectComponent":
        is_valid &= component != 0
    elif scene.mask == "coherence":
        is_valid &= np.nan_to_num(coherence) >= np.float32(THRESHOLD)
    if scene.has_water:
        with h5py.File(folder / "waterMask.h5") as file:
            is_valid &= file["waterMask"][:]
    years = np.diff(days_since_first(dates)) / DAYS_OF_YEAR
    root = np.sqrt(weigh(coherence.astype("f8"), scene.weight))
    return Observed(pairs, years, left, root, is_valid, reference)


@one_thread(torch.device("cpu"))  # such small matrices are not worth several
def solve_exactly(scene: RandomScene, folder: Path) -> Exact:
    """Solve the least squares of every pixel in float64 by an SVD, with MintPy's rules."""
    pairs, years, phase, root, is_valid, reference = read_scene(scene, folder)
    found = nothing_found(len(years) + 1, scene.kind.shape)
    for y, x in np.ndindex(*scene.kind.shape):
        rows = is_valid[:, y, x]
        if len(np.union1d(pairs[rows], 0)) <= len(years) or (y, x) == reference:
            continue  # some date but the first has no pair
        design = root[rows, y, x, None] * design_matrix(pairs[rows], years, scene.norm)
        right = root[rows, y, x] * phase[rows, y, x].astype("f8")
        found.series[1:, y, x], rank = solve_pixel(design, right, years, scene.norm)
        single = (values.astype("f4") for values in (design, right, years))
        found.in_float32[1:, y, x], _ = solve_pixel(*single, scene.norm)
        found.pair_count[y, x] = rows.sum()
        found.is_deficient[y, x] = rank < len(years)
        if rank < len(years):
            normal = torch.from_numpy((design.T @ design).astype("f4"))
            found.is_missed[y, x] = torch.linalg.cholesky_ex(normal).info == 0
    found.pair_count[reference] = len(pairs)  # by definition
    return found


def nothing_found(n_date: int, shape: tuple[int, int]) -> Exact:
    """Begin with zeros."""
    series, single = np.zeros((2, n_date, *shape))
    return Exact(series, single, np.zeros(shape, int), np.zeros(shape, bool), np.zeros(shape, bool))


def solve_pixel(
    design: NDArray[Any], right: NDArray[Any], years: NDArray[Any], norm: str
) -> tuple[NDArray[Any], int]:
    """Solve in the precision of the arguments; phases of all dates but the first [rad], and the rank."""
    arguments = (torch.from_numpy(values) for values in (design, right[:, None]))
    solved = torch.linalg.lstsq(*arguments, rcond=RCOND, driver="gelsd")
    unknowns = solved.solution[:, 0].numpy()
    return np.cumsum(unknowns * years) if norm == "velocity" else unknowns, int(solved.rank)


def days_since_first(dates: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Count the days of dates such as ``20070211``."""
    said = [f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in dates.astype(str)]
    days = np.array(said, "datetime64[D]")
    return (days - days[0]).astype(int)


def design_matrix(pairs: NDArray[np.int64], years: Floats, norm: str) -> Floats:
    """What unknowns add to each pair: velocities of the intervals, or phases of all dates but the first."""
    intervals = np.arange(len(years))
    if norm == "velocity":
        return ((pairs[:, :1] <= intervals) & (intervals < pairs[:, 1:])) * years
    return (pairs[:, 1:] == intervals + 1).astype("f8") - (pairs[:, :1] == intervals + 1)


def weigh(coherence: Floats, weight: str) -> Floats:
    """Weigh by the coherence, with MintPy's rules."""
    g = np.where(np.isnan(coherence) | (coherence < 0.05), 0.05, coherence)
    looks = round(LOOKS[0] * LOOKS[1] / SAMPLES_PER_CELL)
    if weight == "var":
        bins = ((np.minimum(g, 0.9975) - 0.0025) / 0.005).astype(int)
        return 1 / phase_variance_table(looks)[bins]
    if weight == "fim":
        g = np.minimum(g, 0.999)
        return 2 * looks * g**2 / (1 - g**2)
    return g if weight == "coh" else np.ones_like(g)
