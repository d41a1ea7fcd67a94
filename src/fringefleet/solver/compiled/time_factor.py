r"""Covariance of parameters of the series from the factors of many pixels, compiled for the CPU.

:mod:`fringefleet.solver.time_factor` has the equations; here every pixel has the same operator. With the
factors :math:`g_b` that the kernel keeps, which are those of the edges divided by the root of :math:`1/d`,

.. math:: u_v = \sqrt{1/d_v}\, \Big(p_v + \sum_a g_a u_a\Big), \qquad p N^{-1} q^T = \sum_v u_v(p)\, u_v(q)

with the sum over the earlier dates ``a`` that have an edge to ``v``.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.compiled.jit import exact, fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.tables import kernel_plan
from fringefleet.solver.compiled.vectors import fill, load, store, to_double

_PART = 8  # pixels of a vector that are worked on at once


class VectorParameters(NamedTuple):
    """Operator of parameters of the series, and memory for their covariance at a vector of pixels."""

    operator: Any  # (position, parameter), in the order of the plan
    state: Any  # (position times parameter, pixel)
    products: Any  # (parameter times parameter, pixel)


def parameters_of_vector(plan: EliminationPlan, operator: NDArray[np.float64]) -> VectorParameters:
    """Allocate the memory for an operator.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    operator
        What makes the parameters of the series, (parameter, date).
    """
    return VectorParameters(
        operator=np.ascontiguousarray(operator[:, list(plan.order)].T),
        state=np.zeros((operator.size, LANES)),
        products=np.zeros((len(operator) ** 2, LANES)),
    )


def propagate_shared(
    plan: EliminationPlan, edges: NDArray[Any], inverses: NDArray[Any], operator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Propagate the covariance of the dates of pixels to parameters.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    edges, inverses
        Factors, (slot, pixel), and 1 / d, (position, pixel), in the order of the plan.
    operator
        What makes the parameters of the series, (parameter, date).

    Returns
    -------
    array
        (parameter, parameter, pixel).
    """
    walk, parameters = kernel_plan(plan), parameters_of_vector(plan, operator)
    n_parameter, n_pixel = len(operator), edges.shape[1]
    ends = np.repeat(np.arange(len(inverses)), np.diff(walk.firsts[:, 0]))  # earlier date of every slot
    found = np.empty((n_parameter**2, n_pixel))
    factor, root = np.zeros((len(edges), LANES), edges.dtype), np.zeros((len(inverses), LANES), edges.dtype)
    for first in range(0, n_pixel, LANES):
        n_here = min(LANES, n_pixel - first)
        here = slice(first, first + n_here)
        np.sqrt(inverses[:, here], out=root[:, :n_here])
        shared = root[ends, :n_here]
        factor[:, :n_here] = edges[:, here] / np.where(shared > 0, shared, 1)
        substitute_parameters(factor, root, walk, parameters)
        keep_parameters(parameters, first, n_here, found)
    return found.reshape(n_parameter, n_parameter, n_pixel)


@fast
@no_type_check
def substitute_parameters(factor, root, walk, parameters):
    """Substitute forward for a vector of pixels, and sum up the products of every two parameters."""
    n_date, n_parameter = parameters.operator.shape
    for row in range(n_parameter * n_parameter):
        for lane in range(0, LANES, _PART):
            store(parameters.products, row, lane, fill(parameters.products, _PART, 0.0))
    for place in range(n_date - 1):
        for lane in range(0, LANES, _PART):
            weight = to_double(load(root, place, lane, _PART))
            for one in range(n_parameter):
                value = fill(parameters.state, _PART, parameters.operator[place, one])
                for tie in range(walk.firsts[place, 2], walk.firsts[place + 1, 2]):
                    earlier = load(parameters.state, walk.tied[tie, 1] * n_parameter + one, lane, _PART)
                    value = value + to_double(load(factor, walk.tied[tie, 0], lane, _PART)) * earlier
                value = value * weight
                store(parameters.state, place * n_parameter + one, lane, value)
                for other in range(one + 1):
                    row = one * n_parameter + other
                    product = value * load(parameters.state, place * n_parameter + other, lane, _PART)
                    store(
                        parameters.products, row, lane, load(parameters.products, row, lane, _PART) + product
                    )


@exact
@no_type_check
def keep_parameters(parameters, first, n_here, covariance):
    """Write the covariance of a vector to that of the batch, (parameter times parameter, pixel)."""
    n_parameter = parameters.operator.shape[1]
    for one in range(n_parameter):
        for other in range(n_parameter):
            row = max(one, other) * n_parameter + min(one, other)
            found = parameters.products[row]
            into = covariance[one * n_parameter + other, first : first + n_here]
            for p in range(n_here):
                into[p] = found[p]
