"""Common pixels of images on one lattice whose extents differ, cut lazily."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.declared import check_block, check_declared_bytes, check_declared_scene
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.pair_images import Layer, PartImage
from fringefleet.network.network import shorten

logger = logging.getLogger(__name__)

_BYTES_OF_A_PIXEL = 4
_MOST_NAMES = 5
_ALMOST_ALL = 0.9  # of the largest image: no single one is named that costs less


def cut_to_common(layers: Sequence[Layer]) -> list[Layer]:
    """Cut images to their common pixels, without reading them; the cut is logged in one line.

    Parameters
    ----------
    layers
        Images of all pairs and variables. Those without georeference must have one shape.

    Returns
    -------
    list of Layer
        Images in the same order, all with the same grid.

    Raises
    ------
    StackFormatError
        An image is on another lattice, or no pixel is in all images; the message names the image.
    """
    for layer in layers:
        stored = sum(version.size for version in layer.image.versions)
        check_declared_scene(layer.grid.shape)
        check_block(layer.name, layer.block or (), _BYTES_OF_A_PIXEL)
        check_declared_bytes(layer.name, layer.grid.shape, _BYTES_OF_A_PIXEL, stored)
    usual = Counter(layer.grid for layer in layers).most_common(1)[0][0]
    shifts = {grid: _shift(grid, usual) for grid in {layer.grid for layer in layers}}
    _check_lattice(layers, usual, [grid for grid, shift in shifts.items() if shift is None])
    known = {grid: shift for grid, shift in shifts.items() if shift is not None}
    common, start = _common(layers, usual, known)
    if common != usual or any(grid.shape != usual.shape for grid in known):
        _log_cut(layers, common)
    return [_cut(layer, common, start, known[layer.grid]) for layer in layers]


def _shift(grid: Grid, usual: Grid) -> tuple[int, int] | None:
    return (0, 0) if grid.agrees_with(usual) else grid.shift_from(usual)


def _check_lattice(layers: Sequence[Layer], usual: Grid, unlike: Sequence[Grid]) -> None:
    odd = [layer for layer in layers if layer.grid in unlike]
    if odd:
        others = f" ({len(odd)} images differ: {shorten([layer.name for layer in odd], at_most=_MOST_NAMES)})"
        raise StackFormatError(
            f"the pixels of {odd[0].name} are {odd[0].grid}, those of most others {usual}"
            f"{others if len(odd) > 1 else ''}. All images must be on the same lattice, with any extents: "
            "resample them to one grid (gdalwarp with -tr and -tap), or omit the deviating ones."
        )


def _common(
    layers: Sequence[Layer], usual: Grid, shifts: dict[Grid, tuple[int, int]]
) -> tuple[Grid, tuple[int, int]]:
    """Find the pixels in all grids, and their first row and column in the usual grid."""
    first, last = [], []
    for axis in (0, 1):
        first.append(max(shift[axis] for shift in shifts.values()))
        last.append(min(shift[axis] + grid.shape[axis] for grid, shift in shifts.items()))
    shape = last[0] - first[0], last[1] - first[1]
    if min(shape) < 1:
        ends = [
            min(layers, key=lambda layer: shifts[layer.grid][axis] + layer.grid.shape[axis])
            for axis in (0, 1)
        ]
        starts = [max(layers, key=lambda layer: shifts[layer.grid][axis]) for axis in (0, 1)]
        axis = 0 if shape[0] < 1 else 1
        raise StackFormatError(
            f"no pixel is in all images: {ends[axis].name} ({ends[axis].grid}) and {starts[axis].name} "
            f"({starts[axis].grid}) do not overlap. Omit one of them."
        )
    start = first[0], first[1]
    return (usual if start == (0, 0) and shape == usual.shape else usual.part(start, shape)), start


def _log_cut(layers: Sequence[Layer], common: Grid) -> None:
    smallest = min(layers, key=lambda layer: layer.grid.shape[0] * layer.grid.shape[1])
    largest = max(layers, key=lambda layer: layer.grid.shape[0] * layer.grid.shape[1])
    is_much_cut = math.prod(common.shape) < _ALMOST_ALL * math.prod(largest.grid.shape)
    logger.info(
        "the images have different extents on one grid: using the %d x %d common pixels (the smallest has "
        "%d x %d%s, the largest %d x %d)",
        *common.shape,
        *smallest.grid.shape,
        f": {smallest.name}" if is_much_cut else "",
        *largest.grid.shape,
    )


def _cut(layer: Layer, common: Grid, start: tuple[int, int], shift: tuple[int, int]) -> Layer:
    offset = start[0] - shift[0], start[1] - shift[1]
    image = layer.image if offset == (0, 0) else PartImage(layer.image, offset)
    return replace(layer, image=image, grid=common)
