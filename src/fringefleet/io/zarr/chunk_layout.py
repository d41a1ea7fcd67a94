"""Layout of Zarr arrays whose chunks are read and written as files: packing, and names of the files."""

from typing import Any

import numcodecs
import xarray as xr
import zarr
from numcodecs import blosc
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.codecs import BloscCodec, BytesCodec

from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.chunk_files import ChunkFiles

_SHUFFLES = {"noshuffle": blosc.NOSHUFFLE, "shuffle": blosc.SHUFFLE, "bitshuffle": blosc.BITSHUFFLE}


class ChunkFilesArray(BackendArray):
    """The same as a variable of xarray, read as it is indexed."""

    def __init__(self, files: ChunkFiles) -> None:
        self.files = files
        self.shape, self.dtype = files.shape, files.dtype

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Name what is there: the same in every process; the version of the files is another's matter."""
        files = self.files
        numbers = files.shape, files.chunks, str(files.dtype), repr(files.fill)
        return type(self).__name__, files.folder, numbers, repr(files.packing)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part."""
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self.files.read
        )
        return result


def find_chunk_files(array: "zarr.Array[Any]") -> ChunkFiles | None:
    """Find the files of an array in a folder; None where its chunks are for Zarr to read."""
    root = getattr(array.store_path.store, "root", None)
    metadata = array.metadata
    if root is None or array.dtype.kind not in "fiu" or not array.dtype.isnative or array.ndim == 0:
        return None
    found = _of_version_2(metadata) if metadata.zarr_format == 2 else _of_version_3(metadata)
    if found is None:
        return None
    fill = 0 if array.fill_value is None else array.fill_value  # as Zarr has it
    folder = str(root / array.store_path.path)
    return ChunkFiles(folder, array.shape, array.chunks, array.dtype, fill, *found)


def with_chunk_files(stored: xr.Dataset, group: zarr.Group) -> xr.Dataset:
    """Let what can be read from its files be read so: the variables over y and x of an open store."""
    direct = {}
    for name, variable in stored.variables.items():
        if not {"y", "x"} <= set(variable.dims):
            continue
        files = find_chunk_files(array_in(group, str(name)))
        if files is not None and files.dtype == variable.dtype:
            data = indexing.LazilyIndexedArray(ChunkFilesArray(files))
            direct[name] = xr.Variable(variable.dims, data, variable.attrs, variable.encoding)
    return stored.assign(direct)


def _of_version_3(metadata: Any) -> tuple[str, str, numcodecs.Blosc | None] | None:
    """Find prefix and separator of the names of files, and how Blosc packed them; None if others did."""
    numbers, *packing = metadata.codecs
    is_plain = isinstance(numbers, BytesCodec) and (
        numbers.endian is None or numbers.endian.value == "little"
    )
    if not is_plain or metadata.to_dict()["chunk_grid"]["name"] != "regular":
        return None
    if not packing:
        return (*_names(metadata), None)
    if len(packing) > 1 or not isinstance(packing[0], BloscCodec):
        return None
    said = packing[0]
    shuffle = _SHUFFLES[said.shuffle.value]
    return (*_names(metadata), numcodecs.Blosc(said.cname.value, said.clevel, shuffle, said.blocksize))


def _of_version_2(metadata: Any) -> tuple[str, str, numcodecs.Blosc | None] | None:
    packing = metadata.compressor
    if metadata.order != "C" or metadata.filters or not isinstance(packing, numcodecs.Blosc | None):
        return None
    return (*_names(metadata), packing)


def _names(metadata: Any) -> tuple[str, str]:
    """Read from the name of a chunk how all are called."""
    prefix, _, rest = metadata.encode_chunk_key((7,) * len(metadata.shape)).partition("7")
    return prefix, rest[:1]
