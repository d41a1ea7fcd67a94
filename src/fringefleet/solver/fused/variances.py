"""Standard deviations of the dates of a pixel as one Triton kernel, from the factor of the inversion.

It computes the same as :func:`fringefleet.solver.uncertainty.selected_variances`: backward over the dates,
the covariance of a date with each of its neighbours,

    Z_va = sum_b f_b Z_ba,        Z_vv = 1/d + sum_a f_a Z_va

where every Z_ba has a slot, and Z_aa a row after the slots. How the kernel follows the plan, and why it
needs no barrier, is explained in :mod:`fringefleet.solver.fused.kernel`.

A variance is positive: a negative value marks a date that no valid pairs connect to the root.
"""

from typing import no_type_check

import triton
import triton.language as tl

_UNTIED = tl.constexpr(-1.0)


@triton.jit(do_not_specialize=["n_turn", "n_slot", "n_pixel"])
@no_type_check
def deviate(
    edge,
    inverse,
    covariance,
    unit,
    result,
    firsts,
    order,
    slots,
    between,
    n_turn,
    n_slot,
    n_pixel,
    IS_FACTOR: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the square root of variance times unit, dates in the order of the network.

    ``edge`` has edges, or factors where ``IS_FACTOR``; ``between`` the row of ``covariance`` for any two
    connected positions, (position, position); ``unit`` one value per pixel.
    """
    pixel = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = pixel < n_pixel
    stride = n_pixel.to(tl.int64)
    edge += pixel
    covariance += pixel
    result += pixel
    scale = tl.load(unit + pixel, here, 0)
    zero = here.to(edge.dtype.element_ty) * 0
    variances = covariance + n_slot * stride  # of each position
    tl.store(variances + n_turn * stride, zero, here)
    tl.store(result + tl.load(order + n_turn) * stride, zero, here)  # whatever the unit is
    for turn in range(n_turn):
        place = n_turn - 1 - turn
        share = tl.load(inverse + pixel + place * stride, here, 0)
        factor = share
        if IS_FACTOR:
            factor = zero + 1
        variance = share
        is_tied = here & (zero > 0)
        first = tl.load(firsts + place * 4)
        last = tl.load(firsts + place * 4 + 4)
        for slot in range(first, last):
            near = tl.load(slots + slot * 4 + 2)
            shared = zero
            for other in range(first, last):
                row = tl.load(between + near * (n_turn + 1) + tl.load(slots + other * 4 + 2)) * stride
                f = tl.load(edge + other * stride, here, 0) * factor
                shared += f * tl.maximum(tl.load(covariance + row, here, 0), 0)
            tl.store(covariance + slot * stride, shared, here)
            f = tl.load(edge + slot * stride, here, 0) * factor
            is_tied = is_tied | ((f > 0) & (tl.load(variances + near * stride, here, 0) >= 0))
            variance += f * shared
        tl.store(variances + place * stride, tl.where(is_tied, variance, _UNTIED), here)
        # Negative values have no root.
        found = tl.where(is_tied, variance * scale, float("nan"))
        tl.store(result + tl.load(order + place) * stride, tl.sqrt(found), here)
