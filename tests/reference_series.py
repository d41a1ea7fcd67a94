"""What the answer must be, by other means than the code under test: SVD, exact sums, graph search."""

from decimal import Decimal, localcontext
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fringefleet.network.design_matrix import phase_design_matrix, velocity_design_matrix
from fringefleet.network.network import Network
from strategies import Case


def series_by_svd(case: Case, norm: Literal["velocity", "phase"]) -> NDArray[np.float64]:
    """Solve every pixel by the minimum-norm least squares of LAPACK's gelsd, float64; (date, pixel)."""
    network = case.network
    design = velocity_design_matrix(network) if norm == "velocity" else phase_design_matrix(network)
    columns = np.zeros((design.shape[1], case.phase.shape[1]))
    for pixel, valid in enumerate(case.valid.T):
        root = np.sqrt(case.weight[valid, pixel])
        columns[:, pixel] = np.linalg.lstsq(
            root[:, None] * design[valid], root * case.phase[valid, pixel], rcond=1e-13
        )[0]
    return _to_series(network, columns, norm)


def series_by_decimals(case: Case, norm: Literal["velocity", "phase"]) -> NDArray[np.float64]:
    """Solve every pixel in 60 decimals, for weights that are too much for a float64 SVD; (date, pixel).

    Any solution will do at first, each part held at one of its dates; what it has in the null space of
    the (unweighted) design matrix is then projected out.
    """
    network = case.network
    series = np.zeros((network.n_date, case.phase.shape[1]))
    for pixel, valid in enumerate(case.valid.T):
        any_series = _grounded_series(network, case.phase[:, pixel], case.weight[:, pixel], valid)
        if norm == "velocity":
            unknowns = np.diff(any_series) / np.diff(network.years)
            space = scipy.linalg.null_space(velocity_design_matrix(network)[valid], rcond=1e-10)
        else:
            unknowns = np.delete(any_series - any_series[network.anchor], network.anchor)
            space = scipy.linalg.null_space(phase_design_matrix(network)[valid], rcond=1e-10)
        unknowns = unknowns - space @ (space.T @ unknowns)
        series[:, [pixel]] = _to_series(network, unknowns[:, None], norm)
    return series


def label_by_search(network: Network, valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Label the connected parts of one pixel by graph search, shape (date,), in order of first date."""
    i, j = network.pair_array[valid].T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(network.n_date, network.n_date))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def temporal_coherence_of(case: Case, series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pepe & Lanari's measure from a series, with the pairs as they are given; (pixel,)."""
    i, j = case.network.pair_array.T
    with np.errstate(invalid="ignore"):  # holes may be infinite
        waves = np.exp(1j * np.where(case.valid, case.phase - (series[j] - series[i]), 0))
    return np.abs((waves * case.valid).sum(0)) / case.valid.sum(0)


def residual_rms_of(case: Case, series: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMS of what the series leaves of the valid phases [rad]; (pixel,)."""
    i, j = case.network.pair_array.T
    with np.errstate(invalid="ignore"):
        rest = np.where(case.valid, case.phase - (series[j] - series[i]), 0)
    return np.sqrt((rest**2).sum(0) / case.valid.sum(0))


def _to_series(network: Network, unknowns: NDArray[np.float64], norm: str) -> NDArray[np.float64]:
    """Turn velocities or epochs into the phase of every date, zero at the first."""
    if norm == "phase":
        series = np.insert(unknowns, network.anchor, 0, axis=0)
        return series - series[0]
    steps = unknowns * np.diff(network.years)[:, None]
    return np.concatenate([np.zeros((1, unknowns.shape[1])), np.cumsum(steps, axis=0)])


def _grounded_series(
    network: Network, phase: NDArray[np.float64], weight: NDArray[np.float64], valid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    labels = label_by_search(network, valid)
    n_date = network.n_date
    with localcontext() as context:
        context.prec = 60
        matrix = [[Decimal(0)] * (n_date + 1) for _ in range(n_date)]
        for (i, j), y, w, counts in zip(network.pairs, phase, weight, valid, strict=True):
            if counts:
                exact, pull = Decimal(w), Decimal(w) * Decimal(y)
                matrix[i][i] += exact
                matrix[j][j] += exact
                matrix[i][j] -= exact
                matrix[j][i] -= exact
                matrix[i][n_date] -= pull
                matrix[j][n_date] += pull
        held = np.unique(labels, return_index=True)[1]
        free = [date for date in range(n_date) if date not in held]
        _gauss_jordan(matrix, free)
        series = np.zeros(n_date)
        series[free] = [float(matrix[date][n_date] / matrix[date][date]) for date in free]
    return series


def _gauss_jordan(matrix: list[list[Decimal]], free: list[int]) -> None:
    """Diagonalise the rows and columns of the free dates, in place; the others are held at zero."""
    columns = [*free, len(matrix)]
    for pivot in free:
        for row in free:
            if row != pivot and matrix[row][pivot]:
                factor = matrix[row][pivot] / matrix[pivot][pivot]
                for column in columns:
                    matrix[row][column] -= factor * matrix[pivot][column]
