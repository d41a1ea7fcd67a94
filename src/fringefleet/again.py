"""Fallback to torch for pixels of a direct block for which float32 is not accurate enough."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet import device as devices
from fringefleet.batch import Batches
from fringefleet.feed import send
from fringefleet.options import Options
from fringefleet.plan import Plan
from fringefleet.scene import FlatBlock, Scene


def solve_again(plan: Plan, scene: Scene, options: Options, pixels: FlatBlock) -> dict[str, NDArray[Any]]:
    """Invert some pixels.

    Parameters
    ----------
    plan, scene, options
        What all share.
    pixels
        Their observations.

    Returns
    -------
    dict
        Arrays (..., pixel) by the names of the result's variables.
    """
    n_pixel, device = pixels.observed.shape[1], devices.select("cpu")
    with torch.inference_mode(), devices.one_thread(device):
        batches = Batches(plan, scene, options, n_pixel, device)
        raw = send(FlatBlock._make(_own(values) for values in pixels), slice(0, n_pixel), device)
        return {name: values.numpy() for name, values in batches.invert(raw).variables.items()}


def _own(values: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if values is None else np.ascontiguousarray(values)
