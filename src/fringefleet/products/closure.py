"""Closure of the triplets of a pixel; :mod:`fringefleet.solver.closure` has the equations."""

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.network.triplets import triplets
from fringefleet.options import Options
from fringefleet.products.base import (
    MAP,
    BatchMemory,
    Compute,
    MapStyle,
    Product,
    ResultVariable,
    SolverForm,
    SolverWork,
)
from fringefleet.solver.working_set import TRIPLETS_AT_ONCE


def _begin(work: SolverWork) -> Compute:
    from fringefleet.solver import closure  # noqa: PLC0415 - torch

    observations = work.workspace.observations
    rows = closure.triplet_rows(work.plan, observations.device)
    return lambda _: closure.measure_closure(observations, rows)._asdict()


def _memory(plan: EliminationPlan, _: Options, form: SolverForm) -> BatchMemory:
    n_at_once = min(TRIPLETS_AT_ONCE, len(triplets(plan.network)))
    return BatchMemory(n_row=2 * n_at_once + (19 if form == "compiled" else 3))


CLOSURE = Product(
    variables={
        "closure_rms": ResultVariable(
            "f4",
            MAP,
            {"units": "rad", "long_name": "root mean square closure phase"},
            style=MapStyle("magma_r", "from 0", title="RMS closure of triplets"),
        ),
        "misclosed_count": ResultVariable(
            "u4", MAP, {"units": "1", "long_name": "number of triplets with closure phase beyond pi"}
        ),
        "triplet_count": ResultVariable(
            "u4",
            MAP,
            {"units": "1", "long_name": "number of triplets of interferograms used"},
            at_reference=lambda network: len(triplets(network)),
        ),
    },
    applies=lambda options: options.diagnose,
    begin=_begin,
    needs=frozenset({"rows"}),
    memory=_memory,
)
