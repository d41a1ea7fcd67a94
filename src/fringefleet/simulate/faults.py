"""Simulated errors of a stack, on request: unwrapping errors and a DEM error.

The equations are in :mod:`fringefleet.simulate`. All random numbers are drawn from streams of their own: a
scene with faults is the scene without them, and the faults.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from fringefleet.simulate.config import RANGE_SINE, WAVELENGTH, Scene
from fringefleet.simulate.random_fields import Floats, interpolate, node_shape, node_step, power_law

_BLOB_RADIUS = (0.10, 0.30)  # fractions of the shorter side of the scene
_DEM_EXPONENT = 4.0  # of its two-dimensional power spectrum
UNWRAPPING_STREAM, DEM_STREAM = 2, 3  # of random numbers


@dataclass(frozen=True)
class Faults:
    """What is drawn once per scene.

    Of each pair: ``cycle``, by how many turns it is off, 0 if it is right; ``centre`` (row, column) and
    ``radius`` [pixel] of the disc where. ``dem_error`` [m] lives on nodes as the fields of
    :class:`~fringefleet.simulate.physics.RandomFields` do.
    """

    cycle: NDArray[np.int8]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]
    dem_error: Floats


def draw_faults(scene: Scene) -> Faults:
    """Draw which pairs are unwrapped wrongly and where, and the error of the DEM."""
    n_pair, shape = len(scene.pairs), np.array(scene.shape)
    rng = np.random.default_rng([scene.seed, UNWRAPPING_STREAM])
    wrong = rng.permutation(n_pair) < round(scene.unwrapping_errors * n_pair)
    centre = rng.random((n_pair, 2)) * (shape - 1)
    radius = rng.uniform(*_BLOB_RADIUS, n_pair) * shape.min()
    # An error at the reference point would be one of all pixels but those in the disc.
    to_reference = np.hypot(*(centre - scene.reference_point).T)
    radius = np.minimum(radius, 0.9 * to_reference)
    cycle = np.where(wrong, rng.choice([-1, 1], n_pair), 0).astype(np.int8)
    rng = np.random.default_rng([scene.seed, DEM_STREAM])
    dem_error = scene.dem_error_std * power_law(rng, node_shape(scene), _DEM_EXPONENT)
    return Faults(cycle, centre, radius, dem_error.astype("f4"))


def unwrapping_error(faults: Faults, pair: int, rows: slice, columns: slice) -> Floats:
    """What unwrapping added wrongly to a pair [rad], shape (y, x): whole turns."""
    row, column = faults.centre[pair]
    y = np.arange(rows.start, rows.stop)[:, None] - row
    x = np.arange(columns.start, columns.stop) - column
    inside = y**2 + x**2 < faults.radius[pair] ** 2
    return np.where(inside, 2 * pi * faults.cycle[pair], 0).astype(np.float32)


def dem_error_tile(scene: Scene, faults: Faults, rows: slice, columns: slice) -> Floats:
    """Truth [m] in a part of the scene, shape (y, x): zero at the reference point."""
    row, column = scene.reference_point
    step, nodes = node_step(scene), faults.dem_error
    point = interpolate(nodes, step, slice(row, row + 1), slice(column, column + 1))
    return interpolate(nodes, step, rows, columns) - point


def dem_error_phase(scene: Scene, faults: Faults, baseline: Floats, rows: slice, columns: slice) -> Floats:
    """Phase [rad] that the error of the DEM adds to each date, shape (date, y, x)."""
    per_metre = np.float32(-4 * pi / (WAVELENGTH * RANGE_SINE)) * baseline
    return per_metre[:, None, None] * dem_error_tile(scene, faults, rows, columns)
