"""Solution of a batch by the compiled kernel: memory for vectors of pixels, and one call per batch."""

from functools import cached_property
from typing import Any

import numpy as np
from numba import config
from numpy.typing import NDArray

from fringefleet.choices import DTypeName
from fringefleet.errors import DeviceError
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver.compiled import kernel
from fringefleet.solver.compiled.irls import N_STATE, Reweighting
from fringefleet.solver.compiled.kernel import VectorAnswer, VectorMemory
from fringefleet.solver.compiled.lanes import LANES, choose_lanes
from fringefleet.solver.compiled.observe import ObservationBuffers
from fringefleet.solver.compiled.source import source_of_kernel
from fringefleet.solver.compiled.tables import kernel_plan, paths_of
from fringefleet.solver.compiled.time_factor import VectorParameters, parameters_of_vector
from fringefleet.solver.compiled.variances import VectorVariances
from fringefleet.solver.raw import Raw, Rules


class Vectors:
    """Memory for the vectors of a batch, which are solved in turn, and the call that solves them.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    real
        Dtype of the values: float32 or float64.
    """

    def __init__(self, plan: EliminationPlan, real: np.dtype[Any]) -> None:
        self.plan, self.real = plan, real
        self.walk = kernel_plan(plan)
        self.n_lane = choose_lanes(plan, real.itemsize)

    def invert(
        self,
        raw: Raw,
        rules: Rules,
        answer: VectorAnswer,
        *,
        rounds: Reweighting | None = None,
        spread: VectorVariances | None = None,
        parameters: VectorParameters | None = None,
        fewest_of_all: bool = False,
    ) -> None:
        """Invert the pixels of a batch.

        Parameters
        ----------
        raw, rules
            Observations of the batch, and their rules.
        answer
            Arrays to be written.
        rounds, spread, parameters
            Buffers for a robust norm, for variances, and for the covariance of parameters; None where not
            requested.
        fewest_of_all
            Whether the smallest number of pairs of a date is determined at all pixels; else only where the
            network is disconnected.
        """
        source = source_of_kernel(self.real, raw, rules)
        with np.errstate(all="ignore"):
            kernel.invert_vectors(
                source,
                self.strip,
                self.memory,
                self.walk,
                rounds,
                spread,
                parameters,
                fewest_of_all,
                answer,
            )

    @cached_property
    def strip(self) -> ObservationBuffers:
        """Memory for the observations of several vectors."""
        n_date, n_pair = self.plan.network.n_date, self.plan.network.n_pair
        n_vector = self.n_lane // LANES
        return ObservationBuffers(
            residual=self._rows(n_vector, n_pair),
            weight=self._rows(n_vector, n_pair),
            right=self._rows(n_vector, n_date),
            sums=self._rows(n_vector, kernel.N_SUM),
        )

    @cached_property
    def memory(self) -> VectorMemory:
        """Memory for solving a vector, in the dtype of the values except for the sums in float64."""
        n_date = self.plan.network.n_date
        return VectorMemory(
            factor=self._rows(self.plan.n_slot),
            root=self._rows(n_date),
            exact=self._rows(n_date).astype(np.float64),
            series=self._rows(n_date),
            change=self._rows(n_date),
            scratch=self._rows(2),
        )

    @cached_property
    def deviation(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Memory for reweighting a vector, where requested."""
        return self._rows(self.plan.network.n_pair), self._rows(N_STATE)

    @cached_property
    def spread(self) -> VectorVariances:
        """Memory for the variances of a vector, where requested."""
        n_date, n_slot = self.plan.network.n_date, self.plan.n_slot
        return VectorVariances(self._rows(n_slot + n_date), self._rows(n_date), *paths_of(self.plan))

    def answer_of(
        self, series: NDArray[Any], first: int, sums: NDArray[Any], counts: NDArray[Any], labels: NDArray[Any]
    ) -> VectorAnswer:
        """Assemble the arrays that every batch has; those not requested are empty.

        Parameters
        ----------
        series
            Series of the batch, or of more pixels, (date, pixel) [rad].
        first
            Index of its first pixel there.
        sums, counts, labels
            As in :class:`~fringefleet.solver.compiled.kernel.VectorAnswer`.
        """
        none = np.zeros((0, LANES), self.real)
        return VectorAnswer(
            series=series,
            first=first,
            sums=sums,
            counts=counts,
            labels=labels,
            residual=none,
            weight=none,
            factor=none,
            inverse=none,
            variance=none,
            converged=np.zeros(0, np.bool_),
            covariance=np.zeros((0, LANES)),
        )

    def _rows(self, *shape: int) -> NDArray[Any]:
        return np.zeros((*shape, LANES), self.real)


def check_numba() -> None:
    """Reject a numba whose compilation is disabled.

    Raises
    ------
    DeviceError
        It is disabled: the kernel would be thousands of times slower.
    """
    if getattr(config, "DISABLE_JIT", False):
        raise DeviceError(
            "found NUMBA_DISABLE_JIT, which disables compilation by numba; the compiled solver needs it. "
            "Unset it, or choose the elimination solver."
        )


def try_out_kernel(
    dtype: DTypeName = "float32", is_robust: bool = False, std: bool = False, has_parameters: bool = False
) -> None:
    """Solve a few pixels, and so compile the code that options need; raises any error that prevents it.

    Parameters
    ----------
    dtype
        Dtype of the values.
    is_robust
        Whether the norm is not ``l2``.
    std
        Whether variances are requested.
    has_parameters
        Whether the covariance of parameters of the series is.
    """
    days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    vectors = Vectors(plan_elimination(Network(days, ((0, 1), (1, 2), (0, 2)))), np.dtype(dtype))
    pixels, dates = np.ones((3, LANES), dtype), np.zeros((3, LANES), dtype)
    counts = np.zeros((4, LANES), np.int32)
    answer = vectors.answer_of(dates, 0, np.zeros((4, LANES), dtype), counts, np.zeros((3, LANES), np.int32))
    rounds = spread = parameters = None
    if is_robust:
        rounds = Reweighting(*vectors.deviation, False, 1.0, 1)
        answer = answer._replace(converged=np.zeros(LANES, np.bool_))
    if std:
        spread, answer = vectors.spread, answer._replace(variance=np.zeros_like(dates))
    if has_parameters:
        parameters = parameters_of_vector(vectors.plan, np.ones((1, 3)))
        answer = answer._replace(covariance=np.zeros((1, LANES)))
    raw = Raw(pixels, pixels)
    vectors.invert(raw, Rules(), answer, rounds=rounds, spread=spread, parameters=parameters)
