"""Result store: a Zarr v3 group that many tasks write at once, and that survives being killed.

Every task writes the whole chunks of its own tile, waits until they are on the disk, and sets the tile's
mark (:mod:`fringefleet.io.store.marks`). Nothing in the store depends on host, order or time of the run,
so a run that was killed and resumed leaves the same bytes as one that was not, given the same files and
chunks.

A chunk has all dates of a tile, compressed by Blosc: LZ4 5 with byte shuffle, as measured
(``tests/benchmarks/results/codecs-cpu.json``). Zstandard 1 takes 2 to 4 % less space and 3 to 5 times the
time, LZ4HC 26 to 42 times. The series of a pixel is in one file, and a map of one date, for which the whole
scene is unpacked, takes half as long as with Zstandard; chunks of few dates would make maps faster, but
more files. GDAL 3.12 reads it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.arguments.shapes import Pixel, Shape, TileIndex
from fringefleet.errors import FringefleetError, OutputExistsError, StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.files.listing import Listing
from fringefleet.io.files.threads import each
from fringefleet.io.placeholders import placeholder
from fringefleet.io.store.conventions import with_conventions
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.store.durable import sync, sync_tree
from fringefleet.io.store.marks import (
    DONE,
    IS_DONE,
    IS_DOUBTED,
    IS_SKIPPED,
    N_BYTE,
    create_marks,
    files_in,
    find_damaged,
    read_marks,
    tiles_in,
)
from fringefleet.io.store.origin import (
    Origin,
    SourceChange,
    check_same_origin,
    read_listing,
    write_listing,
    write_origin,
)
from fringefleet.io.store.pair_table import RESIDUAL_RMS, SUMS, create_sums, fill_table
from fringefleet.io.store.staging import check_replaceable, consolidate_metadata, staged_store
from fringefleet.io.store.stored_mask import MASK
from fringefleet.io.store.unfinished import (
    FINGERPRINT,
    Target,
    UnfinishedResult,
    open_result_to_write,
    reopen_unfinished,
)
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.metadata import check_store
from fringefleet.processes.dask_defaults import with_graph_defaults
from fringefleet.products.pair_sums import PAIR_SUMS
from fringefleet.products.quantization import quantized
from fringefleet.status import Status

logger = logging.getLogger(__name__)

_TITLE = "Displacement time series from a network of interferograms"
_NOT_WRITTEN = 255  # status of a tile that is not written yet: neither a code nor "ok"


@dataclass(frozen=True)
class ResultStore:
    """Result on disk with the state of its tiles; pickles as a path and two numbers."""

    path: Path
    tile: Shape  # rows and columns
    fingerprint: str  # of the run that writes to it

    def write_tile(
        self,
        index: TileIndex,
        variables: Mapping[str, NDArray[Any]],
        pair_sums: NDArray[np.float64] | None = None,
    ) -> None:
        """Write every variable of a tile, (..., y, x), its sums over pairs if any, then its mark.

        Raises
        ------
        StackFormatError
            The tile does not consist of whole chunks of the store: two tasks would write one file.
        OutputLostError
            The store is no longer that of this run: it was removed, changed or overwritten.
        DiskFullError
            States how much is needed.
        """
        written: list[Path] = []
        n_byte = sum(values.nbytes for values in variables.values())
        try:
            with translate_disk_full(self.path, lambda: n_byte * int((~self.done()).sum())):
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
        index: TileIndex,
        variables: Mapping[str, NDArray[Any]],
        pair_sums: NDArray[np.float64] | None,
        written: list[Path],
    ) -> None:
        """Write a tile and its mark, and return the files written."""
        begun = self.check(variables)
        sizes: list[int] = []
        jobs: list[Callable[[], None]] = []
        for name, values in variables.items():
            target = begun.target(name)
            if target.files.chunks[-2:] != self.tile:
                raise StackFormatError(
                    f"{self.path}: {name} has chunks of {target.files.chunks[-2:]}; tiles of {self.tile} "
                    "would share files and lose data. Start again with --overwrite."
                )
            key = (*[0] * (values.ndim - 2), *index)
            written.append(target.files.path(key))
            jobs.append(partial(_write_chunk, target, key, values, sizes))
        if pair_sums is not None:
            target, key = begun.target(SUMS), (*index, 0, 0)
            written.append(target.files.path(key))
            jobs.append(partial(_write_chunk, target, key, pair_sums[None, None], sizes))
        each(lambda job: job(), jobs)
        self._mark(index, sum(sizes), written)

    def _mark(self, index: TileIndex, n_byte: int, written: list[Path]) -> None:
        """Set the mark of a tile, when its files are on the disk and the store is still that of this run."""
        begun = self.check()
        files = begun.target(N_BYTE).files
        written.append(files.path(index))
        files.write(index, np.full((1, 1), n_byte, np.int64))
        sync(written, self.path)
        files = self.check().target(DONE).files
        written.append(files.path(index))
        files.write(index, np.full((1, 1), IS_DONE, np.uint8))

    def skip_tile(self, index: TileIndex) -> None:
        """Mark a tile that could not be computed: no data, and a status of its own.

        Raises
        ------
        OutputLostError
            The store is no longer that of this run.
        """
        group = self.check().group
        y, x = self._pixels(index, self.tile)
        with translate_disk_full(self.path, lambda: self.tile[0] * self.tile[1]):
            for name, array in group.arrays():
                if name != MASK and array.chunks[-2:] == self.tile:
                    array[..., y, x] = Status.FAILED_TILE if name == "status" else array.fill_value
            if SUMS in group:
                array_in(group, SUMS)[index] = 0
            array_in(group, DONE)[index] = IS_SKIPPED

    def check(self, names: Iterable[str] = ()) -> UnfinishedResult:
        """Find the store, and variables in it, if it is still that of this run.

        Raises
        ------
        OutputLostError
            It was removed, damaged or overwritten.
        """
        return reopen_unfinished(self.path, self.fingerprint, names)

    def _pixels(self, index: TileIndex, shape: tuple[int, ...]) -> tuple[slice, slice]:
        y, x = (number * size for number, size in zip(index, self.tile, strict=True))
        return slice(y, y + shape[0]), slice(x, x + shape[1])

    def _withdraw_if_gone(self, written: list[Path]) -> None:
        """Remove files written to a store that was removed meanwhile, and so partly created again."""
        if (self.path / "zarr.json").exists():
            return
        for file in written:
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self.path.parent or not _remove_empty(folder):
                    break

    def marks(self) -> NDArray[np.uint8]:
        """Marks of the tiles, (tile row, tile column): 0, or one of the marks."""
        return read_marks(open_result_to_write(self.path))

    def done(self, *, or_doubted: bool = False) -> NDArray[np.bool_]:
        """Return which tiles are done, (tile row, tile column)."""
        marks: NDArray[np.bool_] = np.isin(self.marks(), (IS_DONE, *[IS_DOUBTED] * or_doubted))
        return marks

    def kept(self, *, or_doubted: bool = False) -> NDArray[np.bool_]:
        """Return which tiles are done and have all their files, so that a resumed run keeps them."""
        kept = self.done(or_doubted=or_doubted)
        for index in self._damaged(kept):
            kept[index] = False
        return kept

    def _damaged(self, tiles: NDArray[np.bool_]) -> list[TileIndex]:
        group = open_result_to_write(self.path)
        of_tiles = [name for name, array in group.arrays() if array.chunks[-2:] == self.tile and name != MASK]
        series = [files_in(group, name) for name in of_tiles]
        sums = [files_in(group, SUMS)] if SUMS in group else []

        def paths_of(index: TileIndex) -> Iterator[Path]:
            yield from (files.path((*[0] * (len(files.shape) - 2), *index)) for files in series)
            yield from (files.path((*index, 0, 0)) for files in sums)

        return find_damaged(group, tiles, paths_of)

    def forget_damaged(self) -> None:
        """Remove the marks of finished tiles whose files are missing, empty or truncated."""
        damaged = self._damaged(self.done())
        marks = array_in(open_result_to_write(self.path), DONE)
        for index in damaged:
            marks[index] = 0
        if damaged:
            logger.warning(
                "%s: files of %d finished tiles, %s the first, are missing or truncated; they are done again",
                self.path,
                len(damaged),
                damaged[0],
            )

    def doubt(self, windows: Sequence[tuple[slice, slice]] | None, *, is_touched: bool) -> int:
        """Mark finished tiles within the given windows of pixels as doubtful.

        Parameters
        ----------
        windows
            Rows and columns; None for the whole scene.
        is_touched
            Whether only times of their files changed, so that they may be taken for done later.

        Returns
        -------
        int
            Number of tiles marked.
        """
        done = self.done()
        doubted = done & tiles_in(windows, done.shape, self.tile)
        marks = array_in(open_result_to_write(self.path), DONE)
        for index in np.argwhere(doubted).tolist():
            marks[tuple(index)] = IS_DOUBTED if is_touched else 0
        return int(doubted.sum())

    def trust(self, listing: Listing, change: SourceChange) -> None:
        """Record the current files of the stack as those that the result was made from.

        Doubted tiles are done where files were only touched, and are done again where they changed.
        """
        group, marks = open_result_to_write(self.path), self.marks()
        marks[marks == IS_DOUBTED] = IS_DONE if change is SourceChange.TOUCHED else 0
        array_in(group, DONE)[:] = marks
        write_listing(group, listing)

    def listing(self) -> Listing:
        """Read which files of the stack the result was made from."""
        return read_listing(open_result_to_write(self.path))

    def finish(self) -> None:
        """Write what is known only when all tiles are done or skipped, if they are."""
        group = open_result_to_write(self.path)
        if SUMS in group and np.isin(self.marks(), (IS_DONE, IS_SKIPPED)).all():
            with translate_disk_full(self.path, lambda: 1024):
                fill_table(group)

    def clear(self) -> None:
        """Remove unfinished files of a killed writer."""
        for file in self.path.rglob("*.partial"):
            file.unlink(missing_ok=True)


def create_result(template: xr.Dataset, path: Path, origin: Origin, *, overwrite: bool) -> ResultStore:
    """Create a result without values; the chunks of ``template`` become its tiles.

    If it has a table of pairs, the sums of every tile are also created.

    Raises
    ------
    OutputExistsError
        The path exists and may not, or cannot, be overwritten.
    """
    tile = (template.chunksizes["y"][0], template.chunksizes["x"][0])
    with (
        translate_disk_full(path, lambda: template.nbytes),
        staged_store(path, overwrite=overwrite) as temporary,
    ):
        with_conventions(in_one_chunk(template), _TITLE).to_zarr(
            temporary, compute=False, zarr_format=3, consolidated=False, encoding=encoding_of(template)
        )
        group = zarr.open_group(temporary, mode="r+")
        n_tile = tuple(len(template.chunksizes[dim]) for dim in ("y", "x"))
        create_marks(group, n_tile)
        write_origin(group, origin)
        if RESIDUAL_RMS in template:
            create_sums(group, n_tile, (len(PAIR_SUMS), template.sizes["pair"]))
        group.attrs[FINGERPRINT] = origin.fingerprint
        consolidate_metadata(temporary)
        sync_tree(temporary)
    sync([], path.parent)
    return ResultStore(path, tile, origin.fingerprint)


def resume_result(
    path: Path,
    tile: Shape,
    origin: Origin,
    names: Iterable[str],
    *,
    accept_touched: bool = False,
    corner: Pixel = (0, 0),
) -> tuple[ResultStore, SourceChange]:
    """Open a result that was started with the same stack and options, without writing.

    Parameters
    ----------
    path
        Path of the result.
    tile
        Rows and columns of its tiles.
    origin
        Origin that it must have.
    names
        Variables that it must have.
    accept_touched
        Whether files of the stack that differ only in their modification time are accepted.
    corner
        Row and column in the stack of the first pixel of the result.

    Returns
    -------
    tuple
        Result, and how files of the stack changed since, if that is accepted: no finished tile was read from
        those with another content.

    Raises
    ------
    OutputExistsError
        It was started with others, or is not a result of ours.
    """
    check_result_of_ours(path)
    group = open_result_to_write(path)
    _check_complete(group, path, ("status", DONE))
    change = check_same_origin(group, origin, path, tile=tile, corner=corner, accept_touched=accept_touched)
    _check_complete(group, path, (N_BYTE, *names))
    store = ResultStore(path, tile, str(group.attrs[FINGERPRINT]))
    with readable(f"the result {path}", OutputExistsError):
        _check_marks(store)
    return store, change


def holds_run(path: Path, fingerprint: str) -> bool:
    """Return whether a path contains a result that was started by the run with a fingerprint."""
    try:
        return bool(open_result_to_write(path).attrs.get(FINGERPRINT) == fingerprint)
    except (OSError, ValueError, KeyError, TypeError, ZarrError):
        return False


def _check_complete(group: zarr.Group, path: Path, names: Iterable[str]) -> None:
    """Reject a result that lacks required parts."""
    lacking = [name for name in names if name not in group]
    if lacking:
        raise OutputExistsError(f"{path} lacks {', '.join(lacking)}; start again with --overwrite.")


def _check_marks(store: ResultStore) -> None:
    """Reject a result whose marks do not match the tiles of its status."""
    group = open_result_to_write(store.path)
    shape = array_in(group, "status").shape
    needed = tuple(-(-size // step) for size, step in zip(shape, store.tile, strict=True))
    if (found := store.marks().shape) != needed:
        raise OutputExistsError(
            f"{store.path} has marks of {found} tiles, but {needed} are needed: it is damaged. Start again "
            "with --overwrite."
        )


def check_result_of_ours(path: Path) -> None:
    """Reject a path with something other than a result of ours.

    Raises
    ------
    OutputExistsError
        States this; nothing is changed.
    """
    check_replaceable(path, overwrite=True)
    try:
        check_store(path, may_be_empty=True)
        found = open_result_to_write(path).attrs.get(FINGERPRINT)
    except (OSError, ValueError, KeyError, TypeError, ZarrError) as error:
        raise OutputExistsError(
            f"{path} exists but cannot be opened ({error}); give another name."
        ) from error
    if found is None:
        raise OutputExistsError(
            f"{path} exists and is not a result of fringefleet, so it is neither resumed nor overwritten; "
            "give another name or remove it yourself."
        )


def result_tile(path: Path) -> Shape | None:
    """Return rows and columns of the tiles of a result; None if there is none."""
    check_result_of_ours(path)
    status = open_result_to_write(path).get("status")
    return (status.chunks[0], status.chunks[1]) if isinstance(status, zarr.Array) else None


@with_graph_defaults
def in_one_chunk(template: xr.Dataset) -> xr.Dataset:
    """Return a template whose variables are not chunked: chunks would create a useless task per tile."""
    return template.assign(
        {
            name: variable.copy(data=placeholder(str(name), variable.shape, variable.dtype, -1))
            for name, variable in template.variables.items()
            if variable.chunks
        }
    )


def encoding_of(template: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Return the encoding: whole tiles as chunks; NaN as no data, and no fill value for integers."""
    compressor = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
    return {
        str(name): {
            "chunks": tuple(sizes[0] for sizes in variable.chunks),
            "compressors": [compressor],
            "_FillValue": np.float32(np.nan) if variable.dtype.kind == "f" else None,
            **({"fill_value": _NOT_WRITTEN} if name == "status" else {}),
        }
        for name, variable in template.data_vars.items()
        if variable.chunks
    }


def _write_chunk(target: Target, key: tuple[int, ...], values: NDArray[Any], sizes: list[int]) -> None:
    """Round a chunk, if requested, and write it; append its size in the file."""
    rounded = values if target.keep_bits is None else quantized(values, target.keep_bits)
    sizes.append(target.files.write(key, rounded))


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
