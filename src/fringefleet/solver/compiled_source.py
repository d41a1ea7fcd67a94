"""Observations of a batch as the compiled kernel reads them: NumPy arrays of few types, where they are."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.solver.compiled_observe import MASK_RULES, WEIGHT_RULES, Source
from fringefleet.solver.eliminated import Eliminated
from fringefleet.solver.raw import Raw, Rules
from fringefleet.solver.vectors import PART

_MASK_TYPES = (torch.float32, torch.float64)


def numpy_source(work: Eliminated, raw: Raw, rules: Rules) -> Source:
    """Give observations and rules as NumPy arrays of the types that the kernel is compiled for."""
    real, n_pair = work.dtype, work.plan.network.n_pair
    mask = raw.mask
    if mask is not None and mask.dtype not in _MASK_TYPES:
        mask = mask.to(torch.float32)
    observed, beside = _in_one_piece(raw.observed, real), _in_one_piece(raw.beside, real)
    found = _in_one_piece(mask, torch.float32 if mask is None else mask.dtype)
    limits = torch.zeros(2, dtype=torch.float64) if rules.limits is None else rules.limits
    if raw.mask is not None and raw.mask.dtype.is_floating_point:
        limits = limits.to(raw.mask.dtype).double()  # it is compared in the numbers of the file
    return Source(
        observed=observed[0],
        beside=beside[0],
        mask=found[0],
        land=_numbers(raw.land, 0, real),
        strides=(observed[1], beside[1], found[1]),
        ends=tuple(np.zeros(PART, array.dtype) for array in (observed[0], beside[0], found[0], observed[0])),
        reference=_numbers(rules.reference, n_pair, real),
        medians=_numbers(rules.medians, n_pair, torch.float32),
        table=_numbers(rules.table, 1, real),
        limits=limits.numpy(),
        weight=WEIGHT_RULES.index(rules.weight),
        mask_rule=MASK_RULES.index(rules.mask),
        is_offset=rules.is_offset,
    )


def _in_one_piece(values: Tensor | None, dtype: torch.dtype) -> tuple[NDArray[Any], int]:
    """View, or convert, (pair, pixel) as one piece of memory; tell how far its rows are apart."""
    if values is None:
        return torch.zeros(0, dtype=dtype).numpy(), 0
    values = values.to(dtype)
    if values.stride(1) != 1:
        values = values.contiguous()
    n_pair, n_pixel = values.shape
    stride = values.stride(0)
    piece = values.as_strided(((n_pair - 1) * stride + n_pixel,), (1,), values.storage_offset())
    return piece.numpy(), stride


def _numbers(values: Tensor | None, n: int, dtype: torch.dtype) -> NDArray[Any]:
    return torch.zeros(n, dtype=dtype).numpy() if values is None else values.to(dtype).contiguous().numpy()
