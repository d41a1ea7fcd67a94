"""Extents: parts of a plain block that are contiguous in the file, with the destinations of their pieces."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from fringefleet.io.hdf5.layout import Layout
from fringefleet.io.hdf5.runs import ChunkRun

MOST_UNWANTED = 0.2  # fraction of the requested bytes: read in addition, to make fewer extents
AT_ONCE = 4 * 1024**2  # [byte] that one thread reads before another has its turn


class Extent(NamedTuple):
    """Contiguous part of the file, and the destinations of its pieces."""

    offset: int
    n_byte: int
    shape: tuple[int, ...]  # of its content, unpacked
    pieces: list[tuple[tuple[slice, ...], tuple[slice, ...]]]


def find_extents(layout: Layout, offset: int, runs: list[list[ChunkRun]]) -> Iterator[Extent]:
    """Cut the requested part of a plain block into extents that are contiguous in the file."""
    steps = np.cumprod([layout.dtype.itemsize, *layout.block[:0:-1]])[::-1].tolist()  # [byte] along each axis
    last = [(min(run[0].start for run in runs[-1]), max(run[0].stop for run in runs[-1]))]
    for outer in product(*runs[:-1]):
        spans = [(inside.start, inside.stop) for inside, _ in outer] + last
        spans, axis = _widened(spans, layout.block)
        axis = _bounded(spans, axis, steps)
        for index in product(*(range(*span) for span in spans[:axis])):
            begins = [*index, *(start for start, _ in spans[axis:])]
            shape = tuple(1 for _ in index) + tuple(stop - start for start, stop in spans[axis:])
            n_byte = math.prod(shape) * layout.dtype.itemsize
            place = offset + sum(i * step for i, step in zip(begins, steps, strict=True))
            yield Extent(place, n_byte, shape, list(_pieces(outer, runs[-1], begins, shape)))


def _widened(spans: list[tuple[int, int]], block: tuple[int, ...]) -> tuple[list[tuple[int, int]], int]:
    """Extend to whole rows where that adds little; return also the first contiguous axis."""
    spans, budget, axis = list(spans), 1 + MOST_UNWANTED, len(spans) - 1
    while axis > 0:
        length = spans[axis][1] - spans[axis][0]
        if length * budget < block[axis]:
            break
        budget *= length / block[axis]
        spans[axis] = (0, block[axis])
        axis -= 1
    return spans, axis


def _bounded(spans: list[tuple[int, int]], axis: int, steps: list[int]) -> int:
    """Cut along one more axis where an extent would be larger than a thread reads at once."""
    while axis < len(spans) - 1 and (spans[axis][1] - spans[axis][0]) * steps[axis] > AT_ONCE:
        axis += 1
    return axis


def _pieces(
    outer: Sequence[ChunkRun], last: list[ChunkRun], begins: list[int], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield the position of each requested piece in an extent, and its destination."""
    for run in last:
        inside, outside = [], []
        for (there, here), begin, length in zip((*outer, run), begins, shape, strict=True):
            first, stop = max(there.start, begin), min(there.stop, begin + length)
            inside.append(slice(first - begin, stop - begin))
            outside.append(slice(here.start + first - there.start, here.start + stop - there.start))
        yield tuple(inside), tuple(outside)
