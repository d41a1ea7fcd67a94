"""Standard deviation of the displacement at every date.

:mod:`fringefleet.solver.uncertainty` has the equations.
"""

from functools import partial
from typing import Any

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products.base import (
    SERIES,
    BatchMemory,
    Compute,
    MapStyle,
    Product,
    ResultVariable,
    SolvedBatch,
    SolverForm,
    SolverWork,
)

FORMAL = "formal"


def scale_of_std(options: Options) -> str:
    """Return what standard deviations and covariances are scaled by."""
    return FORMAL if options.is_formal else "variance factor of the residuals"


def _begin(work: SolverWork) -> Compute:
    from fringefleet.solver import uncertainty  # noqa: PLC0415 - torch

    if work.raw is not None:
        find = partial(work.raw.solver.standard_deviations, work.raw.workspace)
        return lambda batch: {
            "displacement_std": find(batch.unit_variance.expand(batch.displacement.shape[1]))
        }
    variances = uncertainty.VarianceBuffers(uncertainty.factor_of(work.workspace))

    def compute(batch: SolvedBatch) -> dict[str, Any]:
        std = uncertainty.selected_variances(variances).mul_(batch.unit_variance).sqrt_()
        std[work.plan.root] = 0  # whatever the unit is
        return {"displacement_std": std}

    return compute


def _memory(plan: EliminationPlan, _: Options, form: SolverForm) -> BatchMemory:
    n_date = plan.network.n_date
    if form == "compiled":
        return BatchMemory(n_row=2 * n_date, n_vector_row=plan.n_slot + 2 * n_date)
    if form == "fused":
        return BatchMemory(n_row=plan.n_slot + 2 * n_date)
    return BatchMemory(n_row=plan.n_slot + 4 * n_date + plan.n_neighbour)


STD = Product(
    variables={
        "displacement_std": ResultVariable(
            "f4",
            SERIES,
            {
                "units": "m",
                "long_name": "standard deviation of the displacement relative to the reference date, due to "
                "decorrelation; without that of a removed DEM error",
            },
            is_rounded=True,
            style=MapStyle("magma_r", "from 0", "mm", "Standard deviation"),
        )
    },
    applies=lambda options: options.std,
    begin=_begin,
    needs=frozenset({"variances", "unit_variance"}),
    memory=_memory,
    attributes={"std_scale": lambda options, _: scale_of_std(options)},
)
