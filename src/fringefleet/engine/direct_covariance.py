"""Covariance of parameters of the series at the pixels of batches that the compiled kernel solves alone.

For pixels that have all dates the kernel gives it. What makes the parameters of a pixel that lacks dates is
its own: the kernel solves that pixel again and keeps its factor, which is propagated in torch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.engine.context import FlatBlock
from fringefleet.engine.rules import given_to_kernel
from fringefleet.options import Options
from fringefleet.products.base import SolvedBatch
from fringefleet.solver.compiled.batches import Vectors
from fringefleet.solver.compiled.time_factor import parameters_of_vector
from fringefleet.solver.measures import factor_of_sum
from fringefleet.solver.raw import Rules
from fringefleet.solver.time_fit import Propagate


class ParameterCovariance:
    """Covariance of parameters: the buffers of the kernel, and its way for pixels that lack dates.

    Parameters
    ----------
    vectors
        Kernel that solves the batches.
    operator
        What makes the parameters of a series that has all dates, (parameter, date).
    rules, options
        Rules of the observations, and options, shared by all pixels.
    metres_per_unit
        Of the observations [m].
    """

    def __init__(
        self,
        vectors: Vectors,
        operator: NDArray[np.float64],
        rules: Rules,
        options: Options,
        metres_per_unit: float,
    ) -> None:
        self.vectors, self.rules, self.options = vectors, rules, options
        self.buffers = parameters_of_vector(vectors.plan, operator)
        self.square = metres_per_unit**2

    def propagation(
        self,
        batch: FlatBlock,
        solved: SolvedBatch,
        weighted_squares: NDArray[Any],
        covariance: NDArray[np.float64],
    ) -> Propagate:
        """Return what propagates the covariance of the dates of a batch to parameters.

        Parameters
        ----------
        batch, solved
            Observations of the batch, and its solution.
        weighted_squares
            Sum over the pairs of weight times squared residual, (pixel,).
        covariance
            What the kernel has given for an observation of variance 1, (parameter times parameter, pixel).
        """
        unit_variance = self._unit_variance(solved, weighted_squares)
        n_parameter = self.buffers.operator.shape[1]
        of_all = covariance.reshape(n_parameter, n_parameter, -1)
        of_all[..., solved.n_components > 1] = np.nan

        def propagate(pixels: Any, operator: NDArray[np.float64]) -> NDArray[np.float64]:
            own = unit_variance[pixels]
            if operator.ndim == 2:  # that of a series with all dates
                found: NDArray[np.float64] = of_all[..., pixels] * own
                return found
            return self._of_factor(batch.some(pixels), own, operator)

        return propagate

    def _unit_variance(self, solved: SolvedBatch, weighted_squares: NDArray[Any]) -> NDArray[np.float64]:
        """Return the variance of an observation of weight 1 [m^2]; formal, or from the residuals."""
        if self.options.is_formal:
            return np.full(len(weighted_squares), self.square)
        n_date = self.vectors.plan.network.n_date
        redundancy = solved.pair_count + solved.n_components - n_date
        found: NDArray[np.float64] = (
            factor_of_sum(weighted_squares.astype(np.float64), redundancy) * self.square
        )
        return found

    def _of_factor(
        self, pixels: FlatBlock, unit_variance: NDArray[np.float64], operator: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Solve pixels again, and propagate through their factors."""
        from fringefleet.engine.torch_fallback import propagate_in_torch  # noqa: PLC0415 - torch

        plan, n_pixel = self.vectors.plan, pixels.observed.shape[1]
        real, n_date = self.vectors.real, plan.network.n_date
        shapes = ((n_date, real), (4, real), (4, np.int32), (n_date, np.int32))
        series, sums, counts, labels = (np.zeros((n, n_pixel), dtype) for n, dtype in shapes)
        factor = np.zeros((plan.n_slot, n_pixel), real)
        inverse = np.zeros((n_date, n_pixel), real)
        answer = self.vectors.answer_of(series, 0, sums, counts, labels)
        raw, rules = given_to_kernel(pixels, self.rules, self.options)
        self.vectors.invert(raw, rules, answer._replace(factor=factor, inverse=inverse))
        return propagate_in_torch(plan, factor, inverse, unit_variance, operator)
