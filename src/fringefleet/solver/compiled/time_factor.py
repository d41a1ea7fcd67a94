"""Forward substitution of parameters into the factors of many pixels, compiled for the CPU.

:mod:`fringefleet.solver.time_factor` has the equations; here every pixel has the same operator.
"""

from typing import Any, no_type_check

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.compiled.jit import fast
from fringefleet.solver.compiled.lanes import LANES
from fringefleet.solver.compiled.tables import kernel_plan
from fringefleet.solver.compiled.vectors import fill, load, store, to_double

_PART = 8  # pixels of a vector that are worked on at once


def propagate_shared(
    plan: EliminationPlan, edges: NDArray[Any], inverses: NDArray[Any], operator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Propagate the covariance of the dates of pixels to parameters.

    Parameters
    ----------
    plan
        The network's elimination.
    edges, inverses
        Factors, (slot, pixel), and 1 / d, (position, pixel), in the order of the plan.
    operator
        What makes the parameters of the series, (parameter, date).

    Returns
    -------
    array
        (parameter, parameter, pixel).
    """
    walk, n_parameter, n_pixel = kernel_plan(plan), len(operator), edges.shape[1]
    places = np.ascontiguousarray(operator[:, list(plan.order)].T)
    found = np.empty((n_parameter, n_parameter, n_pixel))
    state = np.empty((places.size, LANES))
    products = np.empty((n_parameter**2, LANES))
    edge, inverse = np.zeros((len(edges), LANES), edges.dtype), np.zeros((len(inverses), LANES), edges.dtype)
    firsts, ends = np.ascontiguousarray(walk.firsts[:, 0]), np.ascontiguousarray(walk.later[:, 1])
    for first in range(0, n_pixel, LANES):
        n_here = min(LANES, n_pixel - first)
        edge[:, :n_here], inverse[:, :n_here] = (
            edges[:, first : first + n_here],
            inverses[:, first : first + n_here],
        )
        substitute_parameters(edge, inverse, firsts, ends, places, state, products)
        found[..., first : first + n_here] = products.reshape(n_parameter, n_parameter, LANES)[..., :n_here]
    return found


@fast
@no_type_check
def substitute_parameters(edge, inverse, firsts, ends, places, state, products):
    """Substitute forward for a vector of pixels, and sum up the products of every two parameters."""
    n_date, n_parameter = places.shape
    for row in range(n_date * n_parameter):
        for lane in range(0, LANES, _PART):
            store(state, row, lane, fill(state, _PART, places[row // n_parameter, row % n_parameter]))
    for row in range(n_parameter * n_parameter):
        for lane in range(0, LANES, _PART):
            store(products, row, lane, fill(state, _PART, 0.0))
    for place in range(n_date - 1):
        for lane in range(0, LANES, _PART):
            _carry(edge, firsts, ends, place, lane, n_parameter, state)
            _multiply(inverse, place, lane, n_parameter, state, products)


@fast
@no_type_check
def _carry(edge, firsts, ends, place, lane, n_parameter, state):
    for slot in range(firsts[place], firsts[place + 1]):
        factor = to_double(load(edge, slot, lane, _PART))
        for one in range(n_parameter):
            row = ends[slot] * n_parameter + one
            carried = load(state, place * n_parameter + one, lane, _PART)
            store(state, row, lane, load(state, row, lane, _PART) + factor * carried)


@fast
@no_type_check
def _multiply(inverse, place, lane, n_parameter, state, products):
    root = to_double(load(inverse, place, lane, _PART))
    for one in range(n_parameter):
        mine = root * load(state, place * n_parameter + one, lane, _PART)
        for other in range(n_parameter):
            row = one * n_parameter + other
            product = mine * load(state, place * n_parameter + other, lane, _PART)
            store(products, row, lane, load(products, row, lane, _PART) + product)
