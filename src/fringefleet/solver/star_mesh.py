r"""Weighted least squares on a network by star-mesh elimination, a batch of pixels at a time.

Per pixel, minimise :math:`\sum_k w_k (y_k - (\phi_j - \phi_i))^2` over the phases of the dates. The normal
matrix is a weighted graph Laplacian. For each date ``v`` in the order of the plan, with ``e`` the weights
of its edges to later dates,

.. math:: d = \sum_a e_a, \qquad f_a = e_a / d, \qquad E_{ab} \mathrel{+}= f_a e_b

for every two of its neighbours. This *is* the Cholesky factorisation of the Laplacian, but nothing is
ever subtracted: sums and products of non-negative numbers keep full relative accuracy in each factor
entry, whatever the spread of the weights. (A plain float32 Cholesky of the same matrix loses everything
to cancellation on the diagonal. Do not simplify this into one.) One refinement - solving again for the
residual, with the same factor - makes the float32 series as accurate as its input.

Rank is a property of the graph: ``d`` is a sum of non-negative numbers and exactly zero if and only if ``v``
is the last date of its connected component. That component is grounded there (its phase is zero for now), and
:mod:`fringefleet.solver.disconnected` connects the components.

Arrays are (edge | pair | date, pixel) with pixels contiguous, as the data are stored on disk. All buffers and
all views of them are made once per batch shape (:class:`Workspace`): the loop over dates allocates
nothing and, where neighbours are consecutive, processes them in one operation.

References
----------
Tinney & Walker (1967), doi:10.1109/PROC.1967.6011 (ordered elimination of network equations).
Replaces MintPy's ``ifgram_inversion.estimate_timeseries`` (dense least squares per pixel).
"""

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan, EliminationStep
from fringefleet.solver.eliminated import Eliminated


class _Step(NamedTuple):
    """Views into the workspace for the elimination of one date.

    A run is a tuple of views of the same height: rows of ``right`` and the corresponding rows of others.
    """

    edge: Tensor  # (slot, pixel): weights of its edges; after its elimination the factors f
    edge_scratch: Tensor
    weight_to_edge: tuple[tuple[Tensor, Tensor], ...]
    mesh: tuple[tuple[Tensor, Tensor, Tensor], ...]  # edges to add to, factor, edges times factor
    inverse: Tensor  # (pixel,): 1 / d, or 0
    right: Tensor  # (pixel,): right-hand side, then solution, of this date
    right_of_neighbours: tuple[tuple[Tensor, Tensor, Tensor], ...]  # right, factor, edge scratch
    weight: Tensor  # (pair row, pixel) of its pairs with later dates
    residual: Tensor  # likewise: phase, then residual
    pair_scratch: Tensor
    right_of_partners: tuple[tuple[Tensor, Tensor, Tensor], ...]  # right, pair scratch, residual
    exact_scratch: Tensor  # (pair row, pixel), float64
    exact: Tensor  # (pixel,), float64: right-hand side of this date
    exact_of_partners: tuple[tuple[Tensor, Tensor], ...]  # right-hand side, exact scratch


class Workspace(Eliminated):
    """Buffers, and views of them, for batches of one shape, dtype and device.

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
        super().__init__(plan, n_pixel, dtype, device)
        n_date = plan.network.n_date
        self.weight, self.residual = self.observations.weight, self.observations.residual
        self.right, self.phase = self.buffer(n_date), self.buffer(n_date)
        self.exact = self.buffer(n_date, torch.float64)
        self.position = self.order.argsort()

    @cached_property
    def steps(self) -> list[_Step]:
        """Views for the elimination of each date."""
        n_pixel = self.weight.shape[1]
        scratch = self.weight.new_zeros((self.plan.n_neighbour, n_pixel))
        exact_scratch = torch.zeros_like(scratch, dtype=torch.float64)
        return [self._step(*turn, scratch, exact_scratch) for turn in enumerate(self.plan.turns)]

    def take(self, part: "Workspace", pixels: Int[Tensor, "chosen"]) -> None:
        """Copy the solution of some pixels from the start of a smaller workspace."""
        for mine, theirs in zip(self.contents(), part.contents(), strict=True):
            mine[:, pixels] = theirs[:, : len(pixels)]

    def contents(self) -> tuple[Tensor, ...]:
        """Return the arrays of a solution: weights, residual, factor, series and its last correction."""
        return self.weight, self.residual, self.edge, self.inverse, self.phase, self.right

    def _step(self, place: int, turn: EliminationStep, scratch: Tensor, exact_scratch: Tensor) -> _Step:
        edge, weight = self.edge[turn.slots], self.weight[turn.rows]
        rows = edge.unbind(0)
        residual = self.residual[turn.rows]
        edge_scratch, pair_scratch = scratch[: len(edge)], scratch[: len(weight)]
        exact_scratch = exact_scratch[: len(weight)]
        return _Step(
            edge=edge,
            edge_scratch=edge_scratch,
            weight_to_edge=tuple((self.edge[run.there], weight[run.here]) for run in turn.pair_slots),
            mesh=tuple(
                (
                    self.edge.narrow(0, slot, stop - start),
                    rows[one],
                    edge_scratch.narrow(0, start, stop - start),
                )
                for one, start, stop, slot in turn.mesh.tolist()
            ),
            inverse=self.inverse[place],
            right=self.right[place],
            right_of_neighbours=tuple(
                (self.right[run.there], edge[run.here], edge_scratch[run.here]) for run in turn.neighbours
            ),
            weight=weight,
            residual=residual,
            pair_scratch=pair_scratch,
            right_of_partners=tuple(
                (self.right[run.there], pair_scratch[run.here], residual[run.here]) for run in turn.partners
            ),
            exact_scratch=exact_scratch,
            exact=self.exact[place],
            exact_of_partners=tuple(
                (self.exact[run.there], exact_scratch[run.here]) for run in turn.partners
            ),
        )


def factorise(work: Workspace) -> None:
    """Eliminate date by date."""
    if work.plan.n_fill:
        work.edge.zero_()
        for step in work.steps:
            for edge, weight in step.weight_to_edge:
                edge.copy_(weight)
    else:
        work.edge.copy_(work.weight)
    for step in work.steps:
        torch.sum(step.edge, 0, out=step.inverse)
        torch.nan_to_num(step.inverse.reciprocal_(), posinf=0.0, out=step.inverse)
        step.edge_scratch.copy_(step.edge)
        step.edge.mul_(step.inverse)
        for edges, factor, others in step.mesh:
            edges.addcmul_(factor, others)


def right_hand_side(work: Workspace) -> None:
    """Sum weight times residual at every date."""
    work.right.zero_()
    for step in work.steps:
        torch.mul(step.weight, step.residual, out=step.pair_scratch)
        step.right.add_(step.pair_scratch.sum(0))
        for right, scratch, _ in step.right_of_partners:
            right.sub_(scratch)


def exact_right_hand_side(work: Workspace) -> None:
    """Sum weight times residual at every date, in float64.

    At the solution these sums vanish although their terms do not. In float32 the sum would be the rounding
    error of the heaviest pair, and the lightest pair would follow it: this is the one sum where double
    precision matters.
    """
    work.exact.zero_()
    for step in work.steps:
        torch.mul(step.weight, step.residual, out=step.pair_scratch)
        step.exact_scratch.copy_(step.pair_scratch)
        step.exact.add_(step.exact_scratch.sum(0))
        for exact, scratch in step.exact_of_partners:
            exact.sub_(scratch)
    work.right.copy_(work.exact)


def substitute(work: Workspace) -> None:
    """Solve for the right-hand side in place, with the factor: forward, then backward."""
    for step in work.steps:
        for right, factor, _ in step.right_of_neighbours:
            right.addcmul_(factor, step.right)
    work.right[-1].zero_()
    for step in reversed(work.steps):
        step.right.mul_(step.inverse)
        for right, factor, scratch in step.right_of_neighbours:
            torch.mul(right, factor, out=scratch)
        step.right.add_(step.edge_scratch.sum(0))


def subtract_model(work: Workspace) -> None:
    """Subtract the phase differences of the series in ``right`` from the residual."""
    for step in work.steps:
        for right, scratch, residual in step.right_of_partners:
            torch.sub(right, step.right, out=scratch)
            residual.add_(scratch)
