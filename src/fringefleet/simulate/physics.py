"""Ground motion, atmosphere and decorrelation of one tile.

The equations are in :mod:`fringefleet.simulate`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.arguments.shapes import TileIndex
from fringefleet.simulate.config import (
    HEADING_DEGREES,
    INCIDENCE_DEGREES,
    LOOKS,
    PIXEL_METRES,
    WAVELENGTH,
    Scene,
)
from fringefleet.simulate.faults import Faults, dem_error_phase, draw_faults, unwrapping_error
from fringefleet.simulate.random_fields import Floats, interpolate, node_shape, node_step, power_law

_DELAY_STD = 0.006  # [m], of the atmosphere over the scene
_DELAY_EXPONENT = 11 / 3  # of its two-dimensional power spectrum
_TEXTURE_EXPONENT = 2.5
_BASELINE_STD = 60.0  # [m]
_BASELINE_MEMORY = 0.6  # correlation from one date to the next
_FRESH_COHERENCE = 0.92
_STABLE_COHERENCE = (0.12, 0.55)  # after years: on vegetation, in a city
_DECAY_DAYS = (15.0, 500.0)  # likewise
_GRAIN = 0.35  # random part of the texture from pixel to pixel
_DAYS_PER_YEAR = 365.25

# Centre (fractions of rows and columns), radius or depth (fraction of the shorter side), amplitude.
_BOWLS = (((0.34, 0.30), 0.10, -0.120), ((0.72, 0.64), 0.07, -0.050))  # [m/year], vertical
_AQUIFER = ((0.66, 0.24), 0.12, 0.012)  # [m], vertical
_VOLCANO = ((0.30, 0.74), 0.07, 0.090)  # [m], vertical above the source at the end of its inflation
ONSET, RELAXATION = 0.4, 0.15  # fractions of the time span


class _Tile(NamedTuple):
    """Position of a tile in the scene."""

    number: TileIndex
    rows: slice
    columns: slice


@dataclass(frozen=True)
class RandomFields:
    """Random fields of a scene, drawn once, on a coarse grid where they depend on position.

    Attributes
    ----------
    step
        Spacing of the nodes [pixel]; they begin one step outside the scene.
    delay
        Atmospheric delay on the nodes [m], relative to the first date.
    texture
        Land cover on the nodes, from 0 (vegetation) to 1 (city).
    baseline
        Perpendicular baseline of each date [m].
    offset
        Constant that unwrapping leaves on each pair [rad].
    faults
        Errors of the stack.
    """

    step: int
    delay: Floats
    texture: Floats
    baseline: Floats
    offset: Floats
    faults: Faults


def tiles(scene: Scene) -> Iterator[_Tile]:
    """Cut the scene into tiles, row by row."""
    for i, top in enumerate(range(0, scene.shape[0], scene.tile[0])):
        for j, left in enumerate(range(0, scene.shape[1], scene.tile[1])):
            rows = slice(top, min(top + scene.tile[0], scene.shape[0]))
            yield _Tile((i, j), rows, slice(left, min(left + scene.tile[1], scene.shape[1])))


def draw_fields(scene: Scene) -> RandomFields:
    """Draw everything that all tiles have in common."""
    rng = np.random.default_rng([scene.seed, 0])
    nodes = node_shape(scene)
    offset = rng.uniform(0.5, 6.0, len(scene.pairs)) * rng.choice([-1, 1], len(scene.pairs))
    baseline = np.zeros(scene.n_date)
    jumps = _BASELINE_STD * np.sqrt(1 - _BASELINE_MEMORY**2) * rng.standard_normal(scene.n_date)
    for date in range(1, scene.n_date):
        baseline[date] = _BASELINE_MEMORY * baseline[date - 1] + jumps[date]
    texture = 1 / (1 + np.exp(-1.8 * power_law(rng, nodes, _TEXTURE_EXPONENT)))
    delay = np.empty((scene.n_date, *nodes), np.float32)
    for date in range(scene.n_date):
        delay[date] = _DELAY_STD * power_law(rng, nodes, _DELAY_EXPONENT)
    delay -= delay[0].copy()
    return RandomFields(
        step=node_step(scene),
        delay=delay,
        texture=texture.astype("f4"),
        baseline=baseline.astype("f4"),
        offset=offset.astype("f4"),
        faults=draw_faults(scene),
    )


def displacement_tile(scene: Scene, fields: RandomFields, rows: slice, columns: slice) -> Floats:
    """Return the truth [m] in a part of the scene, shape (date, y, x): zero at first date and reference."""
    row, column = scene.reference_point
    point = _seen(scene, fields, slice(row, row + 1), slice(column, column + 1))
    return _seen(scene, fields, rows, columns) - point


def observe_tile(
    scene: Scene, fields: RandomFields, tile: _Tile, displacement: Floats
) -> tuple[Floats, Floats]:
    """Return phase [rad] and coherence of all pairs of a tile, shape (pair, y, x)."""
    seed = np.random.SeedSequence([scene.seed, 1, *tile.number])
    for_grain, for_phase, for_coherence, for_gaps = np.random.Generator(np.random.SFC64(seed)).spawn(4)
    stable, decay_days = _decorrelation(fields, tile, for_grain)
    noise, missing = _disturbance(scene, tile)
    date_phase = displacement * np.float32(-4 * pi / WAVELENGTH)
    if scene.dem_error_std:
        date_phase += dem_error_phase(scene, fields.faults, fields.baseline, tile.rows, tile.columns)
    shape = displacement.shape[1:]
    phase = np.empty((len(scene.pairs), *shape), np.float32)
    coherence = np.empty_like(phase)
    for pair, (i, j) in enumerate(scene.pairs):
        age = np.float32(scene.days[j] - scene.days[i])
        g = stable + (np.float32(_FRESH_COHERENCE) - stable) * np.exp(-age / decay_days)
        sigma = np.sqrt((1 - g * g) / (2 * LOOKS)) / g
        error = noise * sigma * for_phase.standard_normal(shape, np.float32)
        phase[pair] = date_phase[j] - date_phase[i] + fields.offset[pair] + error
        if fields.faults.cycle[pair]:
            phase[pair] += unwrapping_error(fields.faults, pair, tile.rows, tile.columns)
        estimate = (1 - g * g) / np.float32((2 * LOOKS) ** 0.5)
        g += noise * estimate * for_coherence.standard_normal(shape, np.float32)
        np.clip(g, 0.01, 0.999, out=coherence[pair])
        if scene.missing:
            phase[pair][for_gaps.random(shape, np.float32) < missing] = np.nan
    return phase, coherence


def _seen(scene: Scene, fields: RandomFields, rows: slice, columns: slice) -> Floats:
    """Return the displacement [m] relative to the first date only, shape (date, y, x)."""
    seen = interpolate(fields.delay, fields.step, rows, columns)
    for history, ground in zip(_histories(scene), _grounds(scene, rows, columns), strict=True):
        seen += history.astype("f4")[:, None, None] * ground.astype("f4")
    return seen


def _histories(scene: Scene) -> Iterator[NDArray[np.float64]]:
    """Yield the time history of each source: zero at the first date."""
    years = scene.days / _DAYS_PER_YEAR
    for _ in _BOWLS:
        yield years
    yield np.sin(2 * pi * years)
    age = years / years[-1] - ONSET
    yield np.where(age > 0, 1 - np.exp(-np.maximum(age, 0) / RELAXATION), 0)


def _grounds(scene: Scene, rows: slice, columns: slice) -> Iterator[NDArray[np.float64]]:
    """Yield the ground motion of each source towards the satellite."""
    incidence, heading = np.radians([INCIDENCE_DEGREES, HEADING_DEGREES])
    size = min(scene.shape[0] * PIXEL_METRES[0], scene.shape[1] * PIXEL_METRES[1])
    for centre, radius, amplitude in (*_BOWLS, _AQUIFER):
        north, east = _metres_from(scene, centre, rows, columns)
        fall = (north**2 + east**2) / (2 * (radius * size) ** 2)
        yield amplitude * np.cos(incidence) * np.exp(-fall)
    centre, depth, uplift = _VOLCANO
    north, east = _metres_from(scene, centre, rows, columns) / (depth * size)
    # Mogi: (east, north, up) is proportional to (x, y, depth) / distance^3.
    east_part = -np.sin(incidence) * np.cos(heading) * east
    north_part = np.sin(incidence) * np.sin(heading) * north
    towards = east_part + north_part + np.cos(incidence)
    yield uplift * towards / (1 + north**2 + east**2) ** 1.5


def _metres_from(
    scene: Scene, centre: tuple[float, float], rows: slice, columns: slice
) -> NDArray[np.float64]:
    """Return distances [m] north and east of a point given in fractions of the scene, shape (2, y, x)."""
    y = PIXEL_METRES[0] * (centre[0] * scene.shape[0] - np.arange(rows.start, rows.stop))
    x = PIXEL_METRES[1] * (np.arange(columns.start, columns.stop) - centre[1] * scene.shape[1])
    return np.stack(np.broadcast_arrays(y[:, None], x))


def _decorrelation(fields: RandomFields, tile: _Tile, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the long-term coherence, and the decay time [day] of the rest, shape (y, x)."""
    texture = interpolate(fields.texture, fields.step, tile.rows, tile.columns)
    texture += _GRAIN * (rng.random(texture.shape, np.float32) - np.float32(0.5))
    texture = np.clip(texture, 0, 1)
    stable = _STABLE_COHERENCE[0] + texture * (_STABLE_COHERENCE[1] - _STABLE_COHERENCE[0])
    return stable, _DECAY_DAYS[0] * (_DECAY_DAYS[1] / _DECAY_DAYS[0]) ** texture


def _disturbance(scene: Scene, tile: _Tile) -> tuple[Floats, Floats]:
    """Return the factor on the noise and the fraction of gaps at each pixel: zero at the reference point."""
    touched = np.ones((tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start), "f4")
    row = scene.reference_point[0] - tile.rows.start
    column = scene.reference_point[1] - tile.columns.start
    if 0 <= row < touched.shape[0] and 0 <= column < touched.shape[1]:
        touched[row, column] = 0
    return touched * np.float32(scene.noise), touched * np.float32(scene.missing)
