"""Unfinished result as the tasks of a run see it: its arrays are looked up once per process.

Opening a Zarr group and the metadata of a dozen arrays takes longer than writing a small tile. What cannot
change during a run is cached, as long as the metadata of the group are the same file.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import zarr
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.errors import OutputLostError
from fringefleet.io.store.marks import DONE, files_in
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.checked_store import WholeChunks
from fringefleet.io.zarr.chunk_files import ChunkFiles
from fringefleet.products.quantization import bits_kept

FINGERPRINT = "fringefleet_fingerprint"
_METADATA = "zarr.json"


class Target(NamedTuple):
    """Files of a variable, and the number of bits that it is rounded to; None if it is not."""

    files: ChunkFiles
    keep_bits: int | None


@dataclass(frozen=True)
class UnfinishedResult:
    """Open result; ``fingerprint``: of the run that started it."""

    group: zarr.Group
    fingerprint: object
    _targets: dict[str, Target] = field(default_factory=dict)

    def target(self, name: str) -> Target:
        """Return the files of a variable.

        Raises
        ------
        StackFormatError
            Its chunks are not separate files.
        """
        if name not in self._targets:
            attributes = array_in(self.group, name).attrs
            self._targets[name] = Target(files_in(self.group, name), bits_kept(attributes))
        return self._targets[name]


def open_result_to_write(path: Path) -> zarr.Group:
    """Open a result; raises an ``OSError`` if there is none, where Zarr would create a folder."""
    if not (path / _METADATA).is_file():
        raise FileNotFoundError(f"found no result at {path}")
    return zarr.open_group(WholeChunks(path), mode="r+", use_consolidated=False)


def reopen_unfinished(path: Path, fingerprint: str, names: Iterable[str] = ()) -> UnfinishedResult:
    """Find the result of a run, if it is still that.

    Parameters
    ----------
    path
        Path of the result.
    fingerprint
        Fingerprint of the run.
    names
        Variables that are to be written.

    Raises
    ------
    OutputLostError
        It was removed, damaged or overwritten.
    """
    try:
        found = _begun(path, _version(path / _METADATA))
        lacking = [name for name in {"status", DONE, *names} if not (path / name / _METADATA).exists()]
    except (OSError, KeyError, ValueError, ZarrError) as error:
        raise OutputLostError(
            f"the output {path} can no longer be accessed from this process, or was damaged ({error})."
        ) from error
    if found.fingerprint != fingerprint:
        raise OutputLostError(f"the output {path} was replaced by another run during this one.")
    if lacking:
        lost = ", ".join(sorted(lacking))
        raise OutputLostError(f"the output {path} lost {lost} during the run.")
    return found


@lru_cache(maxsize=4)
def _begun(path: Path, _state: tuple[int, int, int]) -> UnfinishedResult:
    group = open_result_to_write(path)
    return UnfinishedResult(group, group.attrs.get(FINGERPRINT))


def _version(path: Path) -> tuple[int, int, int]:
    """Return the identity of a file; it is opened, as NFS may show cached metadata."""
    with path.open("rb", buffering=0) as file:
        found = os.fstat(file.fileno())
    return found.st_ino, found.st_mtime_ns, found.st_size
