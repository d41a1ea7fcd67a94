r"""Least-squares fit of functions of time to the series of many pixels.

With the design matrix :math:`G` of the dates, the parameters of a pixel minimise :math:`\|d - G m\|^2` over
its valid dates. At nearly all pixels these are all dates, so that they share one factor :math:`G = Q R`:

.. math:: c = Q^T d, \qquad m = R^{-1} c, \qquad \|d - G m\|^2 = \|d\|^2 - \|c\|^2

in float64; where a fit leaves less than a thousandth of the series, so that the difference would lose digits,
the residual is formed. The others are worked on together, each with the weights :math:`v` of its dates, 1 or
0, in the basis :math:`Q`:

.. math:: (Q^T V Q)\, R m = Q^T V d

The matrix is symmetric with eigenvalues of at most 1; where the smallest is below 1e-6, the dates that a
pixel has are far from telling the parameters apart, and its own :math:`V G` is factorised, which squares no
condition. Fewer dates than parameters, or a pivot of less than 1e-10 of a column: no estimate.

**Standard errors.** With the parameters' operator :math:`P = R^{-1} Q^T` (or that of the pixel),

- from residuals: :math:`s^2 (G^T V G)^{-1}` with :math:`s^2 = \|d - G m\|^2 / (n - p)`, as if dates were
  independent and alike. An interval takes the quantiles of Student's t with n - p degrees of freedom.
- from a covariance :math:`C` of the displacements: :math:`P C P^T`, whose quantiles are those of the normal
  distribution. The parameters are the same.

Amplitude and phase have theirs by linear propagation from cosine and sine.

References
----------
Fattahi & Amelung (2015), doi:10.1002/2015JB012419. Golub & Van Loan (2013), Matrix Computations, 5.3.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fringefleet.solver.arrays import library_of
from fringefleet.solver.time_design import SMALLEST_PIVOT, TimeModel
from fringefleet.solver.time_functions import DATE_COUNT, RESIDUAL_RMS, TimeMap, maps_of, std_name

AT_ONCE_ON_CPU, AT_ONCE_ON_GPU = 2**15, 2**16  # pixels; the maps of so many stay near a core
_SERIES_AT_ONCE = 1024  # pixels whose series do
_ODD_AT_ONCE = 256  # pixels that lack dates
_LEAST_SHARE = 1e-6  # of the squares of a series, that a fit leaves
_SMALLEST_EIGENVALUE = 1e-6

# Gives the covariance of the parameters of some pixels, (parameter, parameter, pixel): of their numbers, and
# of what makes the parameters of the series, (parameter, date) or (parameter, date, pixel)
Propagate = Callable[[slice | NDArray[np.intp], NDArray[np.float64]], Any]


class Fitted(NamedTuple):
    """Parameters of some pixels.

    Attributes
    ----------
    parameters
        (parameter, pixel).
    square_sum
        Of the residual [m^2].
    count
        Dates used; one number where all pixels have the same.
    unit
        Their covariance for dates of variance 1, (parameter, parameter) or (parameter, parameter, pixel).
    operator
        What makes them of the series, (parameter, used date) or (parameter, used date, pixel).
    """

    parameters: Any
    square_sum: Any
    count: Any
    unit: Any
    operator: NDArray[np.float64]


class SeriesFit:
    """Fit of the functions of time to one batch of series after the other.

    Parameters
    ----------
    model
        The functions at the dates.
    has_std
        Whether standard errors are wanted.
    is_compiled
        Whether numba sums up the series that are in memory of a CPU, which is worth its import for many.
    """

    def __init__(self, model: TimeModel, *, has_std: bool = True, is_compiled: bool = False) -> None:
        self.model, self.has_std, self.is_compiled = model, has_std, is_compiled
        self.maps = maps_of(model.functions)
        basis, triangle = np.linalg.qr(model.matrix)
        self.basis = np.ascontiguousarray(basis)
        self.inverse = np.linalg.inv(triangle)
        self.rows: Any = slice(None)
        if model.n_used < len(model.dates):
            self.rows = np.array(model.used)

    @cached_property
    def operator(self) -> NDArray[np.float64]:
        """Return what makes the parameters of a series that has all dates, (parameter, used date)."""
        found: NDArray[np.float64] = self.inverse @ self.basis.T
        return found

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Name what :meth:`fit` gives."""
        stds = [std_name(each.name) for each in self.maps] if self.has_std else []
        return (*(each.name for each in self.maps), *stds, RESIDUAL_RMS, DATE_COUNT)

    def fit(self, series: Any, left_out: Any = None, propagate: Propagate | None = None) -> dict[str, Any]:
        """Fit the series of some pixels.

        Parameters
        ----------
        series
            Displacement [m] of every date, (date, pixel); NaN where a date has none. An array or a tensor.
        left_out
            Whether a date is left out nevertheless, likewise; None: none is.
        propagate
            Gives covariances of parameters; None: from the residuals.

        Returns
        -------
        dict
            Maps (pixel,) by name, in float64, of the library of the series. NaN where there is no estimate.
        """
        n_pixel = series.shape[1]
        xp = library_of(series)
        found = {name: _empty(xp, n_pixel, series) for name in self.variables}
        size = AT_ONCE_ON_GPU if _is_on_gpu(series) else AT_ONCE_ON_CPU
        with np.errstate(all="ignore"):
            for piece in _pieces(n_pixel, size):
                out = None if left_out is None else left_out[:, piece]
                self._fit_piece(series[:, piece], out, piece, found, propagate)
        return found

    def _fit_piece(
        self, series: Any, left_out: Any, piece: slice, found: dict[str, Any], propagate: Propagate | None
    ) -> None:
        """Fit pixels as if they had all dates, and then those that do not."""
        self._put(found, piece, self._of_all(series), propagate)
        lacking = self._lacking(series, left_out, found[self.maps[0].name][piece])
        for pixels in _odd_pieces(lacking):
            out = None if left_out is None else _numpy(left_out[:, pixels])
            self._put(found, piece.start + pixels, self._of_some(_numpy(series[:, pixels]), out), propagate)

    def _of_all(self, series: Any) -> Fitted:
        """Fit pixels as if they had all dates; what lacks one is NaN."""
        xp = library_of(series)
        parameters, left, squares = self._solve(series)
        close = xp.nonzero(left < _LEAST_SHARE * squares)
        close = close[0] if xp is np else close[:, 0]
        if len(close):
            values, basis = _double(xp, series[:, close][self.rows]), _like(self.basis, series)
            rest = values - basis @ (basis.T @ values)
            left[close] = (rest * rest).sum(0)
        unit = self.inverse @ self.inverse.T
        return Fitted(parameters, left, self.model.n_used, unit, self.operator)

    def _solve(self, series: Any) -> tuple[Any, Any, Any]:
        """Return parameters, and sums of squares: of what they leave of the series, and of the series."""
        if self.is_compiled and library_of(series) is np:
            from fringefleet.solver.compiled.time_sums import solve  # noqa: PLC0415 - numba

            found = solve(series, np.arange(len(series))[self.rows], self.basis, self.inverse)
            return found[:-2], found[-2], found[-1]
        sums = self._project(series)
        projected, squares = sums[:-1], sums[-1]
        left = squares - (projected * projected).sum(0)
        return _like(self.inverse, series) @ projected, left, squares

    def _project(self, series: Any) -> Any:
        """Multiply series by the columns of the basis; in the last row their squares are summed up."""
        xp = library_of(series)
        if xp is not np:
            values = series[self.rows].double()
            return xp.cat([_like(self.basis, series).T @ values, (values * values).sum(0, keepdim=True)])
        found = np.empty((self.model.n_parameter + 1, series.shape[1]))
        for piece in _pieces(series.shape[1], _SERIES_AT_ONCE):
            values = series[self.rows, piece].astype(np.float64)
            np.matmul(self.basis.T, values, out=found[:-1, piece])
            np.einsum("ij,ij->j", values, values, out=found[-1, piece])
        return found

    def _lacking(self, series: Any, left_out: Any, first: Any) -> NDArray[np.intp]:
        """Find the pixels that lack dates, which the fit of all dates made NaN, or may not use some."""
        lacks = library_of(series).isnan(first)
        if left_out is not None:
            lacks = lacks | _is_any(left_out[self.rows])
        return np.flatnonzero(_numpy(lacks))

    def _of_some(self, series: NDArray[Any], left_out: NDArray[Any] | None) -> Fitted:
        """Fit pixels that lack dates, each its own."""
        values = series[self.rows].astype(np.float64)
        valid = np.isfinite(values)
        if left_out is not None:
            valid &= left_out[self.rows] == 0
        values = np.where(valid, values, 0)
        weight = valid.T.astype(np.float64)
        n_parameter = self.model.n_parameter
        outer = (self.basis[:, :, None] * self.basis[:, None, :]).reshape(len(self.basis), -1)
        normal = (weight @ outer).reshape(-1, n_parameter, n_parameter)
        eigenvalues, vectors = np.linalg.eigh(normal)
        loose = eigenvalues[:, 0] < _SMALLEST_EIGENVALUE
        eigenvalues[loose] = 1
        root = vectors / np.sqrt(eigenvalues)[:, None]  # its square is the inverse
        half = self.inverse @ root
        operator = (half @ root.transpose(0, 2, 1) @ self.basis.T) * weight[:, None]
        if loose.any():
            half[loose], operator[loose] = _factorised(self.model.matrix, weight[loose])
        return self._finish_some(values, valid, half, operator)

    def _finish_some(
        self, values: NDArray[Any], valid: NDArray[np.bool_], half: NDArray[Any], operator: NDArray[Any]
    ) -> Fitted:
        """Apply the operators of pixels; ``half`` times its transpose is their covariance."""
        count = valid.sum(0)
        short = count < self.model.n_parameter
        operator[short] = np.nan
        parameters = (operator @ values.T[:, :, None])[:, :, 0]
        rest = np.where(valid, values - self.model.matrix @ parameters.T, 0)
        unit = half @ half.transpose(0, 2, 1)
        return Fitted(
            parameters.T,
            (rest * rest).sum(0),
            count,
            unit.transpose(1, 2, 0),
            operator.transpose(1, 2, 0),
        )

    def _put(
        self, found: Mapping[str, Any], pixels: Any, fitted: Fitted, propagate: Propagate | None
    ) -> None:
        """Write the maps of some pixels."""
        like = found[DATE_COUNT]
        parameters, square_sum = _as(like, fitted.parameters), _as(like, fitted.square_sum)
        count = _as(like, np.asarray(fitted.count, np.float64))
        found[DATE_COUNT][pixels] = count
        found[RESIDUAL_RMS][pixels] = (square_sum / count) ** 0.5
        variance = self._covariance(like, pixels, fitted, propagate) if self.has_std else None
        for each in self.maps:
            value, spread = _map_of(each, parameters, variance)
            found[each.name][pixels] = value
            if spread is not None:
                found[std_name(each.name)][pixels] = spread

    def _covariance(
        self, like: Any, pixels: Any, fitted: Fitted, propagate: Propagate | None
    ) -> "Covariance":
        if propagate is not None:
            operator = np.zeros((self.model.n_parameter, len(self.model.dates), *fitted.operator.shape[2:]))
            operator[:, self.rows] = fitted.operator
            return Covariance(_as(like, propagate(pixels, operator)), 1.0)
        redundancy = np.asarray(fitted.count, np.float64) - self.model.n_parameter
        known = _as(like, np.where(redundancy > 0, redundancy, np.nan))
        return Covariance(_as(like, fitted.unit), _as(like, fitted.square_sum) / known)


class Covariance(NamedTuple):
    """Covariance of parameters: ``unit``, (parameter, parameter, ...), times ``scale``."""

    unit: Any
    scale: Any

    def of(self, one: tuple[int, ...], other: tuple[int, ...]) -> Any:
        """Covariance of the sums of some parameters and of others."""
        found = sum(self.unit[i, j] for i in one for j in other)
        return found * self.scale


def _map_of(each: TimeMap, parameters: Any, covariance: Covariance | None) -> tuple[Any, Any]:
    """Give the values of a map, and their standard deviations if covariances are known."""
    xp = library_of(parameters)
    if each.part == "sum":
        value = sum(parameters[index] for index in each.parameters)
        return value, None if covariance is None else covariance.of(each.parameters, each.parameters) ** 0.5
    cosine, sine = (parameters[index] for index in each.parameters)
    square = cosine * cosine + sine * sine
    value = square**0.5 if each.part == "amplitude" else xp.arctan2(cosine, sine)
    if covariance is None:
        return value, None
    first, second = ((index,) for index in each.parameters)
    of_cosine, of_sine = covariance.of(first, first), covariance.of(second, second)
    both = covariance.of(first, second)
    safe = xp.where(square > 0, square, 1.0)
    along = cosine * cosine * of_cosine + 2 * cosine * sine * both + sine * sine * of_sine
    across = sine * sine * of_cosine - 2 * cosine * sine * both + cosine * cosine * of_sine
    if each.part == "amplitude":
        variance = xp.where(square > 0, along / safe, (of_cosine + of_sine) / 2)
    else:
        variance = xp.where(square > 0, across / safe**2, xp.where(of_cosine + of_sine == 0, 0.0, np.nan))
    return value, xp.where(variance < 0, 0.0, variance) ** 0.5


def _factorised(
    matrix: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factorise the matrices of pixels whose dates hardly tell the parameters apart.

    Parameters
    ----------
    matrix
        Of all dates, (date, parameter).
    weight
        1 where a pixel has a date, else 0, (pixel, date).

    Returns
    -------
    tuple
        The inverse of the triangular factor and the operator, (pixel, parameter, ...); NaN where they cannot.
    """
    own = weight[:, :, None] * matrix
    length = np.linalg.norm(own, axis=1)
    unit = own / np.where(length > 0, length, 1)[:, None]
    basis, triangle = np.linalg.qr(unit)
    pivots = np.abs(np.diagonal(triangle, axis1=1, axis2=2))
    sound = (pivots > SMALLEST_PIVOT).all(1)
    triangle[~sound] = np.eye(matrix.shape[1])
    half = np.linalg.inv(triangle) / np.where(length > 0, length, 1)[:, :, None]
    operator = half @ basis.transpose(0, 2, 1)
    half[~sound] = operator[~sound] = np.nan
    return half, operator


def _is_any(left_out: Any) -> Any:
    """Return the pixels of which any date is left out, eight bytes at a time."""
    if library_of(left_out) is not np:
        return (left_out != 0).any(0)
    return np.bitwise_or.reduce(left_out, axis=0) != 0


def _pieces(n_pixel: int, size: int) -> Iterator[slice]:
    for first in range(0, n_pixel, size):
        yield slice(first, min(first + size, n_pixel))


def _odd_pieces(pixels: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for piece in _pieces(len(pixels), _ODD_AT_ONCE):
        yield pixels[piece]


def _is_on_gpu(values: Any) -> bool:
    return str(values.device) != "cpu"


def _empty(xp: Any, n_pixel: int, like: Any) -> Any:
    if xp is np:
        return np.empty(n_pixel)
    return xp.empty(n_pixel, dtype=xp.float64, device=like.device)


def _double(xp: Any, values: Any) -> Any:
    return values.astype(np.float64) if xp is np else values.double()


def _like(values: NDArray[np.float64], other: Any) -> Any:
    """Give an array of NumPy as the library and the device of another one have it."""
    xp = library_of(other)
    return values if xp is np else xp.as_tensor(values, device=other.device)


def _as(like: Any, values: Any) -> Any:
    """Give numbers, whatever they are in, as a map that is written has them."""
    if library_of(like) is np:
        return values if library_of(values) is np else values.numpy()
    return values if library_of(values) is not np else _like(values, like)


def _numpy(values: Any) -> NDArray[Any]:
    found: NDArray[Any] = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return found
