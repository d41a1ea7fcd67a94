"""A stored variable that misbehaves on the worker that reads one of its pixels, so many times."""

import errno
import mmap
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.execution.check import Checked

PIXEL = (40, 40)


class Misbehaving(BackendArray):
    """Reads another variable, and does something else first; a file counts how often it did."""

    def __init__(self, variable: xr.Variable, deed: Callable[[], None], counter: Path, times: int) -> None:
        self.variable, self.deed, self.counter, self.times = variable, deed, counter, times
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        rows, columns = (range(size)[part] for size, part in zip(self.shape[1:], key[1:], strict=True))
        if PIXEL[0] in rows and PIXEL[1] in columns and count(self.counter) < self.times:
            with self.counter.open("ab", buffering=0) as file:
                file.write(b"x")
            self.deed()
        return np.asarray(self.variable[key].values)


def misbehave(checked: Checked, deed: Callable[[], None], counter: Path, times: int = 99) -> Checked:
    """Let the phase of a run misbehave where the pixel is read."""
    stack = checked.prepared.stack
    phase = stack["unwrapped_phase"].variable
    array = indexing.LazilyIndexedArray(Misbehaving(phase, deed, counter, times))
    variable = xr.Variable(phase.dims, array, phase.attrs, phase.encoding)
    return replace(checked, prepared=replace(checked.prepared, stack=stack.assign(unwrapped_phase=variable)))


def count(counter: Path) -> int:
    return counter.stat().st_size if counter.exists() else 0


def die() -> None:
    """As the kernel's out-of-memory killer does it, or an operator."""
    os.kill(os.getpid(), signal.SIGKILL)


def hoard() -> None:
    """Take memory until somebody stops it."""
    taken = []
    for _ in range(200):
        taken.append(mmap.mmap(-1, 2**25))
        taken[-1].write(b"x" * 2**25)
        time.sleep(0.02)


def fail() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def break_gpu() -> None:
    """As CUDA says it; every later call in the process would fail as well."""
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
