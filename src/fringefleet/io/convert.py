"""Conversion of a stack to a Zarr v3 store of tiles with all pairs, in bounded memory on all cores.

Worthwhile for a stack that is read often, and whose files contain few pairs or whole interferograms each. A
conversion that was killed can be continued (:mod:`fringefleet.io.conversion`).
"""

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.kinds import check_two_numbers
from fringefleet.arguments.shapes import Shape
from fringefleet.errors import OptionError
from fringefleet.io.chunking import fit_tile
from fringefleet.io.conversion import Conversion
from fringefleet.io.copying import Partition, copy_tiles, gridded
from fringefleet.io.files.threads import thread_count
from fringefleet.io.reference_phases import as_stored
from fringefleet.io.stack import open_stack, pair_folders, stored_tile
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.store.lock import locked
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.store.staging import check_replaceable, recover_interrupted_overwrite
from fringefleet.option_words import option

_CHUNK_BYTES = 32 * 1024**2  # phase of all pairs in one tile, at most
_LARGEST_TILE = 256 * 256  # [pixel]

_Progress = Callable[[int, int], None]


@checked_call
def convert_stack(  # noqa: PLR0913 - all options of a conversion
    source: str | Path | xr.Dataset,
    output: str | Path,
    *,
    chunks: Shape | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_touched: bool = False,
    total_memory: int = 1024**3,
    progress: _Progress | None = None,
) -> None:
    """Write a stack as a compressed Zarr v3 store with chunks (all pairs, y, x).

    All metadata are kept; pairs that the source drops are omitted. Every chunk is written and counted, so
    that a missing one is detected later. The store gets its name when it is complete; until then it is
    in a hidden folder next to it, which is kept when the conversion is interrupted.

    Parameters
    ----------
    source
        Anything that :func:`open_stack` opens, or its result, preferably with ``chunks=None``.
    output
        Path of the store.
    chunks
        Rows and columns of a chunk. None: those of the conversion that is resumed, else whole stored chunks
        of the source, up to 65,536 pixels and 32 MB of phase.
    overwrite
        Replace an existing Zarr store.
    resume
        Continue a conversion of the same stack to the same chunks; do nothing if it was finished. Otherwise
        an unfinished conversion is removed.
    accept_touched
        Accept files of the stack of which only the modification time has changed.
    total_memory
        Maximum memory [byte], in addition to that of the libraries.
    progress
        Called with the number of pixels done and the total number.

    Raises
    ------
    OutputExistsError
        The output exists and ``overwrite`` is false, or it is not a Zarr store; or the conversion to be
        resumed was started with something else.
    OutputInUseError
        Another process writes to it.
    OptionError
        One chunk does not fit into the memory.
    StackChangedError
        The stack changed meanwhile.

    Examples
    --------
    >>> convert_stack("stack.zarr", "copy.zarr", chunks=(8, 16))
    >>> open_stack("copy.zarr").unwrapped_phase.encoding["preferred_chunks"]["y"]
    8
    """
    if chunks is not None:
        check_two_numbers("chunks", chunks, "rows and columns of a chunk")
    if resume and overwrite:
        raise OptionError(
            f"found both {option('resume', True)} and {option('overwrite', True)}; give one of them."
        )
    output = Path(output)
    check_output_name(output, "Zarr", "stack.zarr")
    check_writable(output)
    if not isinstance(source, xr.Dataset):
        check_apart(output, Path(source))
    stack = source if isinstance(source, xr.Dataset) else open_stack(source, chunks=None)
    if "source" in stack.encoding:
        check_apart(output, Path(stack.encoding["source"]), pair_folders(stack))
    stack = as_stored(stack)
    recover_interrupted_overwrite(output)
    is_whole = not isinstance(source, xr.Dataset)
    begun = Conversion.of(stack, output, accept_touched=accept_touched, is_whole=is_whole)
    tile = chunks or (begun.tile() if resume else None) or default_tile(stack)
    cut = _cut(stack, tile, total_memory)
    if resume and begun.was_finished(tile):
        return
    if not (resume and begun.is_there()):
        check_replaceable(output, overwrite=overwrite)
    with locked(output), translate_disk_full(output, lambda: stack.nbytes):
        with begun.opened(tile, resume=resume, overwrite=overwrite) as marks:
            copy_tiles(stack, begun.store, marks, cut, progress or (lambda _done, _total: None))
        begun.finish(tile)


def default_tile(stack: xr.Dataset) -> Shape:
    """Choose rows and columns of a chunk: whole stored chunks, at most 32 MB of phase."""
    shape = stack.sizes["y"], stack.sizes["x"]
    n_pixel = min(_LARGEST_TILE, _CHUNK_BYTES / (4 * stack.sizes["pair"]))
    return fit_tile(shape, stored_tile(stack), n_pixel)


def _bytes_per_pixel(stack: xr.Dataset) -> int:
    """Return the bytes per pixel of the widest variable."""
    n_pixel = stack.sizes["y"] * stack.sizes["x"]
    return max(stack[name].nbytes // n_pixel for name in gridded(stack))


def _cut(stack: xr.Dataset, tile: Shape, total_memory: int) -> Partition:
    """Choose the number of whole tiles to read at once.

    Large regions matter where a stored chunk is larger than a tile (one whole interferogram, for example) and
    would be decoded once per tile; otherwise as many tiles as keep all cores busy are enough, and their
    memory stays in cache. Memory is taken by two buffers, one being read while the other one is written, and
    for each tile being compressed by a copy of it and the compressed data.
    """
    tile_bytes = tile[0] * tile[1] * _bytes_per_pixel(stack)
    n_held = total_memory // max(1, tile_bytes)
    if min(tile) < 1 or n_held < 2:
        raise OptionError(
            f"chunks of {tile[0]} x {tile[1]} pixels take {tile_bytes} bytes for "
            f"{stack.sizes['pair']} pairs; at least 1 pixel and at most half the memory limit of "
            f"{total_memory} bytes are needed. Give other chunks or a larger limit."
        )
    n_thread = thread_count()
    n_tile = max(1, min(n_held // 4, n_thread), (n_held - 2 * n_thread) // 2)
    if _has_whole_chunks(stack, tile):
        n_tile = min(n_tile, 2 * n_thread)
    across = min(n_tile, -(-stack.sizes["x"] // tile[1]))
    return Partition(tile, (n_tile // across * tile[0], across * tile[1]), 1 if n_held < 4 else 2)


def _has_whole_chunks(stack: xr.Dataset, tile: Shape) -> bool:
    """Return whether every stored chunk of the source lies in a single tile."""
    stored = stored_tile(stack)
    return stored is not None and all(wanted % size == 0 for wanted, size in zip(tile, stored, strict=True))
