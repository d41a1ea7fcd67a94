"""Extents: parts of a plain block that are each in one piece in the file, and what of them belongs where."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from fringefleet.io.hdf5.layout import Layout
from fringefleet.io.hdf5.runs import ChunkRun

MOST_UNWANTED = 0.2  # of what is wanted: read with it where that saves to read it in pieces
AT_ONCE = 4 * 1024**2  # [byte] that one thread reads before another has its turn


class Extent(NamedTuple):
    """A part of the file, and what of it belongs where."""

    offset: int
    n_byte: int
    shape: tuple[int, ...]  # of what is there, unpacked
    pieces: list[tuple[tuple[slice, ...], tuple[slice, ...]]]


def find_extents(layout: Layout, offset: int, runs: list[list[ChunkRun]]) -> Iterator[Extent]:
    """Cut what is wanted of a plain block into parts that are each in one piece in the file."""
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
    """Take whole rows where little more than them is wanted; also the first axis that is in one piece."""
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
    """Cut along one axis more where a part would be more than a thread reads at once."""
    while axis < len(spans) - 1 and (spans[axis][1] - spans[axis][0]) * steps[axis] > AT_ONCE:
        axis += 1
    return axis


def _pieces(
    outer: Sequence[ChunkRun], last: list[ChunkRun], begins: list[int], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Say where in a part of a block is what is wanted, and where it belongs."""
    for run in last:
        inside, outside = [], []
        for (there, here), begin, length in zip((*outer, run), begins, shape, strict=True):
            first, stop = max(there.start, begin), min(there.stop, begin + length)
            inside.append(slice(first - begin, stop - begin))
            outside.append(slice(here.start + first - there.start, here.start + stop - there.start))
        yield tuple(inside), tuple(outside)
