"""Product of a test, written as the module of a new one is: the largest residual of the pairs of a pixel."""

from fringefleet.products.base import MAP, BatchMemory, Compute, MapStyle, Product, ResultVariable, SolverWork


def _begin(work: SolverWork) -> Compute:
    observations = work.workspace.observations
    return lambda _: {"residual_max": observations.residual.abs().amax(0)}


LARGEST_RESIDUAL = Product(
    variables={
        "residual_max": ResultVariable(
            "f4",
            MAP,
            {"units": "rad", "long_name": "largest residual phase of a pair, as a magnitude"},
            style=MapStyle("magma_r", "from 0", title="Largest residual"),
        )
    },
    applies=lambda options: options.diagnose,
    begin=_begin,
    needs=frozenset({"rows"}),
    memory=lambda plan, _options, _form: BatchMemory(n_row=plan.network.n_pair),
    attributes={"residual_max_of": lambda options, _: f"valid pairs, norm {options.norm}"},
)
