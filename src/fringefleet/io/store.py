"""The result store: a Zarr v3 group that many tasks write at once, and that survives being killed.

Every task writes the whole chunks of its own tile and, when they are written, that tile's done-mark: a
chunk of its own in the array ``progress/done``. Whether a chunk of the result exists would be no mark, as
Zarr writes none for a tile without an answer. Nothing in the store depends on host, order or the time of the
run, so one that was killed and resumed leaves the same bytes as one that was not: of the same files, in the
same chunks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.errors import FringefleetError, OutputExistsError, OutputLostError, StackFormatError
from fringefleet.io.arrays import array_in
from fringefleet.io.chunk_layout import find_chunk_files
from fringefleet.io.disk import disk_full_said
from fringefleet.io.door import readable
from fringefleet.io.listing import Listing
from fringefleet.io.origin import Origin, check_same_origin, read_listing, write_listing, write_origin
from fringefleet.io.pair_table import RESIDUAL_RMS, SUMS, create_sums, fill_table
from fringefleet.io.staging import consolidate_metadata, refuse_existing, staged_store
from fringefleet.io.threads import each
from fringefleet.io.whole_chunks import WholeChunks
from fringefleet.io.zarr_metadata import check_store
from fringefleet.provenance import PAIR_SUMS
from fringefleet.status import Status

DONE = "progress/done"
# The marks of a tile: a skipped one could not be computed; a doubted one may be of a stack that was changed.
IS_DONE, IS_SKIPPED, IS_DOUBTED = 1, 2, 3
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
            The tile is not whole chunks of the store: two tasks would write one file.
        OutputLostError
            The store is no longer the one that this run began: it was removed, changed or overwritten.
        DiskFullError
            Says how much is needed.
        """
        written: list[Path] = []
        n_byte = sum(values.nbytes for values in variables.values())
        try:
            with disk_full_said(self.path, lambda: n_byte * int((~self.done()).sum())):
                self._write(index, variables, pair_sums, written)
        except (OSError, KeyError, ValueError, ZarrError) as error:
            if isinstance(error, FringefleetError):
                raise
            self.check()
            raise
        finally:
            self._withdraw_if_gone(written)

    def _write(
        self,
        index: tuple[int, int],
        variables: Mapping[str, NDArray[Any]],
        pair_sums: NDArray[np.float64] | None,
        written: list[Path],
    ) -> None:
        """Write a tile and its mark, and say which files that are."""
        group = self.check()
        jobs: list[Callable[[], None]] = []
        for name, values in variables.items():
            array = array_in(group, name)
            if array.chunks[-2:] != self.tile or array.shards is not None:
                raise StackFormatError(
                    f"{self.path}: {name} has chunks of {array.chunks[-2:]} and shards {array.shards}; tiles "
                    f"of {self.tile} would share files and lose data. Start again with --overwrite."
                )
            key = (0,) * (array.ndim - 2) + index
            written.append(self.path / name / array.metadata.encode_chunk_key(key))
            if (files := find_chunk_files(array)) is not None:
                jobs.append(partial(files.write, key, values))
            else:
                window = (..., *self._pixels(index, values.shape[-2:]))
                jobs.append(partial(array.__setitem__, window, values))
        each(lambda job: job(), jobs)
        if pair_sums is not None:
            array_in(group, SUMS)[index] = pair_sums
        marks = array_in(self.check(), DONE)
        written.append(self.path / DONE / marks.metadata.encode_chunk_key(index))
        marks[index] = IS_DONE

    def skip_tile(self, index: tuple[int, int]) -> None:
        """Say of a tile that it could not be computed: no data, a status of its own, and a mark.

        Raises
        ------
        OutputLostError
            The store is no longer the one that this run began.
        """
        group = self.check()
        y, x = self._pixels(index, self.tile)
        with disk_full_said(self.path, lambda: self.tile[0] * self.tile[1]):
            for name, array in group.arrays():
                if array.chunks[-2:] == self.tile:
                    array[..., y, x] = Status.FAILED_TILE if name == "status" else array.fill_value
            if SUMS in group:
                array_in(group, SUMS)[index] = 0
            array_in(group, DONE)[index] = IS_SKIPPED

    def check(self) -> zarr.Group:
        """Open the store if it is still the one that this run began.

        Raises
        ------
        OutputLostError
            It was removed, damaged or overwritten.
        """
        try:
            group = _open(self.path)
            found = group.attrs.get(FINGERPRINT)
            lacking = [name for name in ("status", DONE) if name not in group]
        except (OSError, KeyError, ValueError, ZarrError) as error:
            raise OutputLostError(
                f"the output {self.path} is gone from this process's sight, or was damaged ({error})."
            ) from error
        if found != self.fingerprint:
            raise OutputLostError(
                f"the output {self.path} was replaced by another run while this one went on."
            )
        if lacking:
            raise OutputLostError(
                f"the output {self.path} has lost {', '.join(lacking)} while the run went on."
            )
        return group

    def _pixels(self, index: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
        y, x = (number * size for number, size in zip(index, self.tile, strict=True))
        return slice(y, y + shape[0]), slice(x, x + shape[1])

    def _withdraw_if_gone(self, written: list[Path]) -> None:
        """Remove what was written to a store that was removed meanwhile, and was so made again in parts."""
        if (self.path / "zarr.json").exists():
            return
        for file in written:
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self.path.parent or not _remove_empty(folder):
                    break

    def marks(self) -> NDArray[np.uint8]:
        """What is known of the tiles, (tile row, tile column): 0, ``IS_DONE`` or ``IS_SKIPPED``."""
        return np.asarray(array_in(_open(self.path), DONE)[:])

    def done(self, *, or_doubted: bool = False) -> NDArray[np.bool_]:
        """Which tiles are done, (tile row, tile column)."""
        marks: NDArray[np.bool_] = np.isin(self.marks(), (IS_DONE, *[IS_DOUBTED] * or_doubted))
        return marks

    def doubt(self, windows: Sequence[tuple[slice, slice]] | None) -> int:
        """Mark tiles that are done, and that one of the windows of pixels touches, as not to be relied on.

        Parameters
        ----------
        windows
            Rows and columns; None for the whole scene.

        Returns
        -------
        int
            How many.
        """
        done, concerned = self.done(), np.full(self.done().shape, windows is None)
        for window in windows or ():
            concerned[
                tuple(slice(p.start // n, -(-p.stop // n)) for p, n in zip(window, self.tile, strict=True))
            ] = True
        marks = array_in(_open(self.path), DONE)
        for index in np.argwhere(done & concerned).tolist():
            marks[tuple(index)] = IS_DOUBTED
        return int((done & concerned).sum())

    def trust(self, listing: Listing) -> None:
        """Take the files of the stack, as they are now, for those that the result was made from."""
        group, marks = _open(self.path), self.marks()
        marks[marks == IS_DOUBTED] = IS_DONE
        write_listing(group, listing)
        array_in(group, DONE)[:] = marks

    def listing(self) -> Listing:
        """Read which files of the stack the result is made from."""
        return read_listing(_open(self.path))

    def finish(self) -> None:
        """Write what is known only when all tiles are done or skipped, if they are."""
        group = _open(self.path)
        if SUMS in group and np.isin(self.marks(), (IS_DONE, IS_SKIPPED)).all():
            with disk_full_said(self.path, lambda: 1024):
                fill_table(group)

    def clear(self) -> None:
        """Remove what a killed writer left of files it was writing."""
        for file in self.path.rglob("*.partial"):
            file.unlink(missing_ok=True)


def create_result(template: xr.Dataset, path: Path, origin: Origin, *, overwrite: bool) -> ResultStore:
    """Create a result without numbers; the chunks of ``template`` become its tiles.

    Where it has a table of pairs there is room for the sums of every tile, too.

    Raises
    ------
    OutputExistsError
        Something is there and may not, or can not, be overwritten.
    """
    tile = (template.chunksizes["y"][0], template.chunksizes["x"][0])
    with (
        disk_full_said(path, lambda: template.nbytes),
        staged_store(path, overwrite=overwrite) as temporary,
    ):
        _in_one_chunk(template).to_zarr(
            temporary, compute=False, zarr_format=3, consolidated=False, encoding=_encoding(template)
        )
        group = zarr.open_group(temporary, mode="r+")
        n_tile = tuple(len(template.chunksizes[dim]) for dim in ("y", "x"))
        done = group.create_array(
            DONE, shape=n_tile, chunks=(1, 1), dtype="u1", fill_value=0, dimension_names=("tile_y", "tile_x")
        )
        done.attrs["long_name"] = (
            "1 where a tile is written, 2 where it could not be computed, 3 where the stack was changed "
            "meanwhile"
        )
        write_origin(group, origin)
        if RESIDUAL_RMS in template:
            create_sums(group, n_tile, (len(PAIR_SUMS), template.sizes["pair"]))
        group.attrs[FINGERPRINT] = origin.fingerprint
        consolidate_metadata(temporary)
    return ResultStore(path, tile, origin.fingerprint)


def resume_result(
    path: Path, tile: tuple[int, int], origin: Origin, *, accept_touched: bool = False
) -> tuple[ResultStore, bool]:
    """Find a result that was begun with the same stack and options; nothing is written.

    Returns
    -------
    tuple
        The result, and whether files of the stack were touched since, which is accepted then.

    Raises
    ------
    OutputExistsError
        It was begun with others, or is no result of ours.
    """
    refuse_other_than_result(path)
    group = _open(path)
    _check_complete(group, path)
    is_touched = check_same_origin(group, origin, path, accept_touched=accept_touched)
    store = ResultStore(path, tile, str(group.attrs[FINGERPRINT]))
    with readable(f"the result {path}", OutputExistsError):
        _check_marks(store)
    return store, is_touched


def holds_run(path: Path, fingerprint: str) -> bool:
    """Tell whether a result is there that was begun by the run of a fingerprint."""
    try:
        return bool(_open(path).attrs.get(FINGERPRINT) == fingerprint)
    except (OSError, ValueError, KeyError, TypeError, ZarrError):
        return False


def _check_complete(group: zarr.Group, path: Path) -> None:
    """Refuse a result whose status or marks of tiles are gone."""
    lacking = [name for name in ("status", DONE) if name not in group]
    if lacking:
        raise OutputExistsError(f"{path} has lost its {', '.join(lacking)}; start again with --overwrite.")


def _check_marks(store: ResultStore) -> None:
    """Refuse a result whose marks of tiles are not those of its status."""
    group = _open(store.path)
    shape = array_in(group, "status").shape
    needed = tuple(-(-size // step) for size, step in zip(shape, store.tile, strict=True))
    if (found := store.marks().shape) != needed:
        raise OutputExistsError(
            f"{store.path} has marks of {found} tiles, and {needed} are needed: it is damaged. Start again "
            "with --overwrite."
        )


def refuse_other_than_result(path: Path) -> None:
    """Refuse a path where something else is than a result of ours.

    Raises
    ------
    OutputExistsError
        Says so; nothing is touched.
    """
    refuse_existing(path, overwrite=True)
    try:
        check_store(path, may_be_empty=True)
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


def _in_one_chunk(template: xr.Dataset) -> xr.Dataset:
    """Give a template whose variables are not cut: a task for each tile would be made, and thrown away."""
    return template.assign(
        {
            name: variable.copy(data=da.zeros(variable.shape, dtype=variable.dtype, chunks=-1))
            for name, variable in template.variables.items()
            if variable.chunks
        }
    )


def _encoding(template: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Whole tiles as chunks; no data is NaN, and integers have no fill value that reads as NaN."""
    compressor = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
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


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _open(path: Path) -> zarr.Group:
    if not (path / "zarr.json").is_file():  # Zarr would make the folder
        raise FileNotFoundError(f"found no result at {path}")
    return zarr.open_group(WholeChunks(path), mode="r+", use_consolidated=False)
