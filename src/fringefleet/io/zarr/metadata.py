"""Metadata of a Zarr store (v2, v3), validated before Zarr relies on them."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.declared import (
    MOST_COMPRESSION,
    TRUSTED_BYTES,
    bytes_below,
    check_block,
    check_declared_bytes,
    check_declared_scene,
    check_read_whole,
)
from fringefleet.io.checks.door import readable
from fringefleet.io.files.folder import check_plain_files, list_folder
from fringefleet.io.files.text_file import read_text_file

V3, V2 = "zarr.json", ".zarray"  # files with the metadata of an array
_CODECS = ("codecs", "filters", "compressor")  # keys of the encoding of chunks
_PICKLE = re.compile(r'"(id|name)": "(numcodecs\.)?pickle"')
_MOST_METADATA = 64 * 1024**2  # [byte]
_MOST_ITEM = 64 * 1024  # [byte] of a number or text
_DEPTH = 3  # of groups


class ArrayMetadata(NamedTuple):
    """Declarations in the metadata of an array."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None  # stored as one file each, if these are not the chunks
    itemsize: int  # [byte]
    dims: tuple[str | None, ...]


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr group, of version 2 or 3."""
    return zarr_metadata(path).is_file()


def zarr_metadata(path: Path) -> Path:
    """Return the path of the file that makes a folder a Zarr group."""
    return path / (V3 if (path / V3).is_file() else ".zgroup")


def names_pickle(metadata: Mapping[str, Any]) -> bool:
    """Return whether one of the codecs is pickle, in any spelling of JSON."""
    return bool(_PICKLE.search(json.dumps([metadata.get(name) for name in _CODECS])))


def check_store(path: Path, *, may_be_empty: bool = False) -> None:
    """Validate the metadata of all arrays of a Zarr store, without reading chunks.

    Parameters
    ----------
    path
        Path of the store.
    may_be_empty
        Whether arrays may have no chunks yet, as in a result that was just created.

    Raises
    ------
    StackFormatError
        Names the array and the error.
    """
    with readable(f"the Zarr store {path}"):
        check_plain_files(path)
        if _read_json(zarr_metadata(path)).get("node_type") == "array":
            raise StackFormatError(
                f"{path} is one array of a Zarr store; give the store: {path.absolute().parent}."
            )
        for folder, file in _arrays(path, _DEPTH):
            name = folder.relative_to(path).as_posix()
            found = _read_json(file)
            if names_pickle(found):
                raise StackFormatError(
                    f"{name} of {path} names the codec pickle, which would execute the content of the file. "
                    "Write "
                    "the array as numbers, without it."
                )
            declared = _array(found, folder, f"{name} of {path}")
            _check(declared, f"{name} of {path}", folder.name)
            if not may_be_empty:
                _check_stored(declared, f"{name} of {path}", folder)


def _arrays(path: Path, depth: int) -> Iterator[tuple[Path, Path]]:
    """Yield the arrays of a group and of its subgroups."""
    for folder in list_folder(path):
        if not folder.is_dir():
            continue
        if (folder / V2).is_file():
            yield folder, folder / V2
        elif (folder / V3).is_file() and _read_json(folder / V3).get("node_type") == "array":
            yield folder, folder / V3
        elif depth > 0 and is_zarr(folder):
            yield from _arrays(folder, depth - 1)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text_file(file, most=_MOST_METADATA))
    except (ValueError, RecursionError) as error:
        if isinstance(error, StackFormatError):
            raise
        raise StackFormatError(f"{file} is not JSON ({error}); copy or create the store again.") from error
    if not isinstance(found, dict):
        raise StackFormatError(f"{file} has no JSON object; copy or create the store again.")
    return found


def _array(found: Mapping[str, Any], folder: Path, name: str) -> ArrayMetadata:
    shape = _sizes(found.get("shape"), f"the shape of {name}", least=0)
    if "zarr_format" in found and found["zarr_format"] == 2:
        chunks, shards = found.get("chunks"), None
        attributes = _read_json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
        dims = attributes.get("_ARRAY_DIMENSIONS")
        dtype = found.get("dtype")
    else:
        chunks, shards = _chunks_of_v3(found)
        dims, dtype = found.get("dimension_names"), found.get("data_type")
    of_chunks = f"the chunks of {name}"
    known = dims if isinstance(dims, list) else [None] * len(shape)
    return ArrayMetadata(
        shape,
        _sizes(chunks, of_chunks, least=1, n_axis=len(shape)),
        None if shards is None else _sizes(shards, f"the shards of {name}", least=1, n_axis=len(shape)),
        _itemsize(dtype),
        tuple(dim if isinstance(dim, str) else None for dim in known),
    )


def _chunks_of_v3(found: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the chunks, and the shards that they are stored in, as declared."""
    outer = _mapping(_mapping(found.get("chunk_grid")).get("configuration")).get("chunk_shape")
    codecs = found.get("codecs")
    for codec in codecs if isinstance(codecs, list) else []:
        if _mapping(codec).get("name") == "sharding_indexed":
            return _mapping(codec.get("configuration")).get("chunk_shape"), outer
    return outer, None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sizes(value: Any, what: str, *, least: int, n_axis: int | None = None) -> tuple[int, ...]:
    """Check a list of whole numbers, one for each axis, and return it."""
    whole = isinstance(value, list) and all(type(size) is int and size >= least for size in value)
    if not whole or (n_axis is not None and len(value) != n_axis):
        needed = "whole numbers" if n_axis is None else f"{n_axis} whole numbers"
        raise StackFormatError(
            f"found {what} = {json.dumps(value)[:200]}; {needed} of at least {least} are needed. Copy or "
            "create the store again."
        )
    return tuple(value)


def _itemsize(dtype: Any) -> int:
    """Return the bytes of a value of this type; 1 where only Zarr knows it, which rejects unknown ones."""
    if isinstance(dtype, dict):  # fixed-length text, for example
        length = _mapping(dtype.get("configuration")).get("length_bytes", 1)
        return length if type(length) is int else 1
    try:
        return np.dtype(dtype).itemsize if isinstance(dtype, str) else 1
    except TypeError:
        return 1


def _check(array: ArrayMetadata, name: str, own: str) -> None:
    if array.shards is not None and any(s % c for s, c in zip(array.shards, array.chunks, strict=True)):
        raise StackFormatError(
            f"found shards of {array.shards} in {name} with chunks of {array.chunks}; whole chunks must fill "
            "a shard. Create the store again."
        )
    if array.itemsize > _MOST_ITEM:
        raise StackFormatError(
            f"found values of {array.itemsize:,} bytes each in {name}; numbers are needed."
        )
    check_block(name, array.chunks, array.itemsize)
    if len(array.shape) == 1 or own == "done":  # coordinates, and the marks of tiles
        check_read_whole(name, array.shape, array.itemsize)
    sizes: Sequence[tuple[str | None, int]] = list(zip(array.dims, array.shape, strict=False))
    rows_and_columns = [size for dim, size in sizes if dim in ("y", "x")]
    if rows_and_columns:
        check_declared_scene(rows_and_columns, next((size for dim, size in sizes if dim == "pair"), 1))


def _check_stored(array: ArrayMetadata, name: str, folder: Path) -> None:
    """Compare a very large array with its size on disk."""
    declared = math.prod(array.shape) * array.itemsize
    if declared > TRUSTED_BYTES:
        stored = bytes_below(folder, declared // MOST_COMPRESSION + 1)
        check_declared_bytes(name, array.shape, array.itemsize, stored)
