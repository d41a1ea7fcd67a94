"""Protocol of a solver: a module that makes workspaces for batches, and solves batches in them."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.config import Method
from fringefleet.solver.observations import Observations
from fringefleet.solver.raw import Prepare, Raw, Rules
from fringefleet.solver.solution import Solution


@runtime_checkable
class SolverWorkspace(Protocol):
    """Buffers for batches of one shape, dtype and device.

    Attributes
    ----------
    plan
        Elimination plan of the network.
    observations
        Residuals and weights of the last batch, as far as they are kept.
    """

    plan: EliminationPlan
    observations: Observations


@runtime_checkable
class RawWorkspace(SolverWorkspace, Protocol):
    """Buffers of a solver that keeps the requested intermediate data of a batch.

    Attributes
    ----------
    sums
        Sums of squares, cosines, sines and weighted squares of the residuals, (sum, pixel).
    """

    sums: Tensor

    def keep(self, *, rows: bool, factor: bool, variances: bool) -> None:
        """Choose what is kept of a batch: residual and weight of every pair; the factor; variances."""


Workspace_ = TypeVar("Workspace_", bound=SolverWorkspace)
RawWorkspace_ = TypeVar("RawWorkspace_", bound=RawWorkspace)


@runtime_checkable
class Solver(Protocol[Workspace_]):
    """Solver of phases and weights."""

    @property
    def Workspace(self) -> Callable[[EliminationPlan, int, torch.dtype, torch.device], Workspace_]:  # noqa: N802 - a class
        """Class of buffers, made from the plan, the number of pixels, dtype and device."""

    def solve(
        self,
        workspace: Workspace_,
        phase: Float[Tensor, "pair pixel"],
        weight: Float[Tensor, "pair pixel"],
        *,
        method: Method = ...,
    ) -> Solution:
        """Solve a batch of phases [rad] and weights [rad^-2]."""


@runtime_checkable
class RawSolver(Solver[RawWorkspace_], Protocol[RawWorkspace_]):
    """Solver that also takes observations as stored in the file."""

    def check_ready(self, device: torch.device) -> None:
        """Reject a device on which it does not run."""

    def solve_raw(
        self, workspace: RawWorkspace_, raw: Raw, rules: Rules, prepare: Prepare, *, method: Method = ...
    ) -> Solution:
        """Solve a batch of raw observations; ``prepare`` returns phases and weights of some of its pixels."""

    def standard_deviations(
        self, workspace: RawWorkspace_, unit: Float[Tensor, "pixel"]
    ) -> Float[Tensor, "date pixel"]:
        """Return those of the last batch, given the variance of an observation of weight 1."""


class RawWork(NamedTuple):
    """Solver of raw observations, and a workspace that it made."""

    solver: RawSolver[RawWorkspace]
    workspace: RawWorkspace


def is_raw(solver: Solver[SolverWorkspace]) -> TypeGuard[RawSolver[RawWorkspace]]:
    """Return whether a solver takes observations as stored in the file."""
    return isinstance(solver, RawSolver)
