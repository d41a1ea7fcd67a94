"""Temporal model that separates a DEM error from deformation; see :mod:`fringefleet.solver.dem_error`."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import InputError, OptionError
from fringefleet.network.network import Network
from fringefleet.observation.units import metres_per_radian

_SMALLEST_REMAINDER = 1e-5  # of the length of the baselines


@dataclass(frozen=True)
class TemporalModel:
    """Model of the phase in time, which separates the DEM error from it."""

    polynomial_order: int = 2
    atmosphere_std: float = 1.0  # [rad], of each date

    def __post_init__(self) -> None:
        """Check the values."""
        if self.polynomial_order < 1:
            raise OptionError(
                f"the polynomial order of the temporal model is {self.polynomial_order}; 1 or more is needed."
            )
        if not (self.atmosphere_std > 0 and math.isfinite(self.atmosphere_std)):
            raise OptionError(
                f"the standard deviation of the atmosphere is {self.atmosphere_std} rad; "
                "a positive number is needed."
            )


def temporal_columns(
    network: Network, baseline: NDArray[Any], wavelength: float, model: TemporalModel
) -> NDArray[np.float64]:
    r"""Compute the columns of the temporal model: powers of time, and last :math:`b` of the DEM error [rad].

    Parameters
    ----------
    network
        Network with the dates.
    baseline
        Perpendicular baseline of each date [m], relative to any of them.
    wavelength
        Radar wavelength [m].
    model
        Model with the order of the polynomial.

    Returns
    -------
    array
        (date, column).

    Raises
    ------
    InputError
        Even all dates together cannot separate the DEM error from the polynomial: too few dates, or baselines
        that are all equal or follow a polynomial of that order.
    """
    years = network.years - network.years.mean()
    powers = (years / np.abs(years).max())[:, None] ** np.arange(1, model.polynomial_order + 1)
    constant = np.ones((network.n_date, 1))
    centred = baseline.astype(np.float64) - baseline.mean()
    rest = _remainder(np.concatenate([constant, powers], axis=1), centred)
    needed = model.polynomial_order + 2
    if network.n_date < needed or not rest > _SMALLEST_REMAINDER * max(1.0, float(np.linalg.norm(centred))):
        raise InputError(
            f"found {network.n_date} dates with perpendicular baselines from {baseline.min():.1f} to "
            f"{baseline.max():.1f} m, which cannot separate a DEM error from a polynomial of order "
            f"{model.polynomial_order} in time; at least {needed} dates are needed, with baselines that do "
            "not follow such a polynomial. Choose a lower order or do not estimate the DEM error."
        )
    columns: NDArray[np.float64] = np.column_stack([powers, centred / metres_per_radian(wavelength)])
    return columns


def _remainder(others: NDArray[np.float64], column: NDArray[np.float64]) -> float:
    """Return the norm of the remainder of a column after a least-squares fit of the others."""
    fitted = others @ np.linalg.lstsq(others, column, rcond=None)[0]
    return float(np.linalg.norm(column - fitted))
