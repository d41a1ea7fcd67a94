"""A Zarr store on disk that notices chunks whose end is missing.

Blosc reads on behind the end of what it is given, and what comes out may look like data. Its header says how
long a chunk is (`C-Blosc's README_CHUNK_FORMAT <https://github.com/Blosc/c-blosc>`_). Other codecs of Zarr
notice it themselves. A chunk that is missing altogether is no data, in every Zarr store.
"""

import json
from functools import lru_cache
from pathlib import Path

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from fringefleet.errors import StackFormatError

HEADER = 16  # bytes of a Blosc chunk; the last four are its length


class WholeChunks(LocalStore):
    """A :class:`zarr.storage.LocalStore` that refuses a Blosc chunk which is shorter than it says."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file of the store.

        Raises
        ------
        StackFormatError
            It is a chunk whose end is missing; says which.
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
        name, _, chunk = key.partition("/c/")
        if found is None or not chunk or not _is_blosc(self.root / name / "zarr.json"):
            return found
        needed = max(HEADER, int.from_bytes(found[HEADER - 4 : HEADER].to_bytes(), "little"))
        if len(found) < needed:
            raise StackFormatError(
                f"the chunk {key} of {self.root} has {len(found):,} bytes, and {needed:,} are needed: "
                "its end is missing. Copy or make the store again."
            )
        return found


def _is_blosc(metadata: Path) -> bool:
    """Whether the last codec of an array is Blosc, so that its files are what Blosc made."""
    return _last_codec(metadata, metadata.stat().st_mtime_ns) == "blosc"


@lru_cache
def _last_codec(metadata: Path, _modified: int) -> str:
    codecs = json.loads(metadata.read_text())["codecs"]
    return str(codecs[-1]["name"])
