"""Division of the pixels that need more memory than the rest of a batch into pieces of bounded size."""

import torch
from torch import Tensor

from fringefleet.solver.working_set import BYTES_AT_ONCE


def pieces(pixels: Tensor, bytes_per_pixel: int) -> tuple[Tensor, ...]:
    """Cut a list of pixels into pieces that take at most ``BYTES_AT_ONCE`` each; none if it is empty."""
    if len(pixels) == 0:
        return ()
    return torch.split(pixels, max(1, BYTES_AT_ONCE // bytes_per_pixel))


def pad(pixels: Tensor, size: int) -> Tensor:
    """Extend a list of pixels, not empty, to a workspace's size by repetition."""
    return pixels[torch.arange(size, device=pixels.device) % len(pixels)]
