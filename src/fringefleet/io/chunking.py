"""Tile size in y and x for a stack: of about a given number of bytes, aligned with the stored chunks."""

import math

from fringefleet.arguments.shapes import Shape

_DEFAULT_STEP = 32  # [pixel] where the file suggests nothing


def fit_tile(shape: Shape, stored: Shape | None, n_pixel: float) -> Shape:
    """Choose a nearly square tile, of whole stored chunks where these are small enough.

    Where the chunks are strips as wide as the scene, as in most GeoTIFFs, the tile is as wide, too: a
    narrower one would decode each strip once for every tile that it crosses.

    Parameters
    ----------
    shape
        Rows and columns of the scene.
    stored
        Rows and columns of a stored chunk; None where the file is not chunked.
    n_pixel
        Maximum number of pixels of the tile; it has at least one.

    Examples
    --------
    >>> fit_tile((1000, 2000), (19, 38), 256 * 256)
    (285, 228)
    >>> fit_tile((60, 100), (60, 100), 1e6)
    (60, 100)
    >>> fit_tile((2000, 3000), (2, 3000), 256 * 256)
    (20, 3000)
    """
    steps = stored or (_DEFAULT_STEP, _DEFAULT_STEP)
    if stored and stored[1] >= shape[1] and n_pixel >= stored[0] * shape[1]:
        return _fit(n_pixel / shape[1], shape[0], stored[0]), shape[1]
    rows = _fit(math.sqrt(n_pixel), shape[0], steps[0])
    columns = _fit(n_pixel / rows, shape[1], steps[1])
    return _fit(n_pixel / columns, shape[0], steps[0]), columns


def _fit(wanted: float, size: int, step: int) -> int:
    """Round down to whole steps, at least one, and at most the size of the scene."""
    length = max(1, math.floor(wanted))
    if length >= size:
        return size
    return length if length < step else length // step * step
