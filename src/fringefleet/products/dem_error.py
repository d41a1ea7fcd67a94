"""DEM error of a pixel, estimated by the solver and removed.

:mod:`fringefleet.solver.dem_error` has the equations.
"""

from typing import Any

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products.base import (
    MAP,
    BatchMemory,
    MapStyle,
    Product,
    ResultVariable,
    SolvedBatch,
    SolverForm,
)


def _compute(batch: SolvedBatch) -> dict[str, Any]:
    return {
        "dem_error": batch.dem.error * batch.range_sine,
        "dem_error_std": batch.dem.std * batch.range_sine,
    }


def _memory(plan: EliminationPlan, options: Options, _: SolverForm) -> BatchMemory:
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    return BatchMemory(n_double=n_pair + plan.n_slot + (2 * options.polynomial_order + 3) * n_date)


DEM_ERROR = Product(
    variables={
        "dem_error": ResultVariable(
            "f4",
            MAP,
            {"units": "m", "long_name": "DEM error, estimated and removed"},
            style=MapStyle("PRGn", "symmetric"),
        ),
        "dem_error_std": ResultVariable(
            "f4",
            MAP,
            {"units": "m", "long_name": "standard deviation of the DEM error"},
            style=MapStyle("magma_r", "robust"),
        ),
    },
    applies=lambda options: options.dem_error,
    compute=_compute,
    needs=frozenset({"rows"}),
    memory=_memory,
    attributes={
        "polynomial_order": lambda options, _: options.polynomial_order,
        "atmosphere_std": lambda options, _: options.atmosphere_std,
        "dem_error_std_scale": lambda _options, _: "formal: as if the weights were inverse variances",
    },
)
