"""Observations of a batch as the compiled kernel reads them: arrays of few types, without copies."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fringefleet.solver.compiled.observe import MASK_RULES, WEIGHT_RULES, Source
from fringefleet.solver.compiled.vectors import PART
from fringefleet.solver.raw import Raw, Rules


def source_of_kernel(real: np.dtype[Any], raw: Raw, rules: Rules) -> Source:
    """Return observations and rules as arrays of the types that the kernel is compiled for.

    Parameters
    ----------
    real
        Dtype of the computation.
    raw, rules
        As NumPy arrays, or tensors on the CPU.
    """
    n_pair = len(raw.observed)
    limits = _numbers(rules.limits, 2, np.dtype(np.float64))
    mask = None if raw.mask is None else np.asarray(raw.mask)
    if mask is not None and mask.dtype.kind == "f":
        limits = limits.astype(mask.dtype).astype(np.float64)  # compared in the dtype of the file
    if mask is not None and mask.dtype not in (np.float32, np.float64):
        mask = mask.astype(np.float32)
    observed, beside = _in_one_piece(raw.observed, real), _in_one_piece(raw.beside, real)
    found = _in_one_piece(mask, np.dtype(np.float32) if mask is None else mask.dtype)
    return Source(
        observed=observed[0],
        beside=beside[0],
        mask=found[0],
        land=_numbers(raw.land, 0, real),
        strides=(observed[1], beside[1], found[1]),
        ends=tuple(np.zeros(PART, array.dtype) for array in (observed[0], beside[0], found[0], observed[0])),
        reference=_numbers(rules.reference, n_pair, real),
        medians=_numbers(rules.medians, n_pair, np.dtype(np.float32)),
        table=_numbers(rules.table, 1, real),
        limits=limits,
        weight=WEIGHT_RULES.index(rules.weight),
        mask_rule=MASK_RULES.index(rules.mask),
        is_offset=rules.is_offset,
    )


def _in_one_piece(values: Any, dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """View, or convert, (pair, pixel) as contiguous memory; return it with the stride of its rows."""
    if values is None:
        return np.zeros(0, dtype), 0
    array = np.asarray(values).astype(dtype, copy=False)
    if array.strides[1] != dtype.itemsize or array.strides[0] % dtype.itemsize:
        array = np.ascontiguousarray(array)
    if not array.flags.writeable:  # a different type for numba; the kernel does not write to it
        array = np.asarray(_Writeable(array))
    n_pair, n_pixel = array.shape
    stride = array.strides[0] // dtype.itemsize
    n_number = (n_pair - 1) * stride + n_pixel
    return as_strided(array, (n_number,), (dtype.itemsize,)), stride


class _Writeable:
    """Memory of an array, presented as writeable."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        found = array.__array_interface__
        self.__array_interface__ = found | {"data": (found["data"][0], False)}


def _numbers(values: Any, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if values is None:
        return np.zeros(n, dtype)
    return np.array(np.asarray(values), dtype, order="C")
