"""The result store: a Zarr v3 group that many tasks write at once, and that survives being killed.

Every task writes the whole chunks of its own tile and, when they are written, that tile's done-mark: a
chunk of its own in the array ``progress/done``. Whether a chunk of the result exists would be no mark, as
Zarr writes none for a tile without an answer. Nothing in the store depends on time, host or order, so a
run that was killed and resumed leaves the same bytes as one that was not.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.errors import OutputExistsError, StackFormatError
from fringefleet.io.arrays import array_in
from fringefleet.io.pair_table import RESIDUAL_RMS, SUMS, create_sums, fill_table
from fringefleet.io.staging import consolidate_metadata, refuse_existing, staged_store
from fringefleet.provenance import PAIR_SUMS

DONE = "progress/done"
FINGERPRINT = "fringefleet_fingerprint"
NOT_WRITTEN = 255  # the status of a tile that is not there yet: no code, and not "ok"


@dataclass(frozen=True)
class ResultStore:
    """A result on disk, and which of its tiles are done; pickles as a path and two numbers."""

    path: Path
    tile: tuple[int, int]  # rows and columns
    fingerprint: str  # of the run that writes to it

    def write_tile(
        self,
        index: tuple[int, int],
        variables: Mapping[str, NDArray[Any]],
        pair_sums: NDArray[np.float64] | None = None,
    ) -> None:
        """Write every variable of a tile, (..., y, x), its sums over pairs if any, then its done-mark.

        Raises
        ------
        StackFormatError
            The tile is not whole chunks of the store: two tasks would write one file. Or the store is no
            longer the one that this run began: it was overwritten by another.
        """
        group = _open(self.path)
        if group.attrs.get(FINGERPRINT) != self.fingerprint:
            raise StackFormatError(f"{self.path} was replaced by another run while this one went on.")
        start = [number * size for number, size in zip(index, self.tile, strict=True)]
        for name, values in variables.items():
            array = array_in(group, name)
            if array.chunks[-2:] != self.tile or array.shards is not None:
                raise StackFormatError(
                    f"{self.path}: {name} has chunks of {array.chunks[-2:]} and shards {array.shards}; tiles "
                    f"of {self.tile} would share files and lose data. Start again with --overwrite."
                )
            stop = [first + size for first, size in zip(start, values.shape[-2:], strict=True)]
            array[..., start[0] : stop[0], start[1] : stop[1]] = values
        if pair_sums is not None:
            array_in(group, SUMS)[index] = pair_sums
        array_in(group, DONE)[index] = 1

    def done(self) -> NDArray[np.bool_]:
        """Which tiles are done, (tile row, tile column)."""
        marks: NDArray[np.bool_] = np.asarray(array_in(_open(self.path), DONE)[:]) != 0
        return marks

    def finish(self) -> None:
        """Write what is known only when all tiles are done, if they are."""
        group = _open(self.path)
        if SUMS in group and self.done().all():
            fill_table(group)

    def clear(self) -> None:
        """Remove what a killed writer left of files it was writing."""
        for partial in self.path.rglob("*.partial"):
            partial.unlink(missing_ok=True)


def create_result(template: xr.Dataset, path: Path, fingerprint: str, *, overwrite: bool) -> ResultStore:
    """Create a result without numbers; the chunks of ``template`` become its tiles.

    Where it has a table of pairs there is room for the sums of every tile, too.

    Raises
    ------
    OutputExistsError
        Something is there and may not, or can not, be overwritten.
    """
    tile = (template.chunksizes["y"][0], template.chunksizes["x"][0])
    with staged_store(path, overwrite=overwrite) as temporary:
        template.to_zarr(
            temporary, compute=False, zarr_format=3, consolidated=False, encoding=_encoding(template)
        )
        group = zarr.open_group(temporary, mode="r+")
        n_tile = tuple(len(template.chunksizes[dim]) for dim in ("y", "x"))
        done = group.create_array(
            DONE, shape=n_tile, chunks=(1, 1), dtype="u1", fill_value=0, dimension_names=("tile_y", "tile_x")
        )
        done.attrs["long_name"] = "1 where a tile is written"
        if RESIDUAL_RMS in template:
            create_sums(group, n_tile, (len(PAIR_SUMS), template.sizes["pair"]))
        group.attrs[FINGERPRINT] = fingerprint
        consolidate_metadata(temporary)
    return ResultStore(path, tile, fingerprint)


def resume_result(path: Path, tile: tuple[int, int], fingerprint: str) -> ResultStore:
    """Find a result that was begun with the same stack and options; nothing is written.

    Raises
    ------
    OutputExistsError
        It was begun with others, or is no result of ours.
    """
    refuse_other_than_result(path)
    found = _open(path).attrs[FINGERPRINT]
    if found != fingerprint:
        raise OutputExistsError(
            f"{path} was begun with another stack, other options, chunks or another version "
            f"(fingerprint {found}, now {fingerprint}), so it cannot be resumed. Repeat the command that "
            "began it with --resume, or give --overwrite or another name."
        )
    if DONE not in _open(path):
        raise OutputExistsError(f"{path} has lost its {DONE}; start again with --overwrite.")
    return ResultStore(path, tile, fingerprint)


def refuse_other_than_result(path: Path) -> None:
    """Refuse a path where something else is than a result of ours.

    Raises
    ------
    OutputExistsError
        Says so; nothing is touched.
    """
    refuse_existing(path, overwrite=True)
    try:
        found = _open(path).attrs.get(FINGERPRINT)
    except (OSError, ValueError, KeyError, TypeError, ZarrError) as error:
        raise OutputExistsError(
            f"{path} is there and cannot be opened ({error}); give another name."
        ) from error
    if found is None:
        raise OutputExistsError(
            f"{path} is there and is no result of fringefleet, so it is neither resumed nor overwritten; "
            "give another name or remove it yourself."
        )


def result_tile(path: Path) -> tuple[int, int] | None:
    """Rows and columns of the tiles of a result; None if there is none to be found."""
    refuse_other_than_result(path)
    status = _open(path).get("status")
    return (status.chunks[0], status.chunks[1]) if isinstance(status, zarr.Array) else None


def make_fingerprint(facts: Mapping[str, Any]) -> str:
    """Digest everything that the result depends on; the same facts give the same 16 characters."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _encoding(template: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Whole tiles as chunks; no data is NaN, and integers have no fill value that reads as NaN."""
    compressor = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
    return {
        str(name): {
            "chunks": tuple(sizes[0] for sizes in variable.chunks),
            "compressors": [compressor],
            "_FillValue": np.float32(np.nan) if variable.dtype.kind == "f" else None,
            **({"fill_value": NOT_WRITTEN} if name == "status" else {}),
        }
        for name, variable in template.data_vars.items()
        if variable.chunks
    }


def _open(path: Path) -> zarr.Group:
    return zarr.open_group(path, mode="r+", use_consolidated=False)
