"""Steps of the elimination of a vector of pixels, compiled for the CPU.

A vector is as many pixels as stay near a core, and a row is one number of each of them. Every loop runs along
rows, so that the compiler makes vector instructions of it, and rows are whole multiples of
:data:`~fringefleet.solver.lanes.LANES`: no loop has a rest that would be computed in another way, and a pixel
gets the same bits wherever it is in a vector.

Nothing may be reassociated. Products and sums may be contracted into one instruction with one rounding, which
is the same for all pixels.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from fringefleet.solver.jit import fast


class Cells(NamedTuple):
    """Memory for one vector of pixels; rows in the order of the plan. See :class:`compiled.Workspace`."""

    residual: Any  # (pair, pixel): phases [rad], then what is left of them
    weight: Any  # (pair, pixel) [rad^-2]; zero where an observation is missing
    edge: Any  # (slot, pixel): weights of edges
    factor: Any  # (slot, pixel): f of the edges
    inverse: Any  # (position, pixel): 1 / d, or 0
    right: Any  # (position, pixel): right-hand side
    exact: Any  # (position, pixel): the same in float64
    series: Any  # (position, pixel) [rad]
    change: Any  # (position, pixel): by the refinement
    scratch: Any  # (N_SCRATCH, pixel): see compiled_kernel


class Walk(NamedTuple):
    """What a kernel goes along: the plan as tables of numbers; see :func:`compiled.walk_of`."""

    firsts: Any  # (position and one, 3): of each position in slots, rows, tied
    order: Any  # (position,): date
    anchor: int  # position of the date whose pairs are not counted
    rows: Any  # (pair, 3): pair, its sign, position of the later date
    base: Any  # (slot,): row of its pair; NO_PAIR of fill
    later: Any  # (slot, 2): slot, position of the later date
    tied: Any  # (slot, 2): slot, position of the earlier date; by later date
    first_update: Any  # (slot and one,): of each slot in updates
    updates: Any  # (update, 2): slot of f, slot of e


@fast
@no_type_check
def add_products(target, one, other, table, first, last):
    """Add to a row the products of some rows of two arrays, four at a time and in their order.

    The row is loaded and stored once for four products: that is what counts where a date has many
    neighbours.
    """
    n = len(target)
    member = first
    while member + 4 <= last:
        a, b = one[table[member, 0]], other[table[member, 1]]
        c, d = one[table[member + 1, 0]], other[table[member + 1, 1]]
        e, f = one[table[member + 2, 0]], other[table[member + 2, 1]]
        g, h = one[table[member + 3, 0]], other[table[member + 3, 1]]
        for p in range(n):
            target[p] = (((target[p] + a[p] * b[p]) + c[p] * d[p]) + e[p] * f[p]) + g[p] * h[p]
        member += 4
    while member < last:
        a, b = one[table[member, 0]], other[table[member, 1]]
        for p in range(n):
            target[p] += a[p] * b[p]
        member += 1


@fast
@no_type_check
def factorise(cells, walk):
    """Eliminate date by date: edges, factors and 1 / d, which is 0 where d is."""
    n_turn = len(walk.order) - 1
    total, none = cells.scratch[0], cells.scratch[1]
    n = len(total)
    nothing, one = total.dtype.type(0), total.dtype.type(1)
    huge = total.dtype.type(np.inf)
    none[:] = nothing
    for place in range(n_turn):
        first, last = walk.firsts[place, 0], walk.firsts[place + 1, 0]
        total[:] = nothing
        for slot in range(first, last):
            edge, row = cells.edge[slot], walk.base[slot]
            base = cells.weight[row] if row >= 0 else none
            begin, end = walk.first_update[slot], walk.first_update[slot + 1]
            rest = begin + (end - begin) % 4
            _begin_edge(edge, base, cells.factor, cells.edge, walk.updates, begin, rest)
            add_products(edge, cells.factor, cells.edge, walk.updates, rest, end)
            for p in range(n):
                total[p] += edge[p]
        inverse = cells.inverse[place]
        for p in range(n):
            share = one / total[p]
            inverse[p] = share if share < huge else nothing
        for slot in range(first, last):
            edge, factor = cells.edge[slot], cells.factor[slot]
            for p in range(n):
                factor[p] = edge[p] * inverse[p]
    cells.inverse[n_turn][:] = nothing


@fast
@no_type_check
def _begin_edge(edge, base, one, other, table, first, last):
    """Set a row to another one and at most three products; as :func:`add_products`, but all in one loop."""
    n = len(edge)
    if last - first == 0:
        for p in range(n):
            edge[p] = base[p]
    elif last - first == 1:
        a, b = one[table[first, 0]], other[table[first, 1]]
        for p in range(n):
            edge[p] = base[p] + a[p] * b[p]
    elif last - first == 2:
        a, b = one[table[first, 0]], other[table[first, 1]]
        c, d = one[table[first + 1, 0]], other[table[first + 1, 1]]
        for p in range(n):
            edge[p] = (base[p] + a[p] * b[p]) + c[p] * d[p]
    else:
        a, b = one[table[first, 0]], other[table[first, 1]]
        c, d = one[table[first + 1, 0]], other[table[first + 1, 1]]
        e, f = one[table[first + 2, 0]], other[table[first + 2, 1]]
        for p in range(n):
            edge[p] = ((base[p] + a[p] * b[p]) + c[p] * d[p]) + e[p] * f[p]


@fast
@no_type_check
def sum_pulls(cells, walk):
    """Sum weight times phase at every date."""
    cells.right[:] = cells.right.dtype.type(0)
    for place in range(len(walk.firsts) - 2):
        near = cells.right[place]
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            far = cells.right[walk.rows[row, 2]]
            weight, residual = cells.weight[row], cells.residual[row]
            for p in range(len(near)):
                pull = weight[p] * residual[p]
                near[p] += pull
                far[p] -= pull


@fast
@no_type_check
def substitute(cells, walk, solution):
    """Solve for the right-hand side, which is overwritten: forward, then backward."""
    n_turn = len(walk.firsts) - 2
    for place in range(n_turn):
        first, last = walk.firsts[place, 2], walk.firsts[place + 1, 2]
        add_products(cells.right[place], cells.factor, cells.right, walk.tied, first, last)
    solution[n_turn][:] = solution.dtype.type(0)
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        value, right, inverse = solution[place], cells.right[place], cells.inverse[place]
        for p in range(len(value)):
            value[p] = right[p] * inverse[p]
        first, last = walk.firsts[place, 0], walk.firsts[place + 1, 0]
        add_products(value, cells.factor, solution, walk.later, first, last)


@fast
@no_type_check
def subtract_model(cells, walk, series):
    """Subtract the phase differences of a series from the residual; sum what is left, weighed, in float64.

    At the solution these sums vanish although their terms do not: in float32 what is left would be the
    rounding of the heaviest pair, and the lightest would follow it.
    """
    cells.exact[:] = 0.0
    for place in range(len(walk.firsts) - 2):
        near, value = cells.exact[place], series[place]
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            partner = walk.rows[row, 2]
            far, other = cells.exact[partner], series[partner]
            weight, residual = cells.weight[row], cells.residual[row]
            for p in range(len(value)):
                residual[p] += other[p] - value[p]
            for p in range(len(value)):
                pull = np.float64(weight[p]) * np.float64(residual[p])
                near[p] += pull
                far[p] -= pull
    for place in range(len(walk.firsts) - 1):
        right, exact = cells.right[place], cells.exact[place]
        for p in range(len(right)):
            right[p] = exact[p]


@fast
@no_type_check
def refine(cells, walk, validity):
    """Add the change to the series, and take it off what is left of the phases of valid pairs.

    ``validity``, (pair, pixel), is above zero where a pair is valid.
    """
    zero = cells.series.dtype.type(0)
    for place in range(len(walk.order)):
        series, change = cells.series[place], cells.change[place]
        for p in range(len(series)):
            series[p] += change[p]
    for place in range(len(walk.order) - 1):
        change = cells.change[place]
        for row in range(walk.firsts[place, 1], walk.firsts[place + 1, 1]):
            other, counts, residual = cells.change[walk.rows[row, 2]], validity[row], cells.residual[row]
            for p in range(len(change)):
                rest = residual[p] + (other[p] - change[p])
                residual[p] = rest if counts[p] > zero else zero
