"""A stack as a Zarr v3 store of tiles with all pairs, made in bounded memory.

Worth it for a stack that is read often: MintPy's own layout reads as fast in large tiles, but HDF5
decodes in one thread of a process.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import dask.array as da
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from fringefleet.errors import OptionError
from fringefleet.io.complete import all_chunks_written, note_all_chunks
from fringefleet.io.place import check_apart, check_writable
from fringefleet.io.stack import open_stack, pair_folders, stored_tile
from fringefleet.io.staging import consolidate_metadata, staged_store
from fringefleet.io.tiles import fit_tile
from fringefleet.kinds import PATH, check_kind, check_two_numbers

CHUNK_BYTES = 32 * 1024**2  # phase of all pairs in one tile, at most
LARGEST_TILE = 256 * 256  # [pixel]

Progress = Callable[[int, int], None]
Array: TypeAlias = "zarr.Array[Any]"


@dataclass(frozen=True)
class _Tile:
    """A rectangle of the scene, in pixels."""

    rows: slice
    columns: slice

    def within(self, outer: "_Tile") -> "_Tile":
        """Count the same tile from the corner of another."""
        row, column = outer.rows.start, outer.columns.start
        return _Tile(
            slice(self.rows.start - row, self.rows.stop - row),
            slice(self.columns.start - column, self.columns.stop - column),
        )

    @property
    def n_pixel(self) -> int:
        """Area of the tile."""
        n_row: int = self.rows.stop - self.rows.start
        n_column: int = self.columns.stop - self.columns.start
        return n_row * n_column


def convert_stack(
    source: str | Path | xr.Dataset,
    output: str | Path,
    *,
    chunks: tuple[int, int] | None = None,
    overwrite: bool = False,
    memory_limit: int = 1024**3,
    progress: Progress | None = None,
) -> None:
    """Write a stack as a compressed Zarr v3 store with chunks (all pairs, y, x).

    All metadata is kept; pairs that the source drops are not carried. Every chunk is written and counted, so
    that one that is missing later is noticed. The store gets its name when it is complete.

    Parameters
    ----------
    source
        Anything that :func:`open_stack` opens, or what it returned, with ``chunks=None`` best.
    output
        The store.
    chunks
        Rows and columns of a chunk. None: whole stored chunks of the source, up to 65,536 pixels
        and 32 MB of phase.
    overwrite
        Replace a Zarr store that is there already.
    memory_limit
        Bytes to use at most [byte], beside what the libraries take.
    progress
        Called with the pixels done and the pixels in all.

    Raises
    ------
    OutputExistsError
        The output is there and ``overwrite`` is false, or it is something else than a Zarr store.
    OptionError
        One chunk does not fit into the memory.
    """
    check_kind("output", output, *PATH)
    if chunks is not None:
        check_two_numbers("chunks", chunks, "rows and columns of a chunk")
    check_writable(Path(output))
    if not isinstance(source, xr.Dataset):
        check_apart(Path(output), Path(source))
    stack = source if isinstance(source, xr.Dataset) else open_stack(source, chunks=None)
    if "source" in stack.encoding:
        check_apart(Path(output), Path(stack.encoding["source"]), pair_folders(stack))
    tile = chunks or default_tile(stack)
    slab = _slab(stack, tile, memory_limit)
    with staged_store(Path(output), overwrite=overwrite) as temporary, all_chunks_written():
        _create(stack, tile, temporary)
        _copy(stack, temporary, (tile, slab), progress or (lambda _done, _total: None))
        note_all_chunks(temporary)
        consolidate_metadata(temporary)


def default_tile(stack: xr.Dataset) -> tuple[int, int]:
    """Choose rows and columns of a chunk: whole stored chunks, at most 32 MB of phase."""
    shape = stack.sizes["y"], stack.sizes["x"]
    n_pixel = min(LARGEST_TILE, CHUNK_BYTES / (4 * stack.sizes["pair"]))
    return fit_tile(shape, stored_tile(stack), n_pixel)


def _gridded(stack: xr.Dataset) -> list[str]:
    return [str(name) for name, data in stack.data_vars.items() if {"y", "x"} <= set(data.dims)]


def _bytes_per_pixel(stack: xr.Dataset) -> int:
    """Bytes that the widest variable has at a pixel."""
    n_pixel = stack.sizes["y"] * stack.sizes["x"]
    return max(stack[name].nbytes // n_pixel for name in _gridded(stack))


def _slab(stack: xr.Dataset, tile: tuple[int, int], memory_limit: int) -> tuple[int, int]:
    """Rows and columns, whole tiles, to read at once; half the memory is left for the encoder.

    Large slabs matter where a stored chunk is larger than a tile (one whole interferogram, say) and
    would be decoded once per tile.
    """
    tile_bytes = tile[0] * tile[1] * _bytes_per_pixel(stack)
    n_tile = memory_limit // 2 // max(1, tile_bytes)
    if min(tile) < 1 or n_tile < 1:
        raise OptionError(
            f"chunks of {tile[0]} x {tile[1]} pixels take {tile_bytes} bytes for "
            f"{stack.sizes['pair']} pairs; at least 1 pixel and at most half the memory limit of "
            f"{memory_limit} bytes are needed. Give other chunks or a larger limit."
        )
    across = min(n_tile, -(-stack.sizes["x"] // tile[1]))
    return n_tile // across * tile[0], across * tile[1]


def _create(stack: xr.Dataset, tile: tuple[int, int], path: Path) -> None:
    """Write the metadata, and everything without y and x."""
    sizes = {"y": tile[0], "x": tile[1]}
    gridded, encoding = {}, {}
    for name in _gridded(stack):
        data = stack[name]
        chunks = tuple(min(sizes.get(str(dim), n), n) for dim, n in data.sizes.items())
        gridded[name] = (
            data.dims,
            da.zeros(data.shape, chunks=chunks, dtype=data.dtype),
            data.attrs,
        )
        compressor = BloscCodec(cname="lz4", shuffle="shuffle", typesize=data.dtype.itemsize)
        encoding[name] = {"chunks": chunks, "compressors": (compressor,), "_FillValue": None}
    stack.drop_encoding().assign(gridded).to_zarr(
        path, mode="w", compute=False, consolidated=False, zarr_format=3, encoding=encoding
    )


def _copy(
    stack: xr.Dataset,
    path: Path,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    progress: Progress,
) -> None:
    """Copy slab by slab, each variable on its own; every chunk is written once, whole."""
    names = _gridded(stack)
    scene = _Tile(slice(0, stack.sizes["y"]), slice(0, stack.sizes["x"]))
    written = 0  # pixels of all variables
    for slab in _cut(scene, sizes[1]):
        for name in names:
            array = zarr.open_array(path / name, mode="r+")
            for n_pixel in _copy_slab(stack[name], array, slab, sizes[0]):
                written += n_pixel
                progress(written // len(names), scene.n_pixel)


def _copy_slab(data: xr.DataArray, array: Array, slab: _Tile, size: tuple[int, int]) -> Iterator[int]:
    """Read a slab, write it tile by tile, and forget it; yields the pixels of each tile."""
    values = data.isel(y=slab.rows, x=slab.columns).values
    for tile in _cut(slab, size):
        part = tile.within(slab)
        array[..., tile.rows, tile.columns] = values[..., part.rows, part.columns]
        yield tile.n_pixel


def _cut(outer: _Tile, size: tuple[int, int]) -> Iterator[_Tile]:
    """Cut a rectangle into tiles, row by row; the last ones are what is left."""
    for row in range(outer.rows.start, outer.rows.stop, size[0]):
        for column in range(outer.columns.start, outer.columns.stop, size[1]):
            yield _Tile(
                slice(row, min(row + size[0], outer.rows.stop)),
                slice(column, min(column + size[1], outer.columns.stop)),
            )
