"""Zarr stores of which every chunk was written, so that a missing one is an error.

In Zarr a chunk without a file reads as ``fill_value``, so that an incomplete copy looks like missing
data. Our stacks have a file for every chunk, whatever its content, and a note in the folder of each array
that states this; other readers ignore it, and xarray does not copy it to stores that it makes from ours.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import zarr

from fringefleet.errors import RunError, StackFormatError
from fringefleet.network.network import shorten

NOTE = "chunks.json"  # in the folder of an array: number of chunks written
_METADATA = "zarr.json"


@contextmanager
def all_chunks_written() -> Iterator[None]:
    """Also write chunks of nothing but the fill value, which Zarr omits."""
    with zarr.config.set({"array.write_empty_chunks": True}):
        yield


def note_all_chunks(path: Path, made_from: Mapping[str, str] | None = None) -> None:
    """Count the chunks of every array of a Zarr v3 store, and record that they are complete.

    Parameters
    ----------
    path
        Path of the store.
    made_from
        Also recorded: digests of its origin, by name.

    Raises
    ------
    RunError
        A chunk is missing.
    """
    for name, array in zarr.open_group(path, mode="r", use_consolidated=False).arrays():
        if missing := _missing(path / name, array):
            raise RunError(
                f"found no file of the chunk {missing[0]} of {name} in {path}, which has just been written; "
                "another program removes files there. Write to another disk."
            )
        note = {"n_chunk": _n_chunk(array), **(made_from or {})}
        (path / name / NOTE).write_text(json.dumps(note) + "\n")


def is_made_from(path: Path, made_from: Mapping[str, str]) -> bool:
    """Return whether a store was recorded as complete and has these digests of its origin."""
    notes = list(path.glob(f"*/{NOTE}"))
    try:
        return bool(notes) and all(
            made_from.items() <= json.loads(note.read_text()).items() for note in notes
        )
    except (OSError, ValueError, AttributeError):
        return False


def check_all_chunks(path: Path) -> None:
    """Reject a store that was complete and no longer is.

    Raises
    ------
    StackFormatError
        Names the missing chunks.
    """
    for note in sorted(path.glob(f"*/{NOTE}")):
        array = zarr.open_array(note.parent, mode="r")
        if missing := _missing(note.parent, array):
            raise StackFormatError(
                f"{len(missing)} of {_n_chunk(array)} chunks of {note.parent.name} are missing: "
                f"{shorten(missing, at_most=3)}. All of them were written, so this copy is incomplete. "
                "Copy or create it again."
            )


def _n_chunk(array: "zarr.Array[Any]") -> int:
    n_chunk = 1
    for count in _grid(array):
        n_chunk *= count
    return n_chunk


def _grid(array: "zarr.Array[Any]") -> list[int]:
    """Return the number of files along each axis; a shard counts as one."""
    whole = array.shards or array.chunks
    return [-(-length // size) for length, size in zip(array.shape, whole, strict=True)]


def _missing(folder: Path, array: "zarr.Array[Any]") -> list[str]:
    """Return the chunks without a file; their names are only searched for if the number of files is wrong."""
    n_file = sum(len(files) for _, _, files in os.walk(folder))
    n_file -= sum((folder / name).exists() for name in (_METADATA, NOTE))
    if n_file == _n_chunk(array):
        return []
    keys = (array.metadata.encode_chunk_key(place) for place in product(*map(range, _grid(array))))
    return [key for key in keys if not (folder / key).is_file()]
