"""Zarr store on disk that detects truncated chunks, and executes nothing that it contains.

Blosc reads beyond the end of its input, and the result may look like data. Its header states the length of
a chunk (`C-Blosc's README_CHUNK_FORMAT <https://github.com/Blosc/c-blosc>`_). Other codecs of Zarr
detect this themselves. A missing chunk means no data, in every Zarr store except those of
:mod:`fringefleet.io.zarr.complete`.
"""

import json
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest
from zarr.storage import LocalStore

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import is_litter
from fringefleet.io.zarr.metadata import V2, V3, names_pickle

HEADER = 16  # bytes of a Blosc chunk; the last twelve are its decoded length, that of a block, and its own
_NO_CHUNKS = (V3, V2, ".zattrs", ".zgroup", ".zmetadata")


class WholeChunks(LocalStore):
    """:class:`zarr.storage.LocalStore` that rejects a Blosc chunk shorter than its header states."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file of the store.

        Raises
        ------
        StackFormatError
            It is a truncated chunk, or requires unpickling; names it.
        """
        found = await super().get(key, prototype, byte_range)
        return found if byte_range is not None else self._checked(key, found)

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file of the store, as :meth:`get`."""
        found = super().get_sync(key, prototype=prototype, byte_range=byte_range)
        return found if byte_range is not None else self._checked(key, found)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names in a folder of the store, without files left by other systems."""
        async for name in super().list_dir(prefix):
            if not is_litter(name):
                yield name

    def _checked(self, key: str, found: Buffer | None) -> Buffer | None:
        if found is not None and Path(key).name in (V3, V2) and _names_pickle(found.to_bytes()):
            raise StackFormatError(
                f"{key} of {self.root} names the codec pickle, which would execute the content of the file. "
                "Write "
                "the array as numbers, without it."
            )
        if found is None or not self._is_blosc(key):
            return found
        needed = max(HEADER, int.from_bytes(found[HEADER - 4 : HEADER].to_bytes(), "little"))
        if len(found) < needed:
            raise end_missing(key, self.root, len(found), needed)
        return found

    def _is_blosc(self, key: str) -> bool:
        """Return whether a file is a chunk with Blosc as last codec; its name is c/0/1, c.0.1, 0.1 or 0/1."""
        if Path(key).name in _NO_CHUNKS:
            return False
        for folder in Path(key).parents:
            for name in (V3, V2):
                if (metadata := self.root / folder / name).exists():
                    return _last_codec(metadata, metadata.stat().st_mtime_ns) == "blosc"
        return False


def end_missing(key: str, root: Path, n_byte: int, needed: int) -> StackFormatError:
    """Return the error for a chunk that is shorter than it should be."""
    return StackFormatError(
        f"the chunk {key} of {root} has {n_byte:,} bytes, but {needed:,} are needed: it is truncated. "
        "Copy or create the store again."
    )


def _names_pickle(metadata: bytes) -> bool:
    try:
        found = json.loads(metadata)
    except ValueError:
        return False  # Zarr reports it
    return isinstance(found, dict) and names_pickle(found)


@lru_cache
def _last_codec(metadata: Path, _modified: int) -> str:
    found = json.loads(metadata.read_text())
    if metadata.name == V3:
        codecs = found.get("codecs", [])
    else:
        codecs = [*(found.get("filters") or ()), found.get("compressor")]
    names = [codec.get("name", codec.get("id")) for codec in codecs if codec]
    return str(names[-1]).removeprefix("numcodecs.") if names else ""
