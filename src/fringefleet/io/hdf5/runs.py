"""Runs of neighbours: the requested part of each block of a dataset along one axis."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

ChunkRun = tuple[slice, slice]  # position in a block, and destination
WantedRange = Sequence[int | slice | NDArray[np.intp]]
Axis = list[tuple[int, list[ChunkRun]]]  # indices of blocks along an axis, and the requested part of each


def cut_into_runs(wanted: Any, size: int, step: int) -> tuple[Axis, int]:
    """Cut a request along an axis into runs of neighbours in one block; return also its length."""
    if isinstance(wanted, int | np.integer):
        wanted = slice(int(wanted) % size, int(wanted) % size + 1)
    if isinstance(wanted, slice) and wanted.indices(size)[2] == 1:
        start, stop, _ = wanted.indices(size)
        blocks = range(start // step, -(-stop // step)) if stop > start else ()
        ends = [(max(start, n * step), min(stop, (n + 1) * step)) for n in blocks]
        return [
            (n, [(slice(first - n * step, last - n * step), slice(first - start, last - start))])
            for n, (first, last) in zip(blocks, ends, strict=True)
        ], max(0, stop - start)
    numbers = np.arange(*wanted.indices(size)) if isinstance(wanted, slice) else np.asarray(wanted)
    axis: dict[int, list[ChunkRun]] = {}
    cuts = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(numbers // step) != 0)) + 1
    edges = [0, *cuts.tolist(), len(numbers)] if len(numbers) else []
    for first, last in pairwise(edges):
        n, begin = divmod(int(numbers[first]), step)
        inside = slice(begin, begin + last - first)
        axis.setdefault(n, []).append((inside, slice(first, last)))
    return sorted(axis.items(), key=lambda item: item[0]), len(numbers)


def count_wanted(axis: Axis, size: int, step: int) -> tuple[int, int]:
    """Count what is requested along an axis, and what the same blocks contain."""
    wanted = sum(here.stop - here.start for _, runs in axis for _, here in runs)
    return wanted, sum(min(step, size - number * step) for number, _ in axis)
