"""Pixels of a direct block that torch solves or propagates: float32 does not do, or they lack dates."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet.engine import device as devices
from fringefleet.engine.batch_solver import BatchSolver
from fringefleet.engine.context import FlatBlock, InversionContext
from fringefleet.engine.transfer import send
from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.solver.time_factor import propagate_factor
from fringefleet.solver.uncertainty import Factor


class TorchFallback:
    """Batches of a given number of pixels, on the CPU.

    Parameters
    ----------
    plan, scene, options
        Plan, context and options shared by all pixels.
    n_pixel
        Number of pixels per batch.
    """

    def __init__(
        self, plan: EliminationPlan, scene: InversionContext, options: Options, n_pixel: int
    ) -> None:
        self.device, self.pixels = devices.select("cpu"), slice(0, n_pixel)
        with torch.inference_mode():
            self.batches = BatchSolver(plan, scene, options, n_pixel, self.device)

    def solve(self, pixels: FlatBlock) -> dict[str, NDArray[Any]]:
        """Invert pixels; return arrays (..., pixel) by name of the result's variable."""
        with torch.inference_mode(), devices.one_thread(self.device):
            raw = send(FlatBlock._make(map(_in_one_piece, pixels)), self.pixels, self.device)
            return {name: values.numpy() for name, values in self.batches.invert(raw).variables.items()}


def propagate_in_torch(
    plan: EliminationPlan,
    edges: NDArray[Any],
    inverses: NDArray[Any],
    unit_variance: NDArray[np.float64],
    operator: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Propagate as :func:`~fringefleet.solver.time_factor.propagate_factor`, from arrays of NumPy to one.

    ``edges``, ``inverses``: the factor of the pixels. ``operator``: that of each, (parameter, date, pixel).
    """
    with torch.inference_mode(), devices.one_thread(devices.select("cpu")):
        factor = Factor(plan, torch.from_numpy(edges), torch.from_numpy(inverses))
        unit = torch.from_numpy(unit_variance)
        return propagate_factor(factor, unit, slice(None), operator).numpy()


def _in_one_piece(values: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if values is None else np.ascontiguousarray(values)
