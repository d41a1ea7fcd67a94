"""Reader of any Zarr store (v2, v3) or NetCDF-4 file with our names, whatever wrote it, lazily.

Required are ``unwrapped_phase`` [rad] over ``pair``, ``y`` and ``x`` in any order, floating point (or
``range_offset`` or ``azimuth_offset`` [pixel]), and ``reference_date`` and ``secondary_date`` over ``pair``:
CF times, or text or whole numbers YYYYMMDD.

Optional are ``coherence``, ``connected_component`` and the additional variables of offsets
(:mod:`fringefleet.observation.quantity`) over the same dimensions, ``perpendicular_baseline``
[m] over ``pair``, the coordinates ``y`` and ``x`` (pixel centres) with a CF grid mapping as rioxarray writes
it, and the attributes ``wavelength`` [m], ``looks`` and ``reference_point`` (row, column), or MintPy's
``WAVELENGTH``, ``NCORRLOOKS``, ``REF_Y`` ... instead. Declared no-data values become NaN
(:mod:`fringefleet.io.lazy.no_data`), and CF's ``scale_factor`` and ``add_offset`` are applied. Everything
else is kept.

The sign convention is ours: ``unwrapped_phase`` is phase[secondary_date] - phase[reference_date], and
-wavelength / (4 pi) times it is positive towards the satellite.
"""

import base64
import struct
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import ZarrStore
from xarray.core import indexing

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.declared import check_declared_bytes, check_declared_scene, check_read_whole
from fringefleet.io.checks.door import readable
from fringefleet.io.dates import DAY, SECOND, read_dates, unite_precisions
from fringefleet.io.files.version import FilesVersion, FileVersion
from fringefleet.io.grid import with_reference_coordinates
from fringefleet.io.hdf5.layout import find_reading
from fringefleet.io.hdf5.variables import HDF5Array, open_hdf5
from fringefleet.io.lazy.decoded import decoded, encoding_kept
from fringefleet.io.lazy.guarded import guard_variable
from fringefleet.io.lazy.no_data import StoredNumbers, declared, declared_of_hdf5, of_a_file
from fringefleet.io.mintpy.metadata import derived_attributes, plain_attributes
from fringefleet.io.mintpy.names import MINTPY_NAMES
from fringefleet.io.readers.named_grid import with_grid_of_store
from fringefleet.io.zarr.arrays import array_in, in_order, open_group
from fringefleet.io.zarr.checked_store import WholeChunks
from fringefleet.io.zarr.chunk_layout import with_chunk_files
from fringefleet.io.zarr.complete import check_all_chunks
from fringefleet.io.zarr.files import array_layout, scan_zarr
from fringefleet.io.zarr.metadata import check_store
from fringefleet.observation.quantity import PHASE, is_observation

_ORDER = ("pair", "y", "x")
_INTEGER = "connected_component"
_WORDS = {"f": "floating-point numbers", "iuf": "numbers"}
_DATES = ("reference_date", "secondary_date")


def open_zarr(path: Path) -> xr.Dataset:
    """Open a Zarr store with our names lazily.

    Raises
    ------
    StackFormatError
        It cannot be opened, or a name, a dimension or a type is not as required.
    """
    check_store(path)
    store = WholeChunks(path, read_only=True)
    with readable("the Zarr store"):
        listing = scan_zarr(path)  # before anything is read
        # With the fill value in its place, xarray does not reject a _FillValue that is clearly a number.
        opened = ZarrStore.open_group(store, mode="r", consolidated=False, use_zarr_fill_value_as_mask=True)
        raw = in_order(open_group(opened, decode_cf=False))
        group = zarr.open_group(store, mode="r", use_consolidated=False)
        raw = with_chunk_files(raw, group)
        how = _declared_in_zarr(raw, group)
        stored = _decode_the_rest(raw, how)
    check_all_chunks(path)
    arrays = []
    for name, variable in stored.variables.items():
        whole = variable.encoding.get("shards") or variable.encoding.get("chunks")
        if whole and {"y", "x"} <= set(variable.dims):
            arrays.append(array_layout(str(name), tuple(map(str, variable.dims)), whole))
        variable.encoding = (
            {"preferred_chunks": dict(zip(variable.dims, whole, strict=True))} if whole else {}
        )
    stack = _as_stack(stored, how, path)
    in_tiles = tuple(array for array in arrays if array.name not in stack.coords)
    stack.encoding["version"] = FilesVersion(str(path.absolute()), listing, scan_zarr, in_tiles)
    return stack


def _declared_in_zarr(raw: xr.Dataset, group: zarr.Group) -> dict[str, StoredNumbers]:
    """Find the declarations of our arrays; restore the actual attributes of all variables."""
    found = {}
    for name, variable in raw.variables.items():
        array = array_in(group, str(name))
        defaults = of_a_file(raw.attrs)
        said = [_fill_value(array.attrs["_FillValue"])] if "_FillValue" in array.attrs else []
        if array.metadata.zarr_format == 3:  # in version 2 xarray takes it for the attribute
            defaults.append(array.fill_value)
            variable.attrs.pop("_FillValue", None)
            variable.attrs.update(zip(["_FillValue"], said, strict=False))
        if _is_gridded(name):
            found[str(name)] = declared(variable.attrs, variable.dtype, fills=said, defaults=defaults)
    return found


def _fill_value(said: Any) -> Any:
    """Read the attribute ``_FillValue`` in Zarr v3: a number, or xarray's base64 form of one."""
    try:
        return struct.unpack("<d", base64.standard_b64decode(said))[0]
    except (TypeError, ValueError, Base64Error, struct.error):
        return said


def _decode_the_rest(raw: xr.Dataset, ours: Iterable[str]) -> xr.Dataset:
    """Let xarray decode what is neither gridded nor ours."""
    untouched = dict.fromkeys(ours, False)
    return xr.decode_cf(raw, mask_and_scale=untouched, decode_timedelta=False)  # type: ignore[arg-type]


def _is_gridded(name: Any) -> bool:
    """Return whether a variable is one of our gridded ones."""
    return str(name) in MINTPY_NAMES or is_observation(str(name))


def open_netcdf(path: Path) -> xr.Dataset:
    """Open a NetCDF-4 file with our names lazily; it is opened for each read, without locks.

    Raises
    ------
    StackFormatError
        It cannot be opened, or a name, a dimension or a type is not as required.
    """
    source = FileVersion.of(path)
    with open_hdf5(path) as file:
        try:
            named = h5netcdf.File(file, "r", decode_vlen_strings=True)  # does not close the file
            raw = {name: _raw_variable(source, file, name, item) for name, item in named.variables.items()}
        except ValueError as error:
            raise StackFormatError(
                f"found an HDF5 file that is not NetCDF-4 ({str(error).splitlines()[0]}); its datasets "
                "need named dimensions. Write it with xarray, netCDF4 or h5netcdf."
            ) from error
        stored = xr.Dataset(raw, attrs=dict(named.attrs))
        how = {
            name: declared_of_hdf5(file[name], stored.attrs) for name in map(str, raw) if _is_gridded(name)
        }
    stack = _as_stack(_decode_the_rest(stored, how), how, path)
    stack.encoding["version"] = FilesVersion.of(path, [source])
    return stack


def _raw_variable(source: FileVersion, file: h5py.File, name: str, item: h5netcdf.Variable) -> xr.Variable:
    """Return a gridded variable lazily, others in memory."""
    _check_shape(item)
    if not {"y", "x"} <= set(item.dimensions):
        check_read_whole(name, item.shape, file[name].dtype.itemsize)
        return xr.Variable(item.dimensions, item[...], dict(item.attrs))
    dataset = file[name]
    check_declared_bytes(name, dataset.shape, dataset.dtype.itemsize, dataset.id.get_storage_size())
    array = indexing.LazilyIndexedArray(HDF5Array(source, dataset, None, dataset.dtype))
    variable = xr.Variable(item.dimensions, array, dict(item.attrs))
    variable.encoding["reading"] = find_reading(dataset, item.dimensions)
    if dataset.chunks:
        variable.encoding["preferred_chunks"] = dict(zip(item.dimensions, dataset.chunks, strict=True))
    return variable


def _check_shape(item: h5netcdf.Variable) -> None:
    """Reject implausible numbers of rows, columns and pairs, before anything of that size is allocated."""
    sizes = dict(zip(item.dimensions, item.shape, strict=True))
    rows_and_columns = [size for dim, size in sizes.items() if dim in ("y", "x")]
    check_declared_scene(rows_and_columns or [0], sizes.get("pair", 1))


def _as_stack(stored: xr.Dataset, how: Mapping[str, StoredNumbers], path: Path) -> xr.Dataset:
    """Check the names, and normalise dates, types, dimensions and coordinates to those of a stack.

    ``how``: encoding of our gridded variables.
    """
    _check(stored, how)
    stack = stored.drop_vars("pair", errors="ignore").drop_encoding()
    kinds = _kinds(stored)
    gridded = {
        name: guard_variable(_gridded(stored.variables[name], kind, how[name]), f"{name} of {path}")
        for name, kind in kinds.items()
    }
    stack = stack.assign(gridded)
    for name in set(stack.data_vars) - set(kinds):
        stack[name].encoding = encoding_kept(stored.variables[name])
    dates, date_format = _read_dates(stored)
    attrs = plain_attributes(stored.attrs)
    attrs = {"date_format": date_format} | derived_attributes(attrs) | attrs
    per_pair = [name for name in ("perpendicular_baseline",) if name in stack]
    stack = with_grid_of_store(stack.assign_coords(dates).set_coords(per_pair))
    for coordinate in stack.coords.values():
        coordinate.load()
    known = with_reference_coordinates(attrs, stack.coords)
    stack.attrs = {name: value for name, value in stack.attrs.items() if name not in attrs} | known
    return stack


def _kinds(stored: xr.Dataset) -> dict[str, str]:
    """Return our gridded variables that exist, with the kinds of numbers allowed."""
    names = filter(_is_gridded, map(str, stored.data_vars))
    return {name: "iuf" if name == _INTEGER else "f" for name in names}


def _check(stored: xr.Dataset, how: Mapping[str, StoredNumbers]) -> None:
    observed = next((str(name) for name in stored.data_vars if is_observation(str(name))), PHASE)
    for name in (observed, *_DATES):
        if name not in stored.variables:
            if "displacement" in stored:
                raise StackFormatError("found a result, not a stack; give the stack that it was made from.")
            raise StackFormatError(
                f"found no variable {name!r}; there are "
                f"{', '.join(map(str, stored.variables)) or 'none'}. A stack needs unwrapped_phase "
                "over pair, y and x, and reference_date and secondary_date over pair: give an output of "
                "`fringefleet convert` or `fringefleet simulate`, or use these names."
            )
    if "perpendicular_baseline" in stored and stored["perpendicular_baseline"].dims != ("pair",):
        raise StackFormatError(
            f"found perpendicular_baseline with the dimensions {stored['perpendicular_baseline'].dims}; "
            "one number for each pair is needed."
        )
    for name, kinds in _kinds(stored).items():
        data = stored[name]
        kind = data.dtype.kind if how[name].is_plain else "f"  # after decoding
        if set(data.dims) != set(_ORDER) or 0 in data.shape or kind not in kinds:
            packed = " Integers need the attribute scale_factor." if data.dtype.kind in "iu" else ""
            raise StackFormatError(
                f"found {name} with the dimensions {dict(data.sizes)} and the type {data.dtype}; "
                f"{_WORDS[kinds]} over pair, y and x are needed.{packed}"
            )


def _gridded(variable: xr.Variable, kinds: str, stored: StoredNumbers) -> xr.Variable:
    """Return a variable as (pair, y, x), and floating-point quantities as float32."""
    dtype = np.dtype("f4") if kinds == "f" else np.dtype(stored.view or variable.dtype)
    return decoded(variable, _ORDER, stored, dtype)


def _read_dates(stored: xr.Dataset) -> tuple[dict[str, xr.Variable], str]:
    """Read the dates of all pairs, and the most suitable format for them."""
    columns = [_times(stored[name]) for name in _DATES]
    times, precisions = (np.stack([column[part] for column in columns]) for part in (0, 1))
    is_guess = np.array([[column[3]] for column in columns])
    times = unite_precisions(times, np.where(is_guess, _guessed_precisions(times), precisions))
    coordinates = {
        name: xr.Variable("pair", time.astype("datetime64[ns]"), {"long_name": name.replace("_", " ")})
        for name, time in zip(_DATES, times, strict=True)
    }
    return coordinates, max((column[2] for column in columns), key=len)


def _times(data: xr.DataArray) -> tuple[NDArray[np.datetime64], NDArray[np.int64], str, bool]:
    """Return times, precisions [s] and format of a column of dates, and whether precisions are a guess."""
    values = data.values
    if data.dims != ("pair",) or values.dtype.kind not in "MSUOiu":
        raise StackFormatError(
            f"found {data.name} with the dimensions {data.dims} and the type {values.dtype}; "
            "a date for each pair is needed, as a CF time or as YYYYMMDD."
        )
    if values.dtype.kind != "M":
        return *read_dates(values), False
    if np.isnat(values).any():
        raise StackFormatError(f"found a missing time in {data.name}; every pair needs both of its dates.")
    whole_days = bool((values == values.astype("datetime64[D]")).all())
    precisions = np.full(values.shape, DAY if whole_days else SECOND)
    form = "%Y%m%d" if whole_days else "%Y%m%dT%H%M%S"
    return values.astype("datetime64[s]"), precisions, form, not whole_days


def _guessed_precisions(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Guess which times (2, pair) are days without a time: midnights, if the day has only one other time.

    A pair of these two rules it out, as they are then two dates.
    """
    precisions = np.full(times.shape, SECOND)
    days = times.astype("datetime64[D]")
    for midnight in np.unique(times[times == days]):
        others = np.unique(times[(days == midnight) & (times != midnight)])
        is_paired = ((days[0] == midnight) & (days[1] == midnight)).any()
        if len(others) == 1 and not is_paired:
            precisions[times == midnight] = DAY
    return precisions
