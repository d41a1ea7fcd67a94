"""All solvers follow one protocol."""

import inspect
from importlib import import_module

import pytest
import torch

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.solver import dense, elimination, uncertainty
from fringefleet.solver.base import RawSolver, Solver, SolverWorkspace, is_raw
from named_networks import network_by_gap

SOLVERS = {
    "elimination": False,
    "dense": False,
    "compiled.solver": True,
    "fused.solver": True,
}  # takes raw ones


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_has_the_functions_and_parameters_of_the_protocol(name):
    solver = import_module(f"fringefleet.solver.{name}")
    assert isinstance(solver, Solver)
    assert is_raw(solver) == SOLVERS[name]
    protocol = RawSolver if SOLVERS[name] else Solver
    functions = [n for n in dir(protocol) if inspect.isfunction(getattr(protocol, n)) and n[0] != "_"]
    assert "solve" in functions
    for function in functions:
        wanted = [*inspect.signature(getattr(protocol, function)).parameters][1:]  # self is the module
        assert [*inspect.signature(getattr(solver, function)).parameters] == wanted, function


@pytest.mark.parametrize("solver", [elimination, dense])
def test_workspaces_have_what_products_take_of_them(solver):
    plan = plan_elimination(network_by_gap(4, 1, 2))
    workspace = solver.Workspace(plan, 3, torch.float64, torch.device("cpu"))
    assert isinstance(workspace, SolverWorkspace)
    phase = torch.zeros((plan.network.n_pair, 3), dtype=torch.float64)
    phase[0] = 1
    solution = solver.solve(workspace, phase, torch.ones_like(phase))
    rest = workspace.observations.residual.square().mean(0).sqrt()
    torch.testing.assert_close(rest, solution.residual_rms)


def test_a_solver_without_a_factor_says_so():
    workspace = dense.Workspace(plan_elimination(network_by_gap(4, 1)), 3, torch.float32, torch.device("cpu"))
    with pytest.raises(TypeError, match=r"Workspace keeps no factor"):
        uncertainty.factor_of(workspace)
