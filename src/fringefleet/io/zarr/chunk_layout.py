"""Layout of Zarr arrays whose chunks are read and written as files: compression, and names of the files."""

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
    """Array of chunk files in xarray's form, read when it is indexed."""

    def __init__(self, files: ChunkFiles) -> None:
        self.files = files
        self.shape, self.dtype = files.shape, files.dtype

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the identity of the array, the same in every process, without the versions of files."""
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
    """Return the files of an array in a folder; None where Zarr has to read its chunks."""
    root = getattr(array.store_path.store, "root", None)
    metadata = array.metadata
    if root is None or array.dtype.kind not in "fiu" or not array.dtype.isnative or array.ndim == 0:
        return None
    found = _of_version_2(metadata) if metadata.zarr_format == 2 else _of_version_3(metadata)
    if found is None:
        return None
    fill = 0 if array.fill_value is None else array.fill_value  # as in Zarr
    folder = str(root / array.store_path.path)
    return ChunkFiles(folder, array.shape, array.chunks, array.dtype, fill, *found)


def with_chunk_files(stored: xr.Dataset, group: zarr.Group) -> xr.Dataset:
    """Read the variables over y and x of an open store directly from their files, where possible."""
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
    """Return prefix and separator of the file names, and the Blosc compression; None for other codecs."""
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
    """Derive the naming scheme from the name of one chunk."""
    prefix, _, rest = metadata.encode_chunk_key((7,) * len(metadata.shape)).partition("7")
    return prefix, rest[:1]
