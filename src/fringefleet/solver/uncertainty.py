r"""Uncertainty of the series: (co)variances of the dates from the factor of the elimination.

The inverse of the normal matrix, relative to the root, is the covariance of the series for weights that
are inverse variances. Elimination leaves, for each date ``v``, the factors :math:`f_b` of its edges to
later dates :math:`nb(v)` and :math:`1/d`. From the last date backwards

.. math:: Z_{va} = \sum_{b \in nb(v)} f_b Z_{ba}, \qquad Z_{vv} = 1/d + \sum_{a \in nb(v)} f_a Z_{va}

which holds for every later date ``a``. For the variances only those ``a`` are needed that are neighbours
of ``v`` (:func:`selected_variances`): elimination has connected them all to one another, so that each
:math:`Z_{ba}` has a slot, the total cost is about that of the elimination, and no inverse is formed. With
all ``a`` it is the full matrix (:func:`covariance`), for a few pixels. As in the elimination nothing is
subtracted, so every variance has full relative accuracy whatever the spread of the weights.

**From variance to standard deviation.** Weights that are inverse phase variances (weight functions ``var``
and ``fim``) yield the formal standard deviation :math:`\sqrt{Z}`; it reflects the coherences only,
not unwrapping errors. Other weights (``coh``, ``no``) are inverse variances up to an unknown
factor, which is estimated from the residuals (:func:`variance_factor`): :math:`\sqrt{\sigma_0^2 Z}`.

A date in another component of a disconnected network than the root has no variance relative to it: NaN,
although :mod:`fringefleet.solver.disconnected` assigns it a phase.

References
----------
Takahashi, Fagan & Chen (1973), Formation of a sparse bus impedance matrix, PICA conference, 63-69.
Erisman & Tinney (1975), doi:10.1145/360680.360704. Variance factor: Koch (1999), Parameter Estimation and
Hypothesis Testing in Linear Models, doi:10.1007/978-3-662-03976-2.
Replaces MintPy's ``ifgram_inversion.estimate_timeseries_cov``, which takes the unweighted pseudo-inverse.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan, EliminationStep, PlanUpdate
from fringefleet.solver.base import SolverWorkspace
from fringefleet.solver.eliminated import Eliminated
from fringefleet.solver.measures import factor_of_sum
from fringefleet.solver.observations import ROWS_AT_ONCE, Observations, batches

LONG_RUN = 9  # number of edges from which their sum is computed in one operation


class Factor(NamedTuple):
    """Factor left by the elimination of a batch, in the order of the plan; see ``Workspace`` there."""

    plan: EliminationPlan
    edge: Float[Tensor, "slot pixel"]  # factors f of each date's edges to later dates
    inverse: Float[Tensor, "position pixel"]  # 1 / d; zero where the date has no later neighbour


def factor_of(workspace: SolverWorkspace) -> Factor:
    """View the factor that a solver leaves in its workspace.

    Raises
    ------
    TypeError
        It leaves none, for example the dense solver.
    """
    if not isinstance(workspace, Eliminated):
        raise TypeError(f"{type(workspace).__qualname__} keeps no factor")
    return Factor(workspace.plan, workspace.edge, workspace.inverse)


class _Mesh(NamedTuple):
    """Views for one neighbour of a date ``v`` and a run of later ones, each contributing to the other's."""

    one: Tensor  # (pixel,): covariance of v with the first
    factor: Tensor  # (pixel,): f of the edge from v to the first
    later: Tensor  # (slot, pixel): covariance of v with the run
    between: Tensor  # (slot, pixel): covariance of the first with the run
    short: tuple[tuple[Tensor, Tensor], ...]  # f of the edges from v to the run, and rows of ``between``
    long: tuple[tuple[Tensor, Tensor], ...]  # the same in one piece, if it is long, and scratch


class _Step(NamedTuple):
    """Views into the workspace for one date ``v``."""

    factor: Tensor  # (slot, pixel): f of its edges
    covariance: Tensor  # (slot, pixel): of v with each of its neighbours
    scratch: Tensor  # (slot, pixel)
    neighbours: tuple[tuple[Tensor, ...], ...]  # covariance, factor; variance, tie of the dates; scratch
    mesh: tuple[_Mesh, ...]
    inverse: Tensor  # (pixel,): 1 / d
    variance: Tensor  # (pixel,)
    tie: Tensor  # (pixel,)


class VarianceBuffers:
    """Buffers, and views of them and of a factor, for the variances of successive batches.

    Parameters
    ----------
    factor
        Buffers of the elimination. They are read anew for every batch and never written to.
    """

    def __init__(self, factor: Factor) -> None:
        plan = factor.plan
        self.factor = factor
        self.covariance = torch.zeros_like(factor.edge)
        self.variance = torch.zeros_like(factor.inverse)
        self.tie = torch.zeros_like(factor.inverse)  # 1 within rounding in the root's component, else 0
        self.scratch = self.variance.new_zeros((plan.n_neighbour, self.variance.shape[1]))
        self.row = torch.zeros_like(self.variance[0])
        self.position = torch.tensor(plan.order, device=self.variance.device).argsort()
        self.factor_rows, self.covariance_rows = factor.edge.unbind(), self.covariance.unbind()
        self.steps = [self._step(place, turn) for place, turn in enumerate(plan.turns)]

    def _step(self, place: int, turn: EliminationStep) -> _Step:
        factor, covariance = self.factor.edge[turn.slots], self.covariance[turn.slots]
        scratch = self.scratch[: len(factor)]
        return _Step(
            factor=factor,
            covariance=covariance,
            scratch=scratch,
            neighbours=tuple(
                (
                    covariance[run.here],
                    factor[run.here],
                    self.variance[run.there],
                    self.tie[run.there],
                    scratch[run.here],
                )
                for run in turn.neighbours
            ),
            mesh=tuple(self._mesh(update, turn.slots) for update in turn.updates),
            inverse=self.factor.inverse[place],
            variance=self.variance[place],
            tie=self.tie[place],
        )

    def _mesh(self, update: PlanUpdate, slots: slice) -> _Mesh:
        one, run = slots.start + update.neighbour, update.run
        here = slice(slots.start + run.start, slots.start + run.stop)
        between = self.covariance[run.there]
        short = zip(self.factor_rows[here], self.covariance_rows[run.there], strict=True)
        is_long = len(between) >= LONG_RUN
        return _Mesh(
            one=self.covariance_rows[one],
            factor=self.factor_rows[one],
            later=self.covariance[here],
            between=between,
            short=() if is_long else tuple(short),
            long=((self.factor.edge[here], self.scratch[: len(between)]),) if is_long else (),
        )


def selected_variances(workspace: VarianceBuffers) -> Float[Tensor, "date pixel"]:
    """Compute the variance of every date relative to the root, from the factor in the workspace.

    Parameters
    ----------
    workspace
        Buffers for that factor. Their contents are overwritten.

    Returns
    -------
    Tensor
        A new tensor, dates in the order of the network, in the inverse unit of the weights ([rad^2] for
        weights in rad^-2). Zero at the root; NaN where no valid pairs connect a date to the root.
    """
    work = workspace
    work.variance[-1].zero_()
    work.tie[-1].fill_(1)
    for step in reversed(work.steps):
        for covariance, factor, variance, tie, scratch in step.neighbours:
            torch.mul(factor, variance, out=covariance)
            torch.mul(factor, tie, out=scratch)
        torch.sum(step.scratch, 0, out=step.tie)
        for one, factor, later, between, short, long in step.mesh:
            later.addcmul_(factor, between)
            for factor_of_other, row in short:
                one.addcmul_(factor_of_other, row)
            for factors, scratch in long:
                torch.mul(factors, between, out=scratch)
                one.add_(torch.sum(scratch, 0, out=work.row))
        torch.mul(step.factor, step.covariance, out=step.scratch)
        torch.sum(step.scratch, 0, out=step.variance)
        step.variance.add_(step.inverse)
    untied = work.tie.reciprocal_().mul_(0)  # NaN where the tie is 0, else 0: faster than a mask
    return work.variance.add_(untied).index_select(0, work.position)


def variance_factor(
    observations: Observations, pair_count: Int[Tensor, "pixel"], n_components: Int[Tensor, "pixel"]
) -> Float[Tensor, "pixel"]:
    r"""Estimate the variance of an observation of weight 1 from the residuals; about 1 if weights are right.

    .. math:: \sigma_0^2 = \frac{\sum_k w_k r_k^2}{n - (D - C)}

    over the n valid pairs, with D dates in C components: every date except one per component is an unknown.

    Parameters
    ----------
    observations
        Observations with the residual [rad] of the series.
    pair_count
        Number of valid pairs.
    n_components
        Number of connected components.

    Returns
    -------
    Tensor
        Variance factor [1 for weights in rad^-2, else rad^2 times the unit of the weights]. NaN where no
        pair is redundant: then the residual is zero whatever the noise.
    """
    residual, weight = observations.residual, observations.weight
    sums = residual.new_zeros((min(ROWS_AT_ONCE, len(residual)), residual.shape[1]))
    for rows in batches(len(residual)):
        rest = residual[rows]
        weighted = torch.mul(weight[rows], rest, out=observations.scratch[0, : len(rest)])
        sums[: len(rest)].addcmul_(weighted, rest)
    found: Tensor = factor_of_sum(sums.sum(0), pair_count + n_components - observations.plan.network.n_date)
    return found


def covariance(factor: Factor, pixels: Int[Tensor, "pixel"]) -> Float[Tensor, "date date pixel"]:
    """Compute the covariance of all pairs of dates relative to the root, at selected pixels of a batch.

    Parameters
    ----------
    factor
        Factor currently in the workspace.
    pixels
        Indices of the pixels. The result and one more array of its size take 16 bytes per pixel times
        the square of the number of dates, 0.2 MB at 98 dates; select few at a time.

    Returns
    -------
    Tensor
        Float64, dates in the order of the network, in the inverse unit of the weights. Zero in the root's
        row and column; NaN in those of a date that no valid pairs connect to the root. As accurate as the
        factor.
    """
    plan, edges, inverses = factor
    n_date = plan.network.n_date
    # The last column marks the root's component: 1 within rounding, else 0; it obeys the same rule.
    inverse = edges.new_zeros((n_date, n_date + 1, len(pixels)), dtype=torch.float64)
    inverse[-1, -1] = 1
    for place in range(n_date - 2, -1, -1):
        turn, row = plan.turns[place], inverse[place]
        f = edges[turn.slots][:, pixels].double()
        ends = [end for run in turn.neighbours for end in range(run.target, run.there.stop)]
        for f_b, end in zip(f, ends, strict=True):
            row[place + 1 :].addcmul_(f_b, inverse[end, place + 1 :])
        torch.sum(f * row[ends], 0, out=row[place]).add_(inverses[place, pixels])
        inverse[place + 1 :, place] = row[place + 1 : -1]
    untied = inverse[:, -1] == 0
    inverse.masked_fill_(untied[:, None], torch.nan)[:, :-1].masked_fill_(untied, torch.nan)
    position = torch.tensor(plan.order, device=pixels.device).argsort()
    return inverse[position[:, None], position]
