"""The same series in more digits than float64 has, and in as few as MintPy takes."""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from fringefleet.network.design_matrix import phase_design_matrix, velocity_design_matrix
from fringefleet.network.network import Network

MOST_ROUNDS = 60
RCOND = 1e-5  # singular values below this share of the largest count as zero


def walk_observations(
    network: Network, n_pixel: int, weight_spread: float, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random walks with noise of 0.5 rad, that no series fits, and weights of a given largest ratio."""
    rng = np.random.default_rng(seed)
    i, j = network.pair_array.T
    walk = np.cumsum(rng.normal(0, 1, (network.n_date, n_pixel)), axis=0)
    phase = walk[j] - walk[i] + rng.normal(0, 0.5, (network.n_pair, n_pixel))
    weight = weight_spread ** rng.uniform(-0.5, 0.5, phase.shape)
    return phase.astype(np.float32), weight.astype(np.float32)


def series_in_long_double(
    network: Network, phase: NDArray[np.floating], weight: NDArray[np.floating]
) -> NDArray[np.longdouble]:
    """Solve every pixel of a connected network, zero at the first date; (date, pixel).

    A Cholesky of the Laplacian in float64 is off by the spread of the weights times its rounding, which is
    less than one: so solving again and again for what is left, in long double, comes to rest at the answer
    that long double would give (64 bits on x86). Nothing of the solvers under test is used.
    """
    series = np.zeros((network.n_date, phase.shape[1]), np.longdouble)
    for pixel in range(phase.shape[1]):
        observed = phase[:, pixel].astype(np.longdouble), weight[:, pixel].astype(np.longdouble)
        series[:, pixel] = _refine(network, *observed)
    return series


def series_by_mintpy_lstsq(
    network: Network, phase: NDArray[np.float32], weight: NDArray[np.float32], *, min_norm_velocity: bool
) -> NDArray[np.float32]:
    """Solve every pixel as MintPy does: gelsd of the root of the weights times the design, in float32.

    MintPy: ``ifgram_inversion.estimate_timeseries``, with its ``rcond``.
    """
    make_design = velocity_design_matrix if min_norm_velocity else phase_design_matrix
    design = make_design(network).astype(np.float32)
    steps = np.diff(network.years).astype(np.float32)
    series = np.zeros((network.n_date, phase.shape[1]), np.float32)
    for pixel in range(phase.shape[1]):
        root = np.sqrt(weight[:, pixel])
        unknowns = scipy.linalg.lstsq(root[:, None] * design, root * phase[:, pixel], cond=RCOND)[0]
        if min_norm_velocity:
            series[1:, pixel] = np.cumsum(unknowns * steps)
        else:
            series[1:, pixel] = unknowns
    return series


def _refine(
    network: Network, phase: NDArray[np.longdouble], weight: NDArray[np.longdouble]
) -> NDArray[np.longdouble]:
    i, j = network.pair_array.T
    factor = scipy.linalg.cho_factor(_laplacian(network, weight)[1:, 1:].astype(np.float64))
    series = np.zeros(network.n_date, np.longdouble)
    smallest = np.inf
    for _ in range(MOST_ROUNDS):
        pull = weight * (phase - (series[j] - series[i]))
        right = np.zeros_like(series)
        np.add.at(right, j, pull)
        np.subtract.at(right, i, pull)
        step = scipy.linalg.cho_solve(factor, right[1:].astype(np.float64))
        series[1:] += step
        if np.abs(step).max() >= smallest:
            return series
        smallest = np.abs(step).max()
    raise ArithmeticError(f"found steps of {smallest:.1g} rad after {MOST_ROUNDS} rounds; they do not end.")


def _laplacian(network: Network, weight: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    i, j = network.pair_array.T
    matrix = np.zeros((network.n_date, network.n_date), np.longdouble)
    np.subtract.at(matrix, (i, j), weight)
    np.subtract.at(matrix, (j, i), weight)
    matrix[np.diag_indices(network.n_date)] = -matrix.sum(1)
    return matrix
