r"""Weighted least squares by dense normal equations and Cholesky, as in MintPy pull request 1490.

Reference that :mod:`fringefleet.solver.elimination` is tested and timed against. Per pixel it builds
:math:`G = \sqrt{W} A` (pair x date), multiplies :math:`N = G^T G` and factors it with
``torch.linalg.cholesky_ex``: :math:`2KD^2 + D^3/3` operations and K x D values of memory.

Rank is determined from the graph, never from ``info``: in float32 that misses one singular pixel in three.
Each component of a disconnected network is held at its first date, so that the matrix is regular at every
pixel.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.components import label_parts
from fringefleet.solver.config import Method
from fringefleet.solver.observations import Observations
from fringefleet.solver.solution import Solution, finish_solution, measure

_BYTES_AT_ONCE = 2**28


class Workspace:
    """Buffers for batches of one shape, dtype and device, as those of the elimination solver.

    Parameters
    ----------
    plan
        Elimination plan of the network; its root and the order of its pairs are used here.
    n_pixel
        Number of pixels per batch.
    dtype, device
        Dtype and device of the values.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        network = plan.network
        self.plan = plan
        self.observations = Observations(plan, n_pixel, dtype, device)
        rows = torch.arange(network.n_pair, device=device)
        first, second = self.observations.ends.T
        sign = self.observations.sign[:, 0]
        design = torch.zeros((network.n_pair, network.n_date), dtype=dtype, device=device)
        design[rows, first] = -sign
        design[rows, second] = sign
        self.design = design  # phase of each date -> phase of each pair, in the rows of the plan
        per_pixel = design.element_size() * network.n_date * (2 * network.n_pair + 3 * network.n_date)
        self.n_at_once = max(1, _BYTES_AT_ONCE // per_pixel)


def solve(
    workspace: Workspace,
    phase: Float[Tensor, "pair pixel"],
    weight: Float[Tensor, "pair pixel"],
    *,
    method: Method = Method(),  # noqa: B008 - frozen
) -> Solution:
    """Invert a batch of pixels; same arguments, results and rules as the elimination solver's."""
    plan, observations = workspace.plan, workspace.observations
    observations.load(phase, weight)
    labels = label_parts(observations.ends, observations.weight > 0, plan.network.n_date, plan.root)
    series = torch.zeros((plan.network.n_date, phase.shape[1]), dtype=phase.dtype, device=phase.device)
    for start in range(0, phase.shape[1], workspace.n_at_once):
        batch = slice(start, start + workspace.n_at_once)
        held = _first_of_its_part(labels[:, batch], plan.root)
        solved = _solve_normal_equations(
            workspace.design, observations.residual[:, batch], observations.weight[:, batch], held
        )
        series[:, batch] = solved.masked_fill_(held, 0)  # it is, but for rounding
    observations.residual.sub_(workspace.design @ series)
    n_components = labels.amax(0).to(torch.int32) + 1
    facts = measure(observations, n_components, method.min_redundancy)
    return finish_solution(observations, series, facts, lambda pixels: labels[:, pixels], method)


def _solve_normal_equations(
    design: Float[Tensor, "pair date"],
    phase: Float[Tensor, "pair pixel"],
    weight: Float[Tensor, "pair pixel"],
    held: Bool[Tensor, "date pixel"],
) -> Float[Tensor, "date pixel"]:
    root = weight.T.sqrt()[:, :, None]
    weighted = root * design
    normal = weighted.mT @ weighted
    normal.diagonal(dim1=1, dim2=2).add_(held.T * weight.amax(0).clamp(min=1)[:, None])
    right = weighted.mT @ (root * phase.T[:, :, None])
    factor, _ = torch.linalg.cholesky_ex(normal)
    return torch.cholesky_solve(right, factor)[:, :, 0].T


def _first_of_its_part(labels: Tensor, root: int) -> Tensor:
    """Return 1 at one date of each component, the root for its own, else 0; (date, pixel)."""
    dates = torch.arange(len(labels), device=labels.device)[:, None]
    rank = torch.where(dates == root, -1, dates).expand_as(labels)
    first = torch.full_like(labels, len(labels)).scatter_reduce(0, labels, rank, "amin")
    return first.gather(0, labels) == rank
