r"""Shared factor for unweighted complete pixels: their series is one matrix product.

Where every pair is valid and has the same weight, the series depends on the phases by the same pseudo-inverse
at every pixel, :math:`x = (A^T A)^{-1} A^T y`. It is computed once, in float64, by the elimination itself; a
product for all pixels of a batch then replaces factorisation and substitution, with one refinement as always.
Pixels that lack a pair are eliminated as usual, together.

A product costs dates times pairs, an elimination the number of its edges. For sequential networks that is no
more than the product; it pays where the elimination fills in: annual pairs, all pairs.

MintPy does the same for all pixels without missing data (``ifgram_inversion.run_ifgram_inversion_patch``
with ``weightFunc = no``).
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.star_mesh import (
    Workspace,
    exact_right_hand_side,
    factorise,
    substitute,
    subtract_model,
)

WORTH = 5  # multiplications of a product in the time of one of an elimination
REST = 8  # fraction of a batch that incomplete pixels are processed in


class SharedFactor(NamedTuple):
    """Matrices shared by all complete pixels, in the rows and positions of the plan."""

    inverse_design: Float[Tensor, "date pair"]  # phases to series
    inverse_normal: Float[Tensor, "date date"]  # right-hand side to series
    edge: Float[Tensor, "slot 1"]
    inverse: Float[Tensor, "date 1"]


def find_complete(work: Workspace) -> Tensor | None:
    """Find the pixels of unweighted observations that lack no pair; None if a product would not be faster.

    Parameters
    ----------
    work
        Workspace with observations of weight 1, or 0 where they are missing.
    """
    n_pair, n_pixel = work.weight.shape
    if not is_faster(work.plan):
        return None
    complete = work.weight.sum(0) == n_pair
    return complete if 2 * int(complete.sum()) >= n_pixel else None


@lru_cache(maxsize=16)
def is_faster(plan: EliminationPlan) -> bool:
    """Return whether a product costs less than an elimination."""
    network = plan.network
    n_mesh = sum(int((turn.mesh[:, 2] - turn.mesh[:, 1]).sum()) for turn in plan.turns)
    eliminated = 11 * plan.n_slot + 9 * network.n_pair + 2 * n_mesh  # counted in the loops of star_mesh
    return network.n_date * network.n_pair < WORTH * eliminated


def estimate_complete(work: Workspace) -> None:
    """Compute the series of all pixels as if they were complete, in the form that the elimination leaves."""
    shared = _share(work.plan, work.phase.dtype, work.phase.device)
    torch.mm(shared.inverse_design, work.residual, out=work.right)
    work.phase.copy_(work.right)
    subtract_model(work)
    exact_right_hand_side(work)  # as in the elimination: the sum of large misfits is small
    work.right.copy_(torch.mm(shared.inverse_normal, work.right))
    work.phase.add_(work.right)
    subtract_model(work)
    work.edge.copy_(shared.edge.expand_as(work.edge))
    work.inverse.copy_(shared.inverse.expand_as(work.inverse))


@lru_cache(maxsize=4)
def _share(plan: EliminationPlan, dtype: torch.dtype, device: torch.device) -> SharedFactor:
    """Eliminate once, with one pixel for each pair, in which that pair alone has a phase, of 1."""
    n_pair = plan.network.n_pair
    work = Workspace(plan, n_pair, torch.float64, device)
    work.weight.fill_(1)
    work.residual.copy_(torch.eye(n_pair, dtype=torch.float64, device=device))
    factorise(work)
    exact_right_hand_side(work)
    substitute(work)
    normal = work.right @ work.right.T  # (A N^-1)^T (A N^-1), of unweighted pairs
    found = SharedFactor(work.right, normal, work.edge[:, :1], work.inverse[:, :1])
    return SharedFactor(*(values.to(dtype, copy=True) for values in found))
