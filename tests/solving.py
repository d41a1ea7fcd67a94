"""Run a solver on a :class:`strategies.Case`: what the tests of the solvers share."""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver import dense, elimination
from fringefleet.solver.compiled import solver as compiled
from fringefleet.solver.config import Method
from fringefleet.solver.solution import Solution
from strategies import GRAIN, Case, dated

VELOCITY = Method("velocity")
PHASE = Method("phase")


class Solver(NamedTuple):
    """A solver in one precision, and how near to the exact answer it has to come."""

    module: ModuleType
    dtype: torch.dtype
    absolute: float  # [rad]
    relative: float  # of the largest phase of the series

    def __str__(self) -> str:
        return f"{self.module.__name__.rpartition('.')[2]}-{str(self.dtype).rpartition('.')[2]}"

    def tolerance(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """Allowed error of each pixel of a series (date, pixel) [rad]."""
        return np.maximum(self.absolute, self.relative * np.abs(series).max(0))


ELIMINATION_32 = Solver(elimination, torch.float32, 1e-5, 4e-7)
ELIMINATION_64 = Solver(elimination, torch.float64, 1e-9, 1e-10)
DENSE_64 = Solver(dense, torch.float64, 1e-7, 1e-9)  # not refined, and its matrix is formed by subtraction
COMPILED_32 = ELIMINATION_32._replace(module=compiled)
COMPILED_64 = ELIMINATION_64._replace(module=compiled)
SOLVERS = (ELIMINATION_32, ELIMINATION_64, COMPILED_32, COMPILED_64, DENSE_64)


def solve(
    solver: Solver, case: Case, device: torch.device, *, root: int = 0, method: Method = VELOCITY
) -> Solution:
    """Solve a case in one batch."""
    return solve_arrays(solver, case.network, case.phase, case.weight, device, root=root, method=method)


def solve_arrays(
    solver: Solver,
    network: Network,
    phase: NDArray[np.floating],
    weight: NDArray[np.floating],
    device: torch.device,
    *,
    root: int = 0,
    method: Method = VELOCITY,
) -> Solution:
    """Solve for phase and weight (pair, pixel) in one batch."""
    plan = plan_elimination(network, root)
    workspace = solver.module.Workspace(plan, phase.shape[1], solver.dtype, device)
    return solver.module.solve(
        workspace, tensor(phase, solver, device), tensor(weight, solver, device), method=method
    )


def case_of(decades, *, n_date=9, n_pixel=12, missing=0.3, seed=0):
    """Neighbouring and annual pairs with contradicting phases, some missing, weights over many decades."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in (1, 2, n_date // 2) if i + gap < n_date])
    shape = (len(pairs), n_pixel)
    phase = rng.integers(-20_000, 20_000, shape) * GRAIN
    weight = (10 ** rng.uniform(-decades / 2, decades / 2, shape)).astype("f4").astype("f8")
    valid = rng.random(shape) >= missing
    return Case(dated(pairs, rng), np.where(valid, phase, np.nan), weight, valid)


def solved(solver, case, device, *, root=0, method=VELOCITY):
    """The workspace, which keeps everything, and the solution of a case."""
    plan = plan_elimination(case.network, root)
    workspace = solver.module.Workspace(plan, case.phase.shape[1], solver.dtype, device)
    if hasattr(workspace, "keep"):  # what the eager form keeps anyway
        workspace.keep(rows=True, factor=True, variances=True)
    observed = [tensor(values, solver, device) for values in (case.phase, case.weight)]
    return workspace, solver.module.solve(workspace, *observed, method=method)


def robust_case(n_pixel, *, n_date=6, share=0.1, missing=0.1, seed=0):
    """Neighbouring and annual pairs; some a cycle off, some missing; weights over a decade."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, i + gap) for i in range(n_date) for gap in (1, 2, 4) if i + gap < n_date])
    shape = (len(pairs), n_pixel)
    truth = rng.normal(0, 2, (n_date, n_pixel)).cumsum(0)
    phase = truth[pairs[:, 1]] - truth[pairs[:, 0]] + rng.normal(0, 0.2, shape)
    phase += 2 * np.pi * rng.choice([-1, 1], shape) * (rng.random(shape) < share)
    phase = np.round(phase / GRAIN) * GRAIN
    weight = (10 ** rng.uniform(0.5, 1.5, shape)).astype("f4").astype("f8")
    valid = rng.random(shape) >= missing
    return Case(dated(pairs, rng), np.where(valid, phase, np.nan), weight, valid)


def tensor(values: NDArray[np.floating], solver: Solver, device: torch.device) -> torch.Tensor:
    """Copy an array to the device in the precision of a solver."""
    return torch.tensor(values, dtype=solver.dtype, device=device)


def series_of(solution: Solution) -> NDArray[np.float64]:
    """The phase series (date, pixel) in float64 on the host."""
    return solution.phase.double().cpu().numpy()


def assert_series_close(
    found: NDArray[np.float64], expected: NDArray[np.float64], solver: Solver, *, slack: float = 1
) -> None:
    """Compare at every pixel with the tolerance of the solver, times a slack."""
    error = np.abs(found - expected).max(0)
    allowed = slack * solver.tolerance(expected)
    worst = int(np.argmax(error / allowed))
    assert np.isfinite(found).all()
    assert error[worst] <= allowed[worst], f"pixel {worst}: {error[worst]:.3g} > {allowed[worst]:.3g} rad"


def assert_as_eager(solver: Solver, found: tuple[Any, Solution], expected: tuple[Any, Solution]) -> None:
    """Compare workspace, which has kept everything, and solution of a form with those of the eager one."""
    (workspace, mine), (reference, theirs) = found, expected
    series = series_of(theirs)
    close = float(2 * solver.tolerance(series).max())  # the other form has its own rounding
    for name in ("pair_count", "n_components", "too_few", "gap_filled"):
        torch.testing.assert_close(getattr(mine, name), getattr(theirs, name), rtol=0, atol=0)
    for name in ("temporal_coherence", "residual_rms"):
        torch.testing.assert_close(
            getattr(mine, name), getattr(theirs, name), rtol=0, atol=close, equal_nan=True
        )
    assert_series_close(series_of(mine), series, solver, slack=2)
    relative = 64 * torch.finfo(solver.dtype).eps
    for name in ("edge", "inverse"):
        torch.testing.assert_close(getattr(workspace, name), getattr(reference, name), rtol=relative, atol=0)
    kept, eager = workspace.observations, reference.observations
    torch.testing.assert_close(kept.weight, eager.weight, rtol=0, atol=0)
    torch.testing.assert_close(kept.residual, eager.residual, rtol=0, atol=close)


def parts_of(solution: Solution) -> list[torch.Tensor]:
    """What a solution has; what was not asked for is left out."""
    return [values for values in solution if values is not None]
