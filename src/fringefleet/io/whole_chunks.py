"""A Zarr store on disk that notices chunks whose end is missing, and runs nothing that is in it.

Blosc reads on behind the end of what it is given, and what comes out may look like data. Its header says how
long a chunk is (`C-Blosc's README_CHUNK_FORMAT <https://github.com/Blosc/c-blosc>`_). Other codecs of Zarr
notice it themselves. A chunk that is missing altogether is no data, in every Zarr store.
"""

import json
import re
from functools import lru_cache
from pathlib import Path

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from fringefleet.errors import StackFormatError

HEADER = 16  # bytes of a Blosc chunk; the last four are its length
V3, V2 = "zarr.json", ".zarray"  # what describes an array
PICKLE = re.compile(rb'"(id|name)"\s*:\s*"(numcodecs\.)?pickle"')
NO_CHUNKS = (V3, V2, ".zattrs", ".zgroup", ".zmetadata")


class WholeChunks(LocalStore):
    """A :class:`zarr.storage.LocalStore` that refuses a Blosc chunk which is shorter than it says."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file of the store.

        Raises
        ------
        StackFormatError
            It is a chunk whose end is missing, or it wants pickles to be read; says which.
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

    def _checked(self, key: str, found: Buffer | None) -> Buffer | None:
        if found is not None and Path(key).name in (V2, V3) and PICKLE.search(found.to_bytes()):
            raise StackFormatError(
                f"{key} of {self.root} names the codec pickle, which would run what is in the file. Write "
                "the array with numbers and without it."
            )
        if found is None or not self._is_blosc(key):
            return found
        needed = max(HEADER, int.from_bytes(found[HEADER - 4 : HEADER].to_bytes(), "little"))
        if len(found) < needed:
            raise StackFormatError(
                f"the chunk {key} of {self.root} has {len(found):,} bytes, and {needed:,} are needed: "
                "its end is missing. Copy or make the store again."
            )
        return found

    def _is_blosc(self, key: str) -> bool:
        """Whether a file is a chunk that Blosc made last, in an array of Zarr v3 or v2."""
        array, _, chunk = key.partition("/c/")
        if chunk and (metadata := self.root / array / V3).exists():
            return _last_codec(metadata, metadata.stat().st_mtime_ns) == "blosc"
        for folder in Path(key).parents:  # a chunk is called 0.1.2, or 0/1/2
            if Path(key).name not in NO_CHUNKS and (metadata := self.root / folder / V2).exists():
                return _last_codec(metadata, metadata.stat().st_mtime_ns) == "blosc"
        return False


@lru_cache
def _last_codec(metadata: Path, _modified: int) -> str:
    found = json.loads(metadata.read_text())
    if metadata.name == V2:
        return str((found["compressor"] or {}).get("id"))
    return str(found["codecs"][-1]["name"])
