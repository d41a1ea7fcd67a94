"""Run of a new reference over the tiles of a result: from one store to another, resumable."""

from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from fringefleet.arguments.shapes import Shape
from fringefleet.choices import Existing
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.errors import StackFormatError
from fringefleet.execution import graph
from fringefleet.execution.new_reference import NewReference
from fringefleet.execution.report import RunReport, report_path, reported
from fringefleet.execution.report_reader import read_report
from fringefleet.execution.rereference import Shift, referable, shift_for, warn_of_left_out
from fringefleet.execution.scheduler import HealthCheck, OnProgress, execute
from fringefleet.execution.tile import Arrays, BlockFunction, Tile
from fringefleet.io.describe import check_finished
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.io.store.lock import locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.origin import Origin
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_apart
from fringefleet.io.store.result import (
    ResultStore,
    create_result,
    result_tile,
    resume_result,
)
from fringefleet.io.store.result_kind import check_series
from fringefleet.io.store.staging import recover_interrupted_overwrite
from fringefleet.io.store.usable import check_output_usable
from fringefleet.io.zarr.files import scan_zarr
from fringefleet.processes.clients import client_to_compute_with
from fringefleet.processes.versions import software_versions

_BYTES_AT_ONCE = 64 * 1024**2  # of what is stored; it takes several times as much in float64


@dataclass(frozen=True)
class _Rereference:
    """Function of the arrays of a tile."""

    shift: Shift
    coordinates: xr.Dataset  # of the whole result, without variables
    dims: dict[str, tuple[str, ...]]

    def __call__(self, arrays: Arrays, tile: Tile, watch: Stopwatch, place: BlockPlace) -> BlockResult:
        """Compute the tile, a strip of rows after another."""
        found = {name: np.empty_like(values) for name, values in arrays.items()}
        n_row, n_byte = tile.y.stop - tile.y.start, sum(values.nbytes for values in arrays.values())
        step = max(1, n_row * _BYTES_AT_ONCE // max(1, n_byte))
        here = self.coordinates.isel(y=tile.y, x=tile.x)
        given = here.assign({name: (self.dims[name], values) for name, values in arrays.items()})
        with place.turn(), watch.time("solve"):
            for first in range(0, n_row, step):
                rows = slice(first, first + step)
                moved = self.shift(given.isel(y=rows))
                for name, values in found.items():
                    values[..., rows, :] = moved[name].values
        return BlockResult(found)


def rereference_result(
    source: Path,
    output: Path,
    new: NewReference,
    *,
    existing: Existing = "refuse",
    on_progress: OnProgress | None = None,
) -> None:
    """Write a result that is relative to another pixel or date, tile by tile, on whatever workers there are.

    Parameters
    ----------
    source
        A result of an inversion.
    output
        Zarr store to write.
    new
        The reference.
    existing
        What to do with an output that is there.
    on_progress
        Told of every finished tile.

    Raises
    ------
    InputError
        One of its children: something cannot be used, and nothing was done.
    RunError
        Tiles failed; those that are finished are kept, and ``existing="resume"`` goes on.
    """
    source, output = source.absolute(), output.absolute()  # for workers elsewhere
    check_output_name(output, "Zarr", "result.zarr")
    check_apart(output, source)
    version_of_source = FilesVersion(str(source), scan_zarr(source), scan_zarr)
    result, shift, tile, left_out = _checked(source, new)
    check_output_usable(output, existing)
    warn_of_left_out(left_out)
    client = client_to_compute_with()
    in_memory = {name: result[name].variable for name in result.coords}
    template = with_own_attributes(shift(graph.chunk(result, tile).assign_coords(in_memory)))
    origin = Origin(asdict(new) | {"version of fringefleet": version("fringefleet")}, version_of_source)
    with locked(output) as lock:
        store = _opened(template, output, origin, existing)
        names = list(template.data_vars)
        dims = {str(name): tuple(map(str, result[name].dims)) for name in names}
        function = BlockFunction(
            "rereference_tile", _Rereference(shift, result.drop_vars(list(result.data_vars)), dims)
        )
        tasks = graph.block_tasks(result[names], tile, function, partial(_write, store), source=source)
        done = store.done()
        left = [(where, task) for where, task in tasks if not done[where.number]]
        facts = {"result": source, "output": output, "new_reference": asdict(new), "n_tile": len(tasks)}
        facts |= {"fingerprint": store.fingerprint, "versions": software_versions()}
        n_thread = min(CPU_COUNT, len(left)) if client is None else None
        with reported(_report(output, facts, existing, n_thread)) as report:
            execute(left, report.watch(on_progress), None, HealthCheck(lock.check), client=client)


def _checked(source: Path, new: NewReference) -> tuple[xr.Dataset, Shift, Shape, list[str]]:
    """Check a result and its new reference; return what to do with its tiles, and what is left out."""
    opened = open_result(source)
    check_series(opened, "another reference")
    check_finished(source)
    tile = result_tile(source)
    if tile is None:
        raise StackFormatError(f"found no status in {source}. Give the output of `fringefleet invert`.")
    result, left_out = referable(opened, new)
    result = result.drop_vars("pair", errors="ignore")
    return result, shift_for(result, new), tile, left_out


def _write(store: ResultStore, tile: Tile, result: BlockResult) -> None:
    store.write_tile(tile.number, result.variables)


def _report(output: Path, facts: dict[str, Any], existing: Existing, n_thread: int | None) -> RunReport:
    path = report_path(output)
    earlier = read_report(path, facts["fingerprint"]) if existing == "resume" else None
    return RunReport(path, facts, earlier, n_thread=n_thread)


def _opened(template: xr.Dataset, output: Path, origin: Origin, existing: Existing) -> ResultStore:
    """Create the store, or go on with the one that is resumed."""
    recover_interrupted_overwrite(output)
    if existing == "resume" and output.exists():
        tile = (template.chunksizes["y"][0], template.chunksizes["x"][0])
        store, _ = resume_result(output, tile, origin, map(str, template.data_vars))
        store.clear()
        store.forget_damaged()
        return store
    return create_result(template, output, origin, overwrite=existing == "overwrite")
