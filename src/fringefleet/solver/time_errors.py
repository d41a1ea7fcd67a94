r"""Covariance of fitted parameters, other than from residuals: from that of the displacements, by bootstrap.

With the operator :math:`P` that makes the parameters of the series, and the covariance :math:`C` of the
displacements, the parameters have the covariance :math:`P C P^T`. Dates are correlated, as every one is tied
to others by pairs: variances alone do not do.

The bootstrap draws as many dates as a pixel has, with replacement, fits the functions to them, and does so
again and again; the parameters' covariance is that of these fits. What is drawn depends on the seed and on
which dates a pixel has, and on nothing else. A draw that cannot tell the parameters apart is drawn again.

References
----------
Efron & Tibshirani (1986), doi:10.1214/ss/1177013815.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.solver.arrays import pieces_of
from fringefleet.solver.time_design import TimeModel
from fringefleet.solver.time_fit import Propagate

_SOUND = 1e-6  # smallest eigenvalue of the normal matrix of a draw, in an orthonormal basis of all its dates
_MOST_TRIES = 100


def covariance_propagated(covariance: NDArray[Any]) -> Propagate:
    """Propagate a covariance that is known of every pixel.

    Parameters
    ----------
    covariance
        Of the displacements of every two dates [m^2], (date, date, pixel).
    """

    def propagate(pixels: Any, operator: NDArray[np.float64]) -> NDArray[np.float64]:
        own = np.moveaxis(covariance[:, :, pixels], 2, 0)
        per_pixel = (
            operator
            if operator.ndim == 3
            else np.broadcast_to(operator[..., None], (*operator.shape, len(own)))
        )
        found = np.empty((len(operator), len(operator), len(own)))
        for piece in pieces_of(len(own), 24 * covariance.shape[0] ** 2):
            some = per_pixel[..., piece].transpose(2, 0, 1)
            used = (some != 0).any(1)
            both = used[:, :, None] & used[:, None, :]
            known = np.where(both, own[piece], 0).astype(np.float64)
            found[..., piece] = (some @ known @ some.transpose(0, 2, 1)).transpose(1, 2, 0)
        return found

    return propagate


@dataclass(frozen=True)
class Bootstrap:
    """Resampling of the dates of a fit.

    Attributes
    ----------
    model
        The functions at the dates.
    count
        How often dates are drawn.
    seed
        Of the random numbers.
    """

    model: TimeModel
    count: int
    seed: int

    def of(self, series: NDArray[Any]) -> Propagate:
        """Propagate to the parameters what fits to drawn dates of some series show.

        Parameters
        ----------
        series
            Displacement [m], (date, pixel).
        """

        def propagate(pixels: Any, operator: NDArray[np.float64]) -> NDArray[np.float64]:
            own, used = series[:, pixels], (operator != 0).any(0)
            if used.ndim == 1:
                return self._of_pattern(own, used)
            found = np.full((len(operator), len(operator), own.shape[1]), np.nan)
            patterns, which = np.unique(used, axis=1, return_inverse=True)
            for number in range(patterns.shape[1]):
                same = np.flatnonzero(which == number)
                found[..., same] = self._of_pattern(own[:, same], patterns[:, number])
            return found

        return propagate

    def _of_pattern(self, series: NDArray[Any], used: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Give the covariance of the parameters of pixels that have the same dates."""
        n_parameter, n_pixel = self.model.n_parameter, series.shape[1]
        found = np.full((n_parameter, n_parameter, n_pixel), np.nan)
        operators = self._operators(used)
        if operators is None:
            return found
        for piece in pieces_of(n_pixel, 8 * self.count * n_parameter):
            values = series[used, piece].astype(np.float64)
            drawn = (operators @ values).reshape(self.count, n_parameter, -1)
            drawn -= drawn.mean(0)
            by_pixel = drawn.transpose(2, 1, 0)
            found[..., piece] = (by_pixel @ by_pixel.transpose(0, 2, 1)).transpose(1, 2, 0) / (self.count - 1)
        return found

    def _operators(self, used: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Give what makes the parameters of the series for every draw; None if no draw can.

        As many dates as parameters are fitted exactly by every draw, which shows no errors.
        """
        rows = used[list(self.model.used)]
        if np.count_nonzero(rows) <= self.model.n_parameter:
            return None
        basis, triangle = np.linalg.qr(self.model.matrix[rows])
        inverse = np.linalg.inv(triangle)
        n_date, kept = len(basis), []
        n_kept = 0
        for weight in self._draws(used, n_date):
            normal = (basis.T[None] * weight[:, None]) @ basis
            sound = np.linalg.eigvalsh(normal)[:, 0] > _SOUND
            solved = np.linalg.solve(normal[sound], basis.T[None] * weight[sound, None])
            kept.append(inverse @ solved)
            n_kept += int(sound.sum())
            if n_kept >= self.count:
                operators: NDArray[np.float64] = np.concatenate(kept)[: self.count]
                return operators.reshape(-1, n_date)
        return None

    def _draws(self, used: NDArray[np.bool_], n_date: int) -> Iterator[NDArray[np.float64]]:
        """Draw dates; gives how often each is drawn, (draw, date)."""
        random = np.random.default_rng([self.seed, *np.packbits(used).tolist()])
        for _ in range(_MOST_TRIES):
            drawn = random.integers(0, n_date, (self.count, n_date))
            yield np.stack([np.bincount(each, minlength=n_date) for each in drawn]).astype(np.float64)
