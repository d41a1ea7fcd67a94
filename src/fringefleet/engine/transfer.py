"""Transfer of a block to the device and of its result back; on a CPU nothing is copied.

A device with memory of its own receives all pixels of a block in one copy per variable, asynchronously while
other blocks are solved, because the host memory is page-locked and each block has its own stream
(:func:`fringefleet.engine.device.own_stream`). On a CPU everything is a view.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.engine import device as devices
from fringefleet.engine.context import FlatBlock


class RawBatch(NamedTuple):
    """Some pixels of a :class:`FlatBlock` on the device, in the dtypes of the file."""

    observed: Tensor  # (pair, pixel)
    coherence: Tensor | None
    mask_values: Tensor | None
    water_mask: Tensor | None  # (1, pixel)
    range_sine: Tensor | None  # (1, pixel)
    observed_std: Tensor | None


def send(block: FlatBlock, pixels: slice, device: torch.device) -> RawBatch:
    """Copy pixels of a block to the device, and wait until they are there.

    Parameters
    ----------
    block
        Observations, on the host.
    pixels
        Pixels to copy; all of them are contiguous memory for each variable, which is fastest.
    device
        Device to copy to.
    """
    views = (None if values is None else torch.from_numpy(values[:, pixels]) for values in block)
    if not devices.has_own_memory(device):
        return RawBatch._make(views)
    there = RawBatch._make(None if values is None else _copy(values, device) for values in views)
    devices.synchronize(device)
    return there


def part_of(raw: RawBatch, pixels: slice) -> RawBatch:
    """View some of the pixels on the device."""
    return RawBatch._make(None if values is None else values[:, pixels] for values in raw)


def room_for(
    kinds: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
    answer: Mapping[str, NDArray[Any]],
    pixels: slice,
    device: torch.device,
) -> dict[str, Tensor]:
    """Allocate memory on the device for the results of some pixels; on a CPU it is that of the host.

    Parameters
    ----------
    kinds
        Lengths of the axes before the pixels, and dtype, by name.
    answer
        Memory on the host, (..., pixel); not used for a device with memory of its own.
    pixels
        Pixels to allocate for.
    device
        Device to allocate on.
    """
    if not devices.has_own_memory(device):
        return {name: _tensor(values[..., pixels]) for name, values in answer.items()}
    n_pixel = pixels.stop - pixels.start
    return {
        name: torch.empty((*shape, n_pixel), dtype=_tensor(np.empty(0, dtype)).dtype, device=device)
        for name, (shape, dtype) in kinds.items()
    }


def bring_back(
    there: Mapping[str, Tensor], answer: Mapping[str, NDArray[Any]], pixels: slice, device: torch.device
) -> None:
    """Copy results from a device with memory of its own to the host, and wait for them."""
    for name, values in there.items():
        _tensor(answer[name][..., pixels]).copy_(values, non_blocking=True)
    devices.synchronize(device)


def _copy(values: Tensor, device: torch.device) -> Tensor:
    return torch.empty(values.shape, dtype=values.dtype, device=device).copy_(values, non_blocking=True)


def _tensor(values: NDArray[Any]) -> Tensor:
    """View values as a tensor; uint32, which torch hardly supports, as int32."""
    return torch.from_numpy(values.view(np.int32) if values.dtype == np.uint32 else values)
