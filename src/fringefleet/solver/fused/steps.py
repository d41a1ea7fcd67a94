"""Steps of the elimination of a date, shared by the fused kernels.

:mod:`fringefleet.solver.fused.kernel` explains the principles.

``work`` is (edge, inverse, exact, stride, here), ``tables`` the tables without the order of the dates, in
their order. ``exact`` has the right-hand sides, substituted forward and over ``d``, in float64.
"""

from typing import no_type_check

import triton
import triton.language as tl

from fringefleet.solver.fused.observe import divide

# Columns of the table of firsts
SLOT, ROW, EARLIER, TIED = (tl.constexpr(column) for column in range(4))
_INFINITE = tl.constexpr(float("inf"))


@triton.jit
@no_type_check
def begin_block(place, column: tl.constexpr, firsts):
    """Return where the members of a position begin in a list, and where they end."""
    return tl.load(firsts + place * 4 + column), tl.load(firsts + place * 4 + 4 + column)


@triton.jit
@no_type_check
def close_edge(slot, e, work, tables):
    """Add the updates from the elimination of earlier dates to the weight of an edge; store it."""
    edge, inverse, _, stride, here = work
    first_update, updates = tables[5:]
    for update in range(tl.load(first_update + slot), tl.load(first_update + slot + 1)):
        before = tl.load(updates + update * 3 + 2) * stride
        near = tl.load(edge + tl.load(updates + update * 3) * stride, here, 0)
        factor = near * tl.load(inverse + before, here, 0)
        e += factor * tl.load(edge + tl.load(updates + update * 3 + 1) * stride, here, 0)
    tl.store(edge + slot * stride, e, here)
    return e


@triton.jit
@no_type_check
def close_date(place, total, pull, work):
    """Store 1 / d, or 0 if d is 0, and the right-hand side times that; return it, and if d is nonzero."""
    _, inverse, exact, stride, here = work
    share = divide(total * 0 + 1, tl.where(total > 0, total, 1))
    is_tied = (total > 0) & (share < _INFINITE)
    share = tl.where(is_tied, share, 0)
    tl.store(inverse + place * stride, share, here)
    tl.store(exact + place * stride, pull * share.to(tl.float64), here)
    return share, is_tied


@triton.jit
@no_type_check
def substitute_forward(place, pull, work, tables):
    """Add the contributions of earlier dates to the right-hand side of a date."""
    edge, _, exact, stride, here = work
    tied = tables[4]
    first, last = begin_block(place, TIED, tables[0])
    for member in range(first, last):
        e = tl.load(edge + tl.load(tied + member * 2) * stride, here, 0)
        pull += e.to(tl.float64) * tl.load(exact + tl.load(tied + member * 2 + 1) * stride, here, 0)
    return pull


@triton.jit
@no_type_check
def substitute_back(place, solution, work, tables):
    """Solve for a date whose later neighbours are solved; store and return its value."""
    edge, inverse, exact, stride, here = work
    slots = tables[1]
    value = tl.load(exact + place * stride, here, 0).to(solution.dtype.element_ty)
    share = tl.load(inverse + place * stride, here, 0)
    first, last = begin_block(place, SLOT, tables[0])
    for slot in range(first, last):
        later = tl.load(solution + tl.load(slots + slot * 4 + 2) * stride, here, 0)
        value += tl.load(edge + slot * stride, here, 0) * share * later
    tl.store(solution + place * stride, value, here)
    return value


@triton.jit
@no_type_check
def make_factors(n_turn, work, tables):
    """Turn all edges into factors, for later use."""
    edge, inverse, _, stride, here = work
    for place in range(n_turn):
        share = tl.load(inverse + place * stride, here, 0)
        first, last = begin_block(place, SLOT, tables[0])
        for slot in range(first, last):
            to = edge + slot * stride
            tl.store(to, tl.load(to, here, 0) * share, here)
