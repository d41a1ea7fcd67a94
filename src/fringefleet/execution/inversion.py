"""Inversion of a stack as a function of the arrays of a block: of a tile, or of a piece of a Dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel
from fringefleet.engine.block import invert_block
from fringefleet.engine.context import Block, BlockResult, InversionContext
from fringefleet.engine.solver_choice import choose_solver, why_eager
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.execution.slots import begin_next, slots_of
from fringefleet.execution.tile import Arrays, BlockFunction, Piece, Tile
from fringefleet.io.files.threads import each, use_threads
from fringefleet.observation.oddities import Oddities, find_oddities, find_outside, put_together, say_once
from fringefleet.observation.quantity import std_of
from fringefleet.options import Options
from fringefleet.processes.clients import check_not_left_alone
from fringefleet.processes.cores import own_cores, share_of_cores
from fringefleet.processes.worker_info import replaced_if_gpu_breaks, this_worker, warn_of_slow
from fringefleet.products.quantization import quantized
from fringefleet.products.registry import wanted_variables

_PAIRS_AT_ONCE = 16  # that a thread checks


@dataclass(frozen=True)
class Inversion:
    """Inversion of the tiles of a stack.

    Attributes
    ----------
    scene, options
        Context and options shared by all tiles.
    point
        Row and column of the reference point in the scene.
    is_coarse
        Whether observations are stored so coarsely that many are equal.
    """

    scene: InversionContext
    options: Options
    point: Pixel | None
    is_coarse: bool

    def as_function(self) -> BlockFunction:
        """Return the block function of a tile."""
        return BlockFunction(
            "invert_tile",
            self._compute,
            self._check,
            self.options.device,
            describe=self._describe,
            without_reading=self._masked,
        )

    def _check(self, arrays: Arrays, tile: Tile) -> Oddities:
        return check_observations(arrays, self.options, self.is_coarse, f"in {tile}")

    def _compute(self, arrays: Arrays, tile: Tile, watch: Stopwatch, place: BlockPlace) -> BlockResult:
        block = _block(arrays, self.options, _inside(tile, self.point))
        return invert_block(block, self.scene, self.options, watch, place)

    def _masked(self, pieces: Mapping[str, Piece], tile: Tile) -> BlockResult | None:
        """Give the result of a tile that the water mask excludes as a whole: that of one such pixel."""
        wanted = pieces.get("water_mask")
        if not isinstance(wanted, np.ndarray) or wanted.any() or _inside(tile, self.point) is not None:
            return None
        pixel = {name: np.zeros((*piece.shape[:-2], 1, 1), piece.dtype) for name, piece in pieces.items()}
        found = invert_block(_block(pixel, self.options, None), self.scene, self.options)
        shape = wanted.shape
        repeated = {
            name: np.broadcast_to(values, (*values.shape[:-2], *shape)).copy()
            for name, values in found.variables.items()
        }
        return BlockResult(repeated, found.pair_sums)

    def _describe(self) -> dict[str, Any]:
        why = why_eager(self.options) if self.options.solver == "auto" else ""
        return {"solver": choose_solver(self.options), "why_eager": why}


def invert_dataset(
    stack: xr.Dataset,
    *,
    scene: InversionContext,
    options: Options,
    point: tuple[float, float] | None,
    is_coarse: bool,
) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Invert one block of a stack given as a Dataset; called by ``xarray.map_blocks``.

    Parameters
    ----------
    stack
        Block, already read by Dask.
    scene, options
        Context and options shared by all blocks.
    point
        Coordinates y and x of the reference point.
    is_coarse
        Whether observations are stored so coarsely that many are equal.

    Returns
    -------
    dict
        Dimensions and values of each variable of the result.
    """
    check_not_left_alone()
    use_threads(_share_of_cores(options))
    arrays = {str(name): stack[name].values for name in stack.data_vars}
    odd = check_observations(arrays, options, is_coarse, "in the stack")
    if options.solver == "auto" and (why := why_eager(options)):
        warn_of_slow(options.device, why)
    say_once(odd, scene.network, stack["y"].size * stack["x"].size, scene.reference_values)
    block = _block(arrays, options, _find_in_block(stack, point))
    watch = Stopwatch()
    with replaced_if_gpu_breaks(), slots_of(options.device).place(watch, lends_answer=False) as place:
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
    """Return the number of cores for a block, where the number of workers that share them is unknown."""
    worker = this_worker()
    if worker is None or options.device == "cpu":
        return share_of_cores({}, worker)
    from fringefleet.engine.device import count_visible  # noqa: PLC0415 - torch

    return max(worker.state.nthreads, own_cores().number // count_visible())  # one worker per GPU


def check_observations(
    arrays: Mapping[str, NDArray[Any]], options: Options, is_coarse: bool, where: str
) -> Oddities:
    """Count values that cannot be observations; values that would invalidate the result end the run."""
    n_pair = len(arrays[options.observation])
    parts: dict[int, Oddities] = {}  # by first pair

    def look(first: int) -> None:
        some = {name: values[first : first + _PAIRS_AT_ONCE] for name, values in arrays.items()}
        observed, is_phase = some[options.observation], not options.is_offset
        odd = find_oddities(observed, is_phase=is_phase, is_coarse=is_coarse, first_pair=first)
        parts[first] = odd._replace(outside=find_outside(some))

    each(look, range(0, n_pair, _PAIRS_AT_ONCE))
    return put_together((parts[first] for first in sorted(parts)), where)


def _block(arrays: Mapping[str, NDArray[Any]], options: Options, point: Pixel | None) -> Block:
    return Block(
        observed=arrays[options.observation],
        coherence=arrays.get("coherence"),
        mask_values=arrays[str(options.mask_dataset)] if options.reads_mask else None,
        water_mask=arrays.get("water_mask"),
        range_sine=arrays.get("range_sine"),
        observed_std=arrays[std_of(options.observation)] if options.needs_std else None,
        reference_point=point,
    )


def _inside(tile: Tile, point: Pixel | None) -> Pixel | None:
    """Return row and column of the reference point in a tile, if it is inside."""
    if point is None or not (
        tile.y.start <= point[0] < tile.y.stop and tile.x.start <= point[1] < tile.x.stop
    ):
        return None
    return point[0] - tile.y.start, point[1] - tile.x.start


def _find_in_block(stack: xr.Dataset, point: tuple[float, float] | None) -> Pixel | None:
    if point is None:
        return None
    rows = np.flatnonzero(stack["y"].values == point[0])
    columns = np.flatnonzero(stack["x"].values == point[1])
    return (int(rows[0]), int(columns[0])) if len(rows) and len(columns) else None
