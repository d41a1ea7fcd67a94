"""One task: read, solve and write a tile, or solve a block of a Dataset. Only workers import this module.

What a task does beside others of its worker is in :mod:`fringefleet.execution.line`, what it does with the
numbers in :mod:`fringefleet.engine.block`; :mod:`fringefleet.execution.graph` makes the tasks.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.engine.block import invert_block
from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.engine.context import Block, Scene
from fringefleet.engine.solver_choice import choose_solver, why_eager
from fringefleet.engine.timing import Stopwatch
from fringefleet.execution.line import begin_next, line_of
from fringefleet.execution.tile import How, Tile, TileReport, Unread, Write
from fringefleet.io.files.memory import bytes_to_lend
from fringefleet.io.files.threads import each, use_threads
from fringefleet.io.files.version import accepting_touched
from fringefleet.observation.oddities import Oddities, find_oddities, find_outside, put_together, say_once
from fringefleet.observation.quantity import std_of
from fringefleet.options import Options
from fringefleet.processes.clients import check_not_left_alone
from fringefleet.processes.cores import own_cores, share_of_cores
from fringefleet.processes.versions import software_versions
from fringefleet.processes.worker_info import (
    check_same_software,
    replaced_if_gpu_breaks,
    this_worker,
    warn_of_slow,
    worker_record,
)
from fringefleet.processes.worker_logging import working_on
from fringefleet.products.quantization import quantized
from fringefleet.products.registry import wanted_variables
from fringefleet.status import Status

_PAIRS_AT_ONCE = 16  # that a thread looks at


def invert_tile(
    *pieces: NDArray[Any] | Unread,
    names: Sequence[str],
    how: How,
    write: Write,
    block_info: Mapping[Any, Any],
) -> NDArray[np.object_]:
    """Read, solve and write one tile; called by ``dask.array.map_blocks``.

    Parameters
    ----------
    pieces
        What is read of each variable, or has been.
    names
        Of the variables, in the same order.
    how
        What all tiles share.
    write
        Takes the tile and its answer.
    block_info
        Where the tile is, as Dask says it.

    Returns
    -------
    NDArray
        One :class:`TileReport`, (1, 1, 1).
    """
    tile = _tile_of(block_info[0])
    watch = Stopwatch()
    check_same_software(how.software)
    n_thread = share_of_cores(how.n_on_cores, this_worker())
    use_threads(n_thread)
    with (
        working_on(str(tile)),
        replaced_if_gpu_breaks(),
        line_of(how.options.device).place(watch) as place,
    ):
        n_byte = bytes_to_lend(math.prod(piece.shape) * piece.dtype.itemsize for piece in pieces)
        with place.reading(n_byte), watch.time("read"), accepting_touched(how.accept_touched):
            arrays = [piece.read() if isinstance(piece, Unread) else piece for piece in pieces]
            named = dict(zip(names, arrays, strict=True))
        with watch.time("read"):
            odd = look_at(named, how.options, how.is_coarse, f"in {tile}")
        n_byte = sum(values.nbytes for values in arrays)
        with place.solving():
            block = _block(named, how.options, _inside(tile, how.point))
            series = invert_block(block, how.scene, how.options, watch, place)
        del arrays, named, block
        check_not_stopped()
        with watch.time("write"):
            write(tile, series)
        n_pixel, n_written = series.status.size, sum(v.nbytes for v in series.variables.values())
        status_count = tuple(np.bincount(series.status.ravel(), minlength=len(Status)).tolist())
        del series  # its memory is another tile's from here on
    report = np.empty((1, 1, 1), dtype=object)
    report[0, 0, 0] = TileReport(
        tile=tile.number,
        n_pixel=n_pixel,
        odd=odd,
        status_count=status_count,
        rows=(tile.y.start, tile.y.stop),
        columns=(tile.x.start, tile.x.stop),
        seconds=watch.seconds,
        bytes_read=n_byte,
        bytes_written=n_written,
        worker={
            **worker_record(how.options.device),
            "solver": choose_solver(how.options),
            "why_eager": why_eager(how.options) if how.options.solver == "auto" else "",
            "threads": n_thread,
            "versions": software_versions(),
        },
    )
    return report


def invert_dataset(
    stack: xr.Dataset, *, scene: Scene, options: Options, point: tuple[float, float] | None, is_coarse: bool
) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Invert one block of a stack given as a Dataset; called by ``xarray.map_blocks``.

    Parameters
    ----------
    stack
        The block, which Dask has read.
    scene, options
        What all blocks share.
    point
        Coordinates y and x of the reference point.
    is_coarse
        Whether observations are stored so that many are the same.

    Returns
    -------
    dict
        Dimensions and values of each variable of the result.
    """
    check_not_left_alone()
    use_threads(_share_of_cores(options))
    arrays = {str(name): stack[name].values for name in stack.data_vars}
    odd = look_at(arrays, options, is_coarse, "in the stack")
    if options.solver == "auto" and (why := why_eager(options)):
        warn_of_slow(options.device, why)
    say_once(odd, scene.network, stack["y"].size * stack["x"].size, scene.reference_values)
    block = _block(arrays, options, _find_in_block(stack, point))
    watch = Stopwatch()
    with replaced_if_gpu_breaks(), line_of(options.device).place(watch, lends_answer=False) as place:
        begin_next()
        with place.solving():
            series = invert_block(block, scene, options, watch, place)
    found = {}
    for name, variable in wanted_variables(options).items():
        values = series.variables[name]
        if variable.is_rounded and options.keep_bits is not None:
            values = quantized(values, options.keep_bits)
        found[name] = variable.dims, values
    return found


def _share_of_cores(options: Options) -> int:
    """Count the cores for a block, of which nobody has told how many workers share them."""
    worker = this_worker()
    if worker is None or options.device == "cpu":
        return share_of_cores({}, worker)
    from fringefleet.engine.device import count_visible  # noqa: PLC0415 - torch

    return max(worker.state.nthreads, own_cores().number // count_visible())  # a worker for each GPU


def look_at(arrays: Mapping[str, NDArray[Any]], options: Options, is_coarse: bool, where: str) -> Oddities:
    """Count what cannot be an observation; what makes the answer void ends the run."""
    n_pair = len(arrays[options.observation])
    parts: dict[int, Oddities] = {}  # by first pair

    def look(first: int) -> None:
        some = {name: values[first : first + _PAIRS_AT_ONCE] for name, values in arrays.items()}
        observed, is_phase = some[options.observation], not options.is_offset
        odd = find_oddities(observed, is_phase=is_phase, is_coarse=is_coarse, first_pair=first)
        parts[first] = odd._replace(outside=find_outside(some))

    each(look, range(0, n_pair, _PAIRS_AT_ONCE))
    return put_together((parts[first] for first in sorted(parts)), where)


def _tile_of(info: Mapping[str, Any]) -> Tile:
    (y_start, y_stop), (x_start, x_stop) = info["array-location"][1:]
    i, j = info["chunk-location"][1:]
    return Tile((i, j), slice(y_start, y_stop), slice(x_start, x_stop))


def _block(arrays: Mapping[str, NDArray[Any]], options: Options, point: tuple[int, int] | None) -> Block:
    return Block(
        observed=arrays[options.observation],
        coherence=arrays.get("coherence"),
        mask_values=arrays[str(options.mask_dataset)] if options.reads_mask else None,
        water_mask=arrays.get("water_mask"),
        range_sine=arrays.get("range_sine"),
        observed_std=arrays[std_of(options.observation)] if options.needs_std else None,
        reference_point=point,
    )


def _inside(tile: Tile, point: tuple[int, int] | None) -> tuple[int, int] | None:
    """Row and column of the reference point in a tile, if it is there."""
    if point is None or not (
        tile.y.start <= point[0] < tile.y.stop and tile.x.start <= point[1] < tile.x.stop
    ):
        return None
    return point[0] - tile.y.start, point[1] - tile.x.start


def _find_in_block(stack: xr.Dataset, point: tuple[float, float] | None) -> tuple[int, int] | None:
    if point is None:
        return None
    rows = np.flatnonzero(stack["y"].values == point[0])
    columns = np.flatnonzero(stack["x"].values == point[1])
    return (int(rows[0]), int(columns[0])) if len(rows) and len(columns) else None
