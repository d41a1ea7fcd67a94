"""Mean coherence of every pair and of every pixel, computed once on the workers and kept beside the output.

The mean of a pair is that over the pixels of the whole scene that have a coherence, neither NaN nor 0, and
that no mask of pixels excludes, as MintPy's ``modify_network`` has it; the mean of a pixel is that over all
pairs of the stack that have one there. They depend on the files of the coherence and on the mask alone, so
that they are computed anew only if one of these has changed.
"""

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.errors import BaseZarrError as ZarrError

from fringefleet.arguments.shapes import Shape
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import OptionError, StackFormatError
from fringefleet.execution import graph
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.scene_maps import pixels_to_invert
from fringefleet.execution.scheduler import RunProgress, execute
from fringefleet.execution.tile import Arrays, BlockFunction, Tile
from fringefleet.io.chunking import fit_tile
from fringefleet.io.stack import open_stack, read_step, source_version
from fringefleet.io.store.staging import staged_store
from fringefleet.io.zarr.arrays import array_in
from fringefleet.io.zarr.files import version_of_used
from fringefleet.option_words import option

logger = logging.getLogger(__name__)

_TILE_BYTES = 64 * 1024**2  # of the coherence of a tile
_MADE_OF = "made_of"  # attribute of the store
_SUMS, _COUNTS, _MAP, _N_PAIR = "pair_sum", "pair_count", "mean", "n_pair"


@dataclass(frozen=True)
class CoherenceMeans:
    """Mean coherence of all pairs of a stack.

    Attributes
    ----------
    of_pairs
        (pair,); NaN of a pair that has no coherence anywhere.
    of_pixels
        (y, x); NaN where no pair has one.
    n_pair
        Pairs that have a coherence at a pixel, (y, x).
    """

    of_pairs: NDArray[np.float64]
    of_pixels: NDArray[np.float32]
    n_pair: NDArray[np.int32]


def needs_means(job: Run) -> bool:
    """Whether a run needs means of the coherence before it can be checked."""
    is_auto = job.setting.reference == "auto" and not job.setting.skip_reference
    return job.selection.min_coherence is not None or is_auto


def means_path(output: Path) -> Path:
    """Name the store of the means that belong to an output.

    Examples
    --------
    >>> str(means_path(Path("out/result.zarr")))
    'out/result.zarr.means.zarr'
    """
    return output.with_name(f"{output.name}.means.zarr")


def check_coherence(job: Run, stack: xr.Dataset) -> None:
    """Refuse what needs means of the coherence of a stack that has none.

    Raises
    ------
    StackFormatError
        Says what needs it.
    """
    if "coherence" not in stack.data_vars:
        least = job.selection.min_coherence
        wants = option("reference", "auto") if least is None else option("min_coherence", least)
        raise StackFormatError(
            f"found no coherence in the stack; {wants} needs it. Add it to the stack, or leave the option "
            "out."
        )


def are_kept(job: Run) -> bool:
    """Whether the means that a run needs are kept beside its output already.

    Raises
    ------
    InputError
        The stack cannot be opened, or has no coherence.
    """
    stack = open_stack(job.stack, chunks=None, reader=job.reader, drop_incomplete=job.drop_incomplete)
    check_coherence(job, stack)
    return kept_means(job, stack) is not None


def check_kept(job: Run) -> None:
    """Refuse a run that needs means which are not kept, for who does not want to read all of the coherence.

    Raises
    ------
    OptionError
        Says what to do.
    """
    if needs_means(job) and not are_kept(job):
        least = job.selection.min_coherence
        wants = option("reference", "auto") if least is None else option("min_coherence", least)
        raise OptionError(
            f"found {wants}, for which invert reads the coherence once and keeps its means in "
            f"{means_path(job.output)}, which are not there. Name the output of an inversion that was begun, "
            "or plan without the option."
        )


def kept_means(job: Run, stack: xr.Dataset) -> CoherenceMeans | None:
    """Read the means that are kept beside the output; None if there are none of this stack and this mask."""
    return _read(means_path(job.output), _made_of(stack, _mask_of(job, stack)))


def coherence_means(job: Run, stack: xr.Dataset) -> CoherenceMeans:
    """Read the means that are kept, or compute them on whatever Dask scheduler is current, and keep them.

    Parameters
    ----------
    job
        Its output says where they are kept, its setting which pixels count.
    stack
        All pairs, not chunked; see :func:`check_coherence`.

    Raises
    ------
    RunError
        A tile could not be read.
    """
    path, mask = means_path(job.output), _mask_of(job, stack)
    made_of = _made_of(stack, mask)
    if (kept := _read(path, made_of)) is not None:
        return kept
    coherence = stack[["coherence"]].transpose("pair", "y", "x", ...).drop_vars(list(stack.coords))
    if mask is not None:
        coherence = coherence.assign(water_mask=(("y", "x"), mask))
    shape, n_pair = (stack.sizes["y"], stack.sizes["x"]), stack.sizes["pair"]
    tile = fit_tile(shape, read_step(stack), _TILE_BYTES / (n_pair * stack["coherence"].dtype.itemsize))
    logger.info("reading the coherence once for its means, which are kept in %s", path)
    with staged_store(path, overwrite=True) as temporary:
        _create(temporary, shape, tile, n_pair)
        function = BlockFunction("mean_coherence", _sum_up)
        execute(
            graph.block_tasks(coherence, tile, function, partial(_write, temporary), source=job.stack),
            _say_how_far,
            FailurePolicy(retries=job.on_failure.retries),  # no tile may be left out
        )
        zarr.open_group(temporary, mode="r+").attrs[_MADE_OF] = made_of
    found = _read(path, made_of)
    assert found is not None  # noqa: S101 - it has just been written
    return found


def _mask_of(job: Run, stack: xr.Dataset) -> NDArray[np.bool_] | None:
    shape = (stack.sizes["y"], stack.sizes["x"])
    return pixels_to_invert(shape, job.setting.water_mask, job.setting.average_coherence)


def _made_of(stack: xr.Dataset, mask: NDArray[np.bool_] | None) -> str:
    """Digest what means depend on."""
    files = version_of_used(source_version(stack), ["coherence"]).listing.digest
    return hashlib.sha256(files.encode() + (b"" if mask is None else mask.tobytes())).hexdigest()[:16]


def _sum_up(arrays: Arrays, _tile: Tile, watch: Stopwatch, place: BlockPlace) -> BlockResult:
    """Sum the coherences of a tile over its pixels, and take their means over the pairs."""
    coherence, wanted = arrays["coherence"], arrays.get("water_mask")
    n_pair = len(coherence)
    sums, counts = np.zeros((n_pair, 1, 1)), np.zeros((n_pair, 1, 1), np.int64)
    total, number = np.zeros(coherence.shape[1:]), np.zeros(coherence.shape[1:], np.int32)
    with place.turn(), watch.time("solve"):
        for pair, values in enumerate(coherence):
            is_known = np.isfinite(values) & (values != 0)
            if wanted is not None:
                is_known &= wanted
            known = np.where(is_known, values, 0).astype(np.float64)
            sums[pair], counts[pair] = known.sum(), is_known.sum()
            total += known
            number += is_known
        mean = np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
    return BlockResult({_SUMS: sums, _COUNTS: counts, _MAP: mean, _N_PAIR: number})


def _create(path: Path, shape: Shape, tile: Shape, n_pair: int) -> None:
    """Make room for the maps, and for the sums of every tile."""
    group = zarr.create_group(path)
    n_tile = tuple(-(-size // step) for size, step in zip(shape, tile, strict=True))
    for name, dtype in ((_SUMS, "f8"), (_COUNTS, "i8")):
        group.create_array(name, shape=(n_pair, *n_tile), chunks=(n_pair, 1, 1), dtype=dtype)
    for name, dtype in ((_MAP, "f4"), (_N_PAIR, "i4")):
        group.create_array(name, shape=shape, chunks=tile, dtype=dtype)


def _write(path: Path, tile: Tile, result: BlockResult) -> None:
    """Write whole chunks of all arrays."""
    group = zarr.open_group(path, mode="r+")
    i, j = tile.number
    for name, values in result.variables.items():
        where = (slice(None), slice(i, i + 1), slice(j, j + 1)) if values.ndim > 2 else (tile.y, tile.x)
        array_in(group, name)[where] = values


def _read(path: Path, made_of: str) -> CoherenceMeans | None:
    with suppress(OSError, KeyError, ValueError, ZarrError, StackFormatError):
        group = zarr.open_group(path, mode="r")
        if group.attrs.get(_MADE_OF) != made_of:
            return None
        arrays = {name: np.asarray(array_in(group, name)[...]) for name in (_SUMS, _COUNTS, _MAP, _N_PAIR)}
        sums, counts = arrays[_SUMS].sum((1, 2)), arrays[_COUNTS].sum((1, 2))
        of_pairs = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return CoherenceMeans(of_pairs, arrays[_MAP], arrays[_N_PAIR])
    return None


def _say_how_far(done: RunProgress) -> None:
    """Log every quarter that is done."""
    if 4 * done.n_done // done.n_tile > 4 * (done.n_done - 1) // done.n_tile:
        logger.info("%d of %d tiles of the coherence read", done.n_done, done.n_tile)
