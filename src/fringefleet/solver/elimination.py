"""Inversion of batches of pixels by star-mesh elimination: factorise, solve, refine, measure.

The algorithm is in :mod:`fringefleet.solver.star_mesh`, the steps of a batch are here. One refinement in
float32 is enough for all but a few pixels, whose weights spread over many decades. These are detected, and
solved again in float64.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.solver import irls, shared_factor
from fringefleet.solver.config import Method
from fringefleet.solver.eliminated import Eliminated, label_eliminated
from fringefleet.solver.limits import LARGEST_CHANGE, LARGEST_SPREAD
from fringefleet.solver.solution import Solution, finish_solution, measure, put
from fringefleet.solver.star_mesh import (
    Workspace,
    exact_right_hand_side,
    factorise,
    right_hand_side,
    substitute,
    subtract_model,
)
from fringefleet.solver.subsets import pad
from fringefleet.solver.working_set import BYTES_AT_ONCE

__all__ = ["Workspace", "solve"]

_FEW = 64  # pixels; the smallest batch in which pixels are solved again


def solve(
    workspace: Workspace,
    phase: Float[Tensor, "pair pixel"],
    weight: Float[Tensor, "pair pixel"],
    *,
    method: Method = Method(),  # noqa: B008 - frozen
) -> Solution:
    r"""Invert a batch of pixels.

    Parameters
    ----------
    workspace
        Buffers for this network and batch shape. Its contents are overwritten.
    phase
        Unwrapped phase ``y`` of each pair [rad], in the order of the network. NaN or infinite where
        missing.
    weight
        ``w = 1 / variance`` [rad^-2], not its square root. Zero, negative, NaN or infinite: missing.
    method
        Method, and the outputs besides the series.

    Returns
    -------
    Solution
        A new set of tensors.
    """
    work = workspace
    work.observations.load(phase, weight)
    complete = shared_factor.find_complete(work) if method.unweighted else None
    if complete is None:
        estimate(work)
    else:
        _estimate_apart(work, complete)
    unsettled = _unsettled_pixels(work)
    solution = _finish(work, method)
    if len(unsettled):
        solve_again(solve, solution, work, unsettled, partial(some, phase, weight), method)
    return solution


def some(
    phase: Float[Tensor, "pair pixel"], weight: Float[Tensor, "pair pixel"], pixels: Int[Tensor, "chosen"]
) -> tuple[Tensor, Tensor]:
    """Return phase and weight of some pixels."""
    return phase[:, pixels], weight[:, pixels]


def estimate(work: Workspace) -> None:
    """Compute the series of the loaded observations, each component of a disconnected network grounded."""
    factorise(work)
    right_hand_side(work)
    substitute(work)
    work.phase.copy_(work.right)
    subtract_model(work)
    exact_right_hand_side(work)
    substitute(work)
    work.phase.add_(work.right)
    subtract_model(work)


def _estimate_apart(work: Workspace, complete: Bool[Tensor, "pixel"]) -> None:
    """Compute the series of complete pixels by their shared factor, that of the others by elimination."""
    others = torch.nonzero(~complete)[:, 0]
    observed = work.weight[:, others], work.residual[:, others]
    shared_factor.estimate_complete(work)
    size = -(-work.weight.shape[1] // shared_factor.REST)
    numbers = torch.arange(len(others), device=others.device)
    for piece in torch.split(numbers, size) if len(others) else ():
        part, chosen = work.smaller(size), pad(piece, size)
        for mine, theirs in zip((part.weight, part.residual), observed, strict=True):
            torch.index_select(theirs, 1, chosen, out=mine)
        estimate(part)
        work.take(part, others[piece])


def _unsettled_pixels(work: Workspace) -> Tensor:
    """Find pixels whose weights spread too far for one refinement in float32.

    There are two criteria: the refinement changed much, as the error of the first solution is about the
    spread times the rounding and a refinement reduces it in the same proportion; or some date is connected
    to the rest far more weakly than another (``d``, largest to smallest), so that light pairs follow the
    rounding of heavy ones.
    """
    if work.phase.dtype == torch.float64:
        return work.order[:0]
    changed = work.right.abs().amax(0) > LARGEST_CHANGE * work.phase.abs().amax(0)
    inverse = work.inverse[:-1]
    grounded = torch.eq(inverse, 0, out=work.right[:-1]).mul_(torch.finfo(inverse.dtype).max)
    loose = inverse.amax(0) > LARGEST_SPREAD * grounded.add_(inverse).amin(0)
    return torch.nonzero(changed | loose)[:, 0]


def solve_again(
    solve_batch: Callable[..., Solution],
    solution: Solution,
    work: Eliminated,
    pixels: Int[Tensor, "chosen"],
    observed: Callable[[Tensor], tuple[Tensor, Tensor]],
    method: Method,
) -> None:
    """Solve some pixels of a batch again in float64, into its solution; ``solve_batch`` as :func:`solve`.

    ``observed`` returns phase and weight of the given pixels.
    """
    few = max(_FEW, BYTES_AT_ONCE // (8 * (4 * work.plan.network.n_pair + work.plan.n_slot)))
    size = min(_FEW if len(pixels) <= _FEW else few, work.n_pixel)
    precise = work.smaller(size, torch.float64)
    for piece in torch.split(pixels, size):
        padded = pad(piece, size)
        phase, weight = (values.double() for values in observed(padded))
        put(solution, piece, solve_batch(precise, phase, weight, method=method))


def _finish(work: Workspace, method: Method) -> Solution:
    """Restore the order of dates, measure, and connect the components of disconnected networks."""
    n_components = torch.eq(work.inverse, 0, out=work.right).sum(0).to(torch.int32)  # the root is one
    converged = None if method.norm == "l2" else irls.reweight(work, method)
    phase = work.phase.index_select(0, work.position)
    facts = measure(work.observations, n_components, method.min_redundancy)
    solution = finish_solution(work.observations, phase, facts, partial(label_eliminated, work), method)
    return solution._replace(converged=converged)
