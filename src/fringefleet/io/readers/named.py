"""Any Zarr store (v2, v3) or NetCDF-4 file that has our names, whoever wrote it: lazily, as it is.

Needed are ``unwrapped_phase`` [rad] over ``pair``, ``y`` and ``x`` in any order, floating point (or
``range_offset`` or ``azimuth_offset`` [pixel]), and ``reference_date`` and ``secondary_date`` over ``pair``:
CF times, or text or whole numbers YYYYMMDD.

Understood are ``coherence``, ``connected_component`` and what offsets have besides
(:mod:`fringefleet.observation`) over the same dimensions, ``perpendicular_baseline``
[m] over ``pair``, the coordinates ``y`` and ``x`` (pixel centres) with a CF grid mapping as rioxarray writes
it, and the attributes ``wavelength`` [m], ``looks`` and ``reference_point`` (row, column), or MintPy's
``WAVELENGTH``, ``NCORRLOOKS``, ``REF_Y`` ... instead. CF's ``_FillValue``, ``scale_factor`` and
``add_offset`` are applied. Everything else is kept.

The sign is ours: ``unwrapped_phase`` is phase[secondary_date] - phase[reference_date], and
-wavelength / (4 pi) times it is positive towards the satellite.
"""

from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.errors import StackFormatError
from fringefleet.io.dates import DAY, SECOND, read_dates, unite_precisions
from fringefleet.io.grid import with_reference_coordinates
from fringefleet.io.hdf5 import HDF5Array, open_hdf5
from fringefleet.io.metadata import derived_attributes, plain_attributes
from fringefleet.io.mintpy_names import MINTPY_NAMES
from fringefleet.io.readers.named_grid import with_grid_of_store
from fringefleet.io.version import FilesVersion, FileVersion
from fringefleet.io.whole_chunks import WholeChunks
from fringefleet.io.zarr_files import array_layout, scan_zarr
from fringefleet.observation import PHASE, is_observation

_ORDER = ("pair", "y", "x")
_INTEGER = "connected_component"
_WORDS = {"f": "floating-point numbers", "iuf": "numbers"}
_DATES = ("reference_date", "secondary_date")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group, of version 2 or 3."""
    return _zarr_metadata(path).is_file()


def open_zarr(path: Path) -> xr.Dataset:
    """Open a Zarr store with our names lazily.

    Raises
    ------
    StackFormatError
        It cannot be opened, or a name, a dimension or a type is not as needed.
    """
    try:
        listing = scan_zarr(path)  # before anything is read
        stored = xr.open_zarr(
            WholeChunks(path, read_only=True), chunks=None, consolidated=False, decode_timedelta=False
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackFormatError(
            f"found a Zarr store that cannot be opened ({error}); copy or make it again."
        ) from error
    arrays = []
    for name, variable in stored.variables.items():
        whole = variable.encoding.get("shards") or variable.encoding.get("chunks")
        if whole and {"y", "x"} <= set(variable.dims):
            arrays.append(array_layout(str(name), variable.dims, whole))
        variable.encoding = (
            {"preferred_chunks": dict(zip(variable.dims, whole, strict=True))} if whole else {}
        )
    stack = _as_stack(stored)
    stack.encoding["version"] = FilesVersion(str(path.absolute()), listing, scan_zarr, tuple(arrays))
    return stack


def _zarr_metadata(path: Path) -> Path:
    return path / ("zarr.json" if (path / "zarr.json").is_file() else ".zgroup")


def is_netcdf(path: Path) -> bool:
    """Tell whether a file is HDF5 with our names; or NetCDF of an older version, to refuse it by its name."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return _is_classic(path)
    with open_hdf5(path) as file:
        # A displacement is a result, which is refused by that name.
        return "displacement" in file or any(is_observation(name) for name in file)


def _is_classic(path: Path) -> bool:
    """Tell whether a file is NetCDF-3, which is not HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def open_netcdf(path: Path) -> xr.Dataset:
    """Open a NetCDF-4 file with our names lazily; it is opened for each read, without locks.

    Raises
    ------
    StackFormatError
        It cannot be opened, or a name, a dimension or a type is not as needed.
    """
    if _is_classic(path):
        raise StackFormatError(
            "found a file of NetCDF-3, which cannot be read in parts as HDF5 can; "
            f"make a NetCDF-4 file of it: nccopy -k nc4 {path.name} another.nc"
        )
    source = FileVersion.of(path)
    with open_hdf5(path) as file:
        try:
            named = h5netcdf.File(file, "r", decode_vlen_strings=True)  # does not close the file
            raw = {name: _raw_variable(source, file, name, item) for name, item in named.variables.items()}
        except ValueError as error:
            raise StackFormatError(
                f"found an HDF5 file that is no NetCDF-4 file ({str(error).splitlines()[0]}); its datasets "
                "need named dimensions. Write it with xarray, netCDF4 or h5netcdf."
            ) from error
        stored = xr.Dataset(raw, attrs=dict(named.attrs))
    stack = _as_stack(xr.decode_cf(stored, decode_timedelta=False))
    stack.encoding["version"] = FilesVersion.of(path, [source])
    return stack


def _raw_variable(source: FileVersion, file: h5py.File, name: str, item: h5netcdf.Variable) -> xr.Variable:
    """Take what is gridded lazily, and the rest as it is now."""
    if not {"y", "x"} <= set(item.dimensions):
        return xr.Variable(item.dimensions, item[...], dict(item.attrs))
    dataset = file[name]
    array = indexing.LazilyIndexedArray(HDF5Array(source, dataset, None, dataset.dtype))
    variable = xr.Variable(item.dimensions, array, dict(item.attrs))
    if dataset.chunks:
        variable.encoding["preferred_chunks"] = dict(zip(item.dimensions, dataset.chunks, strict=True))
    return variable


def _as_stack(stored: xr.Dataset) -> xr.Dataset:
    """Check the names, and bring dates, types, dimensions and coordinates into the form of a stack."""
    _check(stored)
    stack = stored.drop_vars("pair", errors="ignore").drop_encoding()
    kinds = _kinds(stored)
    stack = stack.assign({name: _gridded(stored.variables[name], kind) for name, kind in kinds.items()})
    for name in set(stack.data_vars) - set(kinds):
        stack[name].encoding = _stored_chunks(stored.variables[name])
    dates, date_format = _read_dates(stored)
    attrs = plain_attributes(stored.attrs)
    attrs = {"date_format": date_format} | derived_attributes(attrs) | attrs
    per_pair = [name for name in ("perpendicular_baseline",) if name in stack]
    stack = with_grid_of_store(stack.assign_coords(dates).set_coords(per_pair))
    for coordinate in stack.coords.values():
        coordinate.load()
    return stack.assign_attrs(with_reference_coordinates(attrs, stack.coords))


def _kinds(stored: xr.Dataset) -> dict[str, str]:
    """Name the gridded variables of ours that are there, and the kinds of numbers that they may be."""
    names = [name for name in map(str, stored.data_vars) if name in MINTPY_NAMES or is_observation(name)]
    return {name: "iuf" if name == _INTEGER else "f" for name in names}


def _check(stored: xr.Dataset) -> None:
    observed = next((str(name) for name in stored.data_vars if is_observation(str(name))), PHASE)
    for name in (observed, *_DATES):
        if name not in stored.variables:
            hint = "It is a result, not a stack. " if "displacement" in stored else ""
            raise StackFormatError(
                f"found no variable {name!r}; there are "
                f"{', '.join(map(str, stored.variables)) or 'none'}. {hint}A stack needs unwrapped_phase "
                "over pair, y and x, and reference_date and secondary_date over pair: give one that "
                "`fringefleet convert` or `fringefleet simulate` wrote, or use these names."
            )
    if "perpendicular_baseline" in stored and stored["perpendicular_baseline"].dims != ("pair",):
        raise StackFormatError(
            f"found perpendicular_baseline with the dimensions {stored['perpendicular_baseline'].dims}; "
            "one number for each pair is needed."
        )
    for name, kinds in _kinds(stored).items():
        data = stored[name]
        if set(data.dims) != set(_ORDER) or 0 in data.shape or data.dtype.kind not in kinds:
            raise StackFormatError(
                f"found {name} with the dimensions {dict(data.sizes)} and the type {data.dtype}; "
                f"{_WORDS[kinds]} over pair, y and x are needed."
            )


class _Reordered(BackendArray):
    """A lazy variable with its dimensions in our order, and its numbers in another type, as it is read."""

    def __init__(self, variable: xr.Variable, dtype: Any) -> None:
        self.variable = variable
        self.dtype = np.dtype(dtype)
        self.shape = tuple(variable.sizes[dim] for dim in _ORDER)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Name the content: the same in every process."""
        return (type(self).__name__, self.variable._data, self.variable.dims, str(self.dtype))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part."""
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return result

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        part = self.variable.isel(dict(zip(_ORDER, key, strict=True)))
        axes = [part.dims.index(dim) for dim in _ORDER if dim in part.dims]
        values = part.values  # read first: xarray reads what is transposed lazily number by number
        with np.errstate(over="ignore"):  # beyond float32: infinite, and counted as such
            return np.asarray(values.transpose(axes), self.dtype, order="C")


def _gridded(variable: xr.Variable, kinds: str) -> xr.Variable:
    """Give a variable as (pair, y, x), and what is floating point by definition as float32."""
    dtype = np.dtype("f4") if kinds == "f" else variable.dtype
    result = variable
    if variable.dims != _ORDER or variable.dtype != dtype:
        result = xr.Variable(_ORDER, indexing.LazilyIndexedArray(_Reordered(variable, dtype)), variable.attrs)
    else:
        result = variable.copy(deep=False)
    result.encoding = _stored_chunks(variable)
    return result


def _stored_chunks(variable: xr.Variable) -> dict[str, Any]:
    stored = variable.encoding.get("preferred_chunks")
    return {"preferred_chunks": stored} if stored else {}


def _read_dates(stored: xr.Dataset) -> tuple[dict[str, xr.Variable], str]:
    """Read the dates of all pairs, and the format that they are best written in."""
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
    """Times, precisions [s] and format of a column of dates, and whether precisions are a guess."""
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
    """Guess which times (2, pair) are days without a time: midnights, if the day has one other time only.

    Not if a pair is of these two, as they are two dates then.
    """
    precisions = np.full(times.shape, SECOND)
    days = times.astype("datetime64[D]")
    for midnight in np.unique(times[times == days]):
        others = np.unique(times[(days == midnight) & (times != midnight)])
        is_paired = ((days[0] == midnight) & (days[1] == midnight)).any()
        if len(others) == 1 and not is_paired:
            precisions[times == midnight] = DAY
    return precisions
