"""Simulated errors of a stack, on request: unwrapping errors and a DEM error.

The equations are in :mod:`fringefleet.simulate`. All random numbers come from streams of their own: a scene
with faults is the scene without them, plus the faults.
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
    """Random faults of a scene, drawn once.

    Attributes
    ----------
    cycle
        Unwrapping error of each pair [cycle], 0 if it is correct.
    centre, radius
        Centre (row, column) and radius [pixel] of the disc where it occurs.
    dem_error
        DEM error [m] on nodes, as for :class:`~fringefleet.simulate.physics.RandomFields`.
    """

    cycle: NDArray[np.int8]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]
    dem_error: Floats


def draw_faults(scene: Scene) -> Faults:
    """Draw which pairs have unwrapping errors and where, and the DEM error."""
    n_pair, shape = len(scene.pairs), np.array(scene.shape)
    rng = np.random.default_rng([scene.seed, UNWRAPPING_STREAM])
    wrong = rng.permutation(n_pair) < round(scene.unwrapping_errors * n_pair)
    centre = rng.random((n_pair, 2)) * (shape - 1)
    radius = rng.uniform(*_BLOB_RADIUS, n_pair) * shape.min()
    # An error at the reference point would affect all pixels except those in the disc.
    to_reference = np.hypot(*(centre - scene.reference_point).T)
    radius = np.minimum(radius, 0.9 * to_reference)
    cycle = np.where(wrong, rng.choice([-1, 1], n_pair), 0).astype(np.int8)
    rng = np.random.default_rng([scene.seed, DEM_STREAM])
    dem_error = scene.dem_error_std * power_law(rng, node_shape(scene), _DEM_EXPONENT)
    return Faults(cycle, centre, radius, dem_error.astype("f4"))


def unwrapping_error(faults: Faults, pair: int, rows: slice, columns: slice) -> Floats:
    """Return the unwrapping error of a pair [rad], shape (y, x), in whole cycles."""
    row, column = faults.centre[pair]
    y = np.arange(rows.start, rows.stop)[:, None] - row
    x = np.arange(columns.start, columns.stop) - column
    inside = y**2 + x**2 < faults.radius[pair] ** 2
    return np.where(inside, 2 * pi * faults.cycle[pair], 0).astype(np.float32)


def dem_error_tile(scene: Scene, faults: Faults, rows: slice, columns: slice) -> Floats:
    """Return the true DEM error [m] in a part of the scene, shape (y, x): zero at the reference point."""
    row, column = scene.reference_point
    step, nodes = node_step(scene), faults.dem_error
    point = interpolate(nodes, step, slice(row, row + 1), slice(column, column + 1))
    return interpolate(nodes, step, rows, columns) - point


def dem_error_phase(scene: Scene, faults: Faults, baseline: Floats, rows: slice, columns: slice) -> Floats:
    """Return the phase [rad] that the DEM error adds to each date, shape (date, y, x)."""
    per_metre = np.float32(-4 * pi / (WAVELENGTH * RANGE_SINE)) * baseline
    return per_metre[:, None, None] * dem_error_tile(scene, faults, rows, columns)
