"""Covariance of the displacements at all pairs of dates.

:mod:`fringefleet.solver.uncertainty` has the equations.
"""

from typing import Any

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products.base import (
    BatchMemory,
    Compute,
    Product,
    ResultVariable,
    SolvedBatch,
    SolverForm,
    SolverWork,
)
from fringefleet.products.std import scale_of_std
from fringefleet.solver.working_set import BYTES_AT_ONCE, CPU_BATCH


def _bytes_at_once(n_date: int) -> int:
    """Return the memory of a pixel's covariances in float64, and of one more array of that size [byte]."""
    return 16 * n_date**2


def _begin(work: SolverWork) -> Compute:
    import torch  # noqa: PLC0415 - takes more than a second

    from fringefleet.solver import uncertainty  # noqa: PLC0415 - torch
    from fringefleet.solver.subsets import pieces  # noqa: PLC0415 - torch

    factor, root, n_date = uncertainty.factor_of(work.workspace), work.plan.root, work.plan.network.n_date

    def compute(batch: SolvedBatch) -> dict[str, Any]:
        series = batch.displacement
        result = series.new_empty((n_date, *series.shape))
        for pixels in pieces(torch.arange(series.shape[1], device=series.device), _bytes_at_once(n_date)):
            result[..., pixels] = uncertainty.covariance(factor, pixels).to(result.dtype)
        result.mul_(batch.unit_variance)[root, root] = 0  # whatever the unit is
        return {"displacement_cov": result}

    return compute


def _memory(plan: EliminationPlan, _: Options, form: SolverForm) -> BatchMemory:
    n_date = plan.network.n_date
    n_row = {
        "eager": n_date**2,
        "compiled": plan.n_slot + 3 * n_date + n_date**2,
        "fused": 2 * n_date**2,  # two tiles: torch keeps memory for each stream
    }[form]
    in_pieces = min(_bytes_at_once(n_date) + 16 * n_date, BYTES_AT_ONCE // CPU_BATCH)
    return BatchMemory(n_row=n_row, n_byte=in_pieces)


COVARIANCE = Product(
    variables={
        "displacement_cov": ResultVariable(
            "f4",
            ("date", "date2", "y", "x"),
            {"units": "m2", "long_name": "covariance of the displacements relative to the reference date"},
            is_rounded=True,
        )
    },
    applies=lambda options: options.covariance,
    begin=_begin,
    needs=frozenset({"factor", "unit_variance"}),
    memory=_memory,
    attributes={"std_scale": lambda options, _: scale_of_std(options)},
)
