"""Random fields on a coarse grid, and their values at the pixels, identical in every tile."""

import numpy as np
from numpy.typing import NDArray

from fringefleet.simulate.config import Scene

Floats = NDArray[np.float32]

_N_NODE = 128  # of the coarse grid, along the longer side of the scene


def node_step(scene: Scene) -> int:
    """Return the number of pixels from one node to the next."""
    return -(-max(scene.shape) // _N_NODE)


def node_shape(scene: Scene) -> tuple[int, ...]:
    """Return the number of nodes along rows and columns; they extend one step beyond the scene."""
    return tuple((length - 1) // node_step(scene) + 4 for length in scene.shape)


def power_law(rng: np.random.Generator, shape: tuple[int, ...], exponent: float) -> NDArray[np.float64]:
    """Draw a field of mean 0 and variance 1: a quarter of a larger one, which is periodic."""
    large = tuple(2 * length for length in shape)
    wavenumber = np.hypot(np.fft.fftfreq(large[0])[:, None], np.fft.rfftfreq(large[1]))
    wavenumber[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal(large)) * wavenumber ** (-exponent / 2)
    field: NDArray[np.float64] = np.fft.irfft2(spectrum, s=large)[: shape[0], : shape[1]]
    field -= field.mean()
    field /= field.std()
    return field


def interpolate(nodes: Floats, step: int, rows: slice, columns: slice) -> Floats:
    """Interpolate values at the pixels from nodes on the last two axes, by Catmull-Rom splines.

    Sums of four terms instead of a matrix product: even the last digit is identical in every tile.
    """
    index, weights = _catmull_rom(step, rows)
    partial = sum(np.take(nodes, index + k, -2) * w[:, None] for k, w in enumerate(weights))
    index, weights = _catmull_rom(step, columns)
    return np.asarray(sum(np.take(partial, index + k, -1) * w for k, w in enumerate(weights)))


def _catmull_rom(step: int, pixels: slice) -> tuple[NDArray[np.int64], Floats]:
    """Return the first of the four nodes that each pixel needs, and their weights, shape (4, pixel)."""
    index, within = np.divmod(np.arange(pixels.start, pixels.stop), step)
    t = within / step
    weights = np.stack(
        [
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ]
    )
    return index, weights.astype("f4")
