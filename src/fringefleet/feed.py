"""The batches of a block on their way to the device: while one is solved, the next one travels.

On a GPU each batch goes through page-locked memory, from which a stream of its own copies it. There are two
sets of buffers, of one shape for all batches, so that nothing is allocated on the way. On a CPU a batch is
a view of the block.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fringefleet.scene import FlatBlock
from fringefleet.stopwatch import Stopwatch


class RawBatch(NamedTuple):
    """Some pixels of a :class:`FlatBlock` on the device, in the dtypes of the file."""

    observed: Tensor  # (pair, pixel)
    coherence: Tensor | None
    mask_values: Tensor | None
    water_mask: Tensor | None  # (1, pixel)
    range_sine: Tensor | None  # (1, pixel)
    observed_std: Tensor | None


def feed(
    block: FlatBlock, pieces: Sequence[slice], device: torch.device, watch: Stopwatch
) -> Iterator[RawBatch]:
    """Bring batch after batch of a block to the device.

    Parameters
    ----------
    block
        Observations, on the host.
    pieces
        The pixels of each batch; all of one length.
    device
        Where they are wanted.
    watch
        Told how long the copies take, as far as somebody waits for them.

    Yields
    ------
    RawBatch
        Holds until the next one is asked for.
    """
    if device.type == "cpu":
        for pixels in pieces:
            yield _views(block, pixels)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    n_pixel = pieces[0].stop - pieces[0].start
    slots = [_Slot(block, n_pixel, device), _Slot(block, n_pixel, device)]
    with watch.time("copy"):
        slots[0].send(_views(block, pieces[0]), stream)
    for number, slot in enumerate(slots[k % 2] for k in range(len(pieces))):
        with watch.time("copy"):
            if number + 1 < len(pieces):
                slots[(number + 1) % 2].send(_views(block, pieces[number + 1]), stream)
            raw = slot.receive()
        yield raw
        slot.solved.record()


def _views(block: FlatBlock, pixels: slice) -> RawBatch:
    return RawBatch._make(None if values is None else torch.from_numpy(values[:, pixels]) for values in block)


class _Slot:
    """Room for one batch: page-locked on the host, and on the device."""

    def __init__(self, block: FlatBlock, n_pixel: int, device: torch.device) -> None:
        like = _views(block, slice(0, n_pixel))
        self.host = [
            None if values is None else torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            for values in like
        ]
        self.there = [None if values is None else torch.empty_like(values, device=device) for values in like]
        self.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.solved = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def send(self, batch: RawBatch, stream: torch.cuda.Stream) -> None:
        """Start the copy of a batch, once the batch before it in this slot has been solved."""
        self.copied.synchronize()  # else the host's memory may still be on its way
        with torch.cuda.stream(stream):
            stream.wait_event(self.solved)
            for values, host, there in zip(batch, self.host, self.there, strict=True):
                if values is not None and host is not None and there is not None:
                    host.copy_(values)
                    there.copy_(host, non_blocking=True)
            self.copied.record()

    def receive(self) -> RawBatch:
        """Wait for the copy, which went on while the batch before this one was solved."""
        self.copied.synchronize()  # on the host, so that waiting does not count as solving
        return RawBatch._make(self.there)
