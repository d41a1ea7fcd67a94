"""Result of the elimination of a batch, whatever its implementation: edges, inverses, components."""

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.observations import Observations


class Eliminated:
    """Buffers for batches of one shape, dtype and device; the large ones are allocated at first use.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    n_pixel
        Number of pixels per batch.
    dtype, device
        Dtype and device of the values.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        self.plan, self.n_pixel, self.dtype, self.device = plan, n_pixel, dtype, device
        self.observations = Observations(plan, n_pixel, dtype, device)
        self.order = torch.tensor(plan.order, device=device)
        self._smaller: dict[tuple[int, torch.dtype], Any] = {}

    @cached_property
    def edge(self) -> Float[Tensor, "slot pixel"]:
        """Weights of edges, or factors f."""
        return self.buffer(self.plan.n_slot)

    @cached_property
    def inverse(self) -> Float[Tensor, "position pixel"]:
        """1 / d, or 0."""
        return self.buffer(self.plan.network.n_date)

    def buffer(self, n_row: int, dtype: torch.dtype | None = None) -> Tensor:
        """Allocate rows of one value per pixel."""
        return torch.zeros((n_row, self.n_pixel), dtype=dtype or self.dtype, device=self.device)

    def smaller(self, n_pixel: int, dtype: torch.dtype | None = None) -> Any:  # of its own kind
        """Return a workspace for some pixels of a batch, the same one each time."""
        key = n_pixel, dtype or self.dtype
        if key not in self._smaller:
            self._smaller[key] = type(self)(self.plan, *key, self.device)
        return self._smaller[key]


def label_eliminated(work: Eliminated, pixels: Int[Tensor, "chosen"]) -> Int[Tensor, "date chosen"]:
    """Number the connected components of some pixels from 0, that of the root; (date, pixel)."""
    grounded = work.inverse[:, pixels] == 0
    grounded[-1] = True
    number = torch.where(grounded, grounded.flip(0).cumsum(0).flip(0) - 1, -1)
    for place in range(len(work.plan.turns) - 1, -1, -1):
        turn = work.plan.turns[place]
        for run in turn.neighbours:  # all neighbours are in one component
            tied = work.edge[turn.slots][run.here][:, pixels] > 0
            part = torch.where(tied, number[run.there], -1).amax(0)
            number[place] = torch.maximum(number[place], part)  # a grounded date has no neighbours
    labels = torch.empty_like(number)
    labels[work.order] = number
    return labels
