"""No-data values declared by an array, and decoding of its stored values.

The function :func:`declared` serves all readers. The declarations of each format:

============================  ==========================================================================
where                         declaration of no data
============================  ==========================================================================
any array's attributes        ``_FillValue``, ``missing_value`` (one number or several), ``fill_value``,
                              ``nodata``, ``nodatavals``, ``NO_DATA_VALUE`` and their like, in any case of
                              letters; ``valid_range``, ``valid_min``, ``valid_max``: values outside
Zarr v2                       ``fill_value``
Zarr v3                       ``fill_value``, unless it is 0, the default
HDF5, NetCDF-4                the fill value that the dataset was created with, unless it is 0
MintPy's HDF5, and our names  ``NO_DATA_VALUE`` and the like of the whole file, unless it is 0
GDAL: GeoTIFF, VRT, ENVI,     the no-data value of the band, and the attributes above in its metadata;
ISCE, GMT's grids             where its mask is 0: a mask band, also as a file ``.msk``, or an alpha band
============================  ==========================================================================

NaN and infinities are no data everywhere, and so is a phase of 0. Values are compared as stored, before
CF's ``scale_factor``, ``add_offset`` and ``_Unsigned``, or GDAL's scale and offset, are applied; in
floating point to the precision of float32, and beyond 1e30, of which headers keep few digits, to 1 %. A valid
range in floating point for values packed into integers refers to the unpacked values, as in the NetCDF
conventions.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError

logger = logging.getLogger(__name__)

_NUMBERS = (
    "_fillvalue",
    "missing_value",
    "fill_value",
    "fillvalue",
    "nodata",
    "nodatavals",
    "no_data",
    "nodata_value",
    "no_data_value",
)
_BOUNDS = ("valid_range", "valid_min", "valid_max")
_PACKING = ("scale_factor", "add_offset", "_unsigned")
_CONSUMED = frozenset((*_NUMBERS, *_BOUNDS, *_PACKING))  # attributes that decoded values no longer have
_NONE = ("", "none", "null", "nan", "n/a", "no")
_HUGE, _FEW_DIGITS = 1e30, 0.99
_SAME = 1e-6  # relative tolerance of a bound

Number = int | float


@dataclass(frozen=True)
class StoredNumbers:
    """Encoding of stored values: no-data values, scale and offset. A plain value.

    ``numbers``: values of no data. ``lowest``, ``highest``: values beyond are no data. ``scale``, ``offset``:
    factor of a stored value, and offset added afterwards. ``view``: dtype that the bytes are interpreted as,
    where the stored dtype has the wrong sign.
    """

    numbers: tuple[Number, ...] = ()
    lowest: Number | None = None
    highest: Number | None = None
    scale: float = 1.0
    offset: float = 0.0
    view: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether all stored values are valid and need no decoding."""
        return self == StoredNumbers()

    @property
    def is_packed(self) -> bool:
        """Whether scale or offset apply."""
        return (self.scale, self.offset) != (1, 0)

    def decode(self, stored: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """Decode stored values; NaN, or 0 in integers, where there is no data.

        ``stored`` is modified, and returned if it has the desired dtype and no scale or offset applies.
        """
        dtype = np.dtype(dtype)
        stored = stored if self.view is None else stored.view(self.view)
        in_place = stored.dtype == dtype and not self.is_packed
        out = stored if in_place else np.empty(stored.shape, dtype)
        parts: Iterable[Any] = range(len(stored)) if stored.ndim > 2 else (...,)
        for part in parts:  # so that little memory is needed besides the result
            missing = self.find(stored[part])
            if not in_place:
                out[part] = self._unpack(stored[part], missing, dtype)
            else:
                out[part][missing] = 0 if dtype.kind in "iu" else np.nan
        return out

    def find(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where stored values are declared as no data."""
        missing = np.zeros(stored.shape, np.bool_)
        with np.errstate(over="ignore"):  # a float64 may be outside the stored range
            for number in self.numbers:
                missing |= _equals(stored, number)
            if self.lowest is not None:
                missing |= stored < self.lowest
            if self.highest is not None:
                missing |= stored > self.highest
        return missing

    def _unpack(self, stored: NDArray[Any], missing: NDArray[np.bool_], dtype: np.dtype[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore"):  # beyond float32: infinite, and counted as such
            if not self.is_packed and dtype.kind == "f":
                values = stored.astype(dtype)
            else:
                values = stored * np.float64(self.scale) + self.offset
            if dtype.kind == "f":
                return np.where(missing, np.nan, values).astype(dtype)
        limits = np.iinfo(dtype)
        known = np.where(missing | ~np.isfinite(values), 0, values)
        return known.clip(limits.min, limits.max).astype(dtype)


def declared(
    attrs: Mapping[str, Any],
    dtype: Any,
    *,
    fills: Iterable[Any] = (),
    defaults: Iterable[Any] = (),
) -> StoredNumbers:
    """Determine the values that an array declares as no data, and the packing of its values.

    Parameters
    ----------
    attrs
        Attributes of the array.
    dtype
        Dtype of its stored values.
    fills
        Additional declarations of the format: GDAL's no-data value, the ``fill_value`` of Zarr v2.
    defaults
        The same, but 0 means that nothing is declared.

    Raises
    ------
    StackFormatError
        The scale or the offset is not a finite number, or the scale is 0.

    Examples
    --------
    >>> declared({"_FillValue": -9999.9}, "f4").decode(np.array([1.5, -9999.9], "f4"), "f4")
    array([1.5, nan], dtype=float32)
    >>> declared({"scale_factor": 0.5, "_FillValue": -1, "_Unsigned": "true"}, "i1")
    StoredNumbers(numbers=(255,), lowest=None, highest=None, scale=0.5, offset=0.0, view='|u1')
    """
    dtype = np.dtype(dtype)
    named = {str(name).lower(): value for name, value in attrs.items()}
    view = _other_sign(named, dtype)
    kind = np.dtype(view or dtype)
    scale, offset = _packing(named)
    said = [number for name in _NUMBERS for number in _numbers(named.get(name), name)]
    said += [number for value in fills for number in _numbers(value)]
    said += [number for value in defaults for number in _numbers(value) if number != 0]
    lowest, highest = (
        bound if bound is None or not view else _with_sign(bound, kind)
        for bound in _bounds(named, kind, scale, offset)
    )
    said = [_with_sign(number, kind) if view else number for number in said]
    numbers = {found for number in said for found in _as_stored(number, kind, scale, offset)}
    return StoredNumbers(tuple(sorted(numbers)), lowest, highest, scale, offset, view)


def declared_of_hdf5(dataset: h5py.Dataset, of_the_file: Mapping[str, Any] | None = None) -> StoredNumbers:
    """Determine the declarations of an HDF5 dataset, and those in the attributes of its whole file."""
    plist = dataset.id.get_create_plist()
    fills = [dataset.fillvalue] if plist.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED else []
    return declared(dict(dataset.attrs), dataset.dtype, defaults=[*fills, *of_a_file(of_the_file or {})])


def of_a_file(attrs: Mapping[str, Any]) -> list[Any]:
    """Determine the declarations in the attributes of a whole file."""
    return [value for name, value in attrs.items() if str(name).lower() in _NUMBERS]


def read_decoded(dataset: h5py.Dataset) -> NDArray[np.float64]:
    """Read all values of an HDF5 dataset; NaN where there is no data."""
    return declared_of_hdf5(dataset).decode(np.asarray(dataset[()]), np.float64)


def without_declarations(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Drop the attributes that apply to the stored values only."""
    return {name: value for name, value in attrs.items() if str(name).lower() not in _CONSUMED}


def _equals(stored: NDArray[Any], number: Number) -> Any:
    if stored.dtype.kind != "f":
        return stored == number
    if abs(number) > _HUGE:
        return stored <= _FEW_DIGITS * number if number < 0 else stored >= _FEW_DIGITS * number
    narrow = np.dtype("f4") if stored.dtype.itemsize > 4 else stored.dtype
    return stored.astype(narrow, copy=False) == narrow.type(number)


def _as_stored(number: Number, kind: np.dtype[Any], scale: float, offset: float) -> Iterator[Number]:
    """Yield the stored values that match a declared one; none if no stored value can equal it."""
    if math.isnan(number) or math.isinf(number):
        return
    if kind.kind not in "iu":
        yield float(number)
        return
    limits = np.iinfo(kind)
    if number == int(number) and limits.min <= number <= limits.max:
        yield int(number)
    elif (scale, offset) != (1, 0):  # an unpacked value
        packed = (number - offset) / scale
        if abs(packed - round(packed)) < 1e-3 and limits.min <= packed <= limits.max:
            yield round(packed)


def _with_sign(number: Number, kind: np.dtype[Any]) -> Number:
    """Reinterpret a whole number that was written with the other sign."""
    if number != number // 1 or np.iinfo(kind).min <= number <= np.iinfo(kind).max:
        return number
    whole_turn: int = 2 ** (8 * kind.itemsize)
    return number + whole_turn if number < 0 else number - whole_turn


def _bounds(
    named: Mapping[str, Any], kind: np.dtype[Any], scale: float, offset: float
) -> tuple[Number | None, Number | None]:
    """Return the smallest and the largest valid stored value; None where not declared."""
    pair = list(_numbers(named.get("valid_range"), "valid_range"))
    lows = [*pair[:1], *_numbers(named.get("valid_min"), "valid_min")]
    highs = [*pair[1:2], *_numbers(named.get("valid_max"), "valid_max")]
    if kind.kind in "iu" and (scale, offset) != (1, 0) and any(isinstance(n, float) for n in lows + highs):
        lows, highs = [[(number - offset) / scale for number in bounds] for bounds in (lows, highs)]
        lows, highs = (highs, lows) if scale < 0 else (lows, highs)
    lowest, highest = max(lows, default=None), min(highs, default=None)
    if lowest is not None and isinstance(lowest, float):
        lowest -= _SAME * abs(lowest)
    if highest is not None and isinstance(highest, float):
        highest += _SAME * abs(highest)
    return lowest, highest


def _other_sign(named: Mapping[str, Any], dtype: np.dtype[Any]) -> str | None:
    said = str(_plain(named.get("_unsigned", ""))).lower()
    for sign, has, needs in (("true", "i", "u"), ("false", "u", "i")):
        if said == sign and dtype.kind == has:
            return f"{dtype.byteorder}{needs}{dtype.itemsize}"
    return None


def _packing(named: Mapping[str, Any]) -> tuple[float, float]:
    found = []
    for name, usual in (("scale_factor", 1.0), ("add_offset", 0.0)):
        numbers = list(_numbers(named[name], name)) if name in named else [usual]
        if len(numbers) != 1 or not math.isfinite(numbers[0]) or (name == "scale_factor" and not numbers[0]):
            raise StackFormatError(
                f"found {name} = {named[name]!r}; one finite number is needed. Correct it."
            )
        found.append(float(numbers[0]))
    return found[0], found[1]


def _numbers(value: Any, name: str = "") -> Iterator[Number]:
    """Yield the numbers of an attribute, which may be text, or several."""
    value = _plain(value)
    if isinstance(value, str):
        words = value.strip("{}[]() ").replace(",", " ").split()
        try:
            yield from (_number(word) for word in words if word.lower() not in _NONE)
        except ValueError:
            logger.warning("found the attribute %s = %r, which is not a number: not used", name, value)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _number(word: str) -> Number:
    try:
        return int(word)
    except ValueError:
        return float(word)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, tuple):
        value = list(value)
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
