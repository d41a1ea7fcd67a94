"""Velocity and other functions of time of a result: a lazy form for notebooks, and a run form for scenes."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
import zarr
from dask.system import CPU_COUNT
from distributed import Client

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.shapes import Shape
from fringefleet.engine.context import BlockResult
from fringefleet.execution import graph
from fringefleet.execution.compose import job_of, with_changes
from fringefleet.execution.given_result import series_of, tile_of
from fringefleet.execution.progress_bar import progress_bar
from fringefleet.execution.report import RunReport, report_path, reported
from fringefleet.execution.scheduler import HealthCheck, OnProgress, execute
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile
from fringefleet.execution.velocity import (
    PreparedFit,
    VelocityOfTile,
    prepare_fit,
    template_of,
    warn_of_unknown_std,
)
from fringefleet.execution.velocity_estimate import FitForecast, forecast_fit
from fringefleet.execution.velocity_job import FitOptions, VelocityRun
from fringefleet.io.describe import check_finished
from fringefleet.io.store.lock import locked
from fringefleet.io.store.maps import staged_maps, write_maps
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.store.staging import check_free_space, check_replaceable
from fringefleet.io.store.stored_mask import check_mask_current
from fringefleet.io.zarr.arrays import array_in
from fringefleet.processes.clients import client_to_compute_with
from fringefleet.processes.html import facts_as_html, facts_as_text
from fringefleet.processes.main_program import end_if_reimported
from fringefleet.processes.versions import software_versions
from fringefleet.products.provenance import MASK_RULE
from fringefleet.solver.time_functions import DATE_COUNT, TimeFunctions

logger = logging.getLogger(__name__)


class VelocitySummary(NamedTuple):
    """Outcome of a fit.

    Attributes
    ----------
    output
        The store of maps.
    numbers
        Of the tiles.
    n_fitted, n_undetermined
        Pixels with a velocity; and those with a series that has too few dates for one.
    """

    output: Path
    numbers: TileStatistics
    n_fitted: int
    n_undetermined: int

    def __str__(self) -> str:
        """Show it where it is printed."""
        return facts_as_text("Summary of a fit", self._facts())

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return facts_as_html("Summary of a fit", self._facts())

    def _facts(self) -> dict[str, object]:
        return {
            "maps": self.output,
            "tiles": f"{self.numbers.n_tile:,}",
            "pixels with a velocity": f"{self.n_fitted:,}",
            "pixels with too few dates": f"{self.n_undetermined:,}",
        }


@checked_call
def velocity(
    result: xr.Dataset | Path | str,
    functions: TimeFunctions | None = None,
    options: FitOptions | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Fit functions of time to the series of a result lazily: nothing is computed until it is used.

    Parameters
    ----------
    result
        As from :func:`fringefleet.invert`, or opened by xarray, whole or a part; or the path of a result
        store. Its chunks in y and x are those of the maps.
    functions, options
        What is fitted, and to which dates; which standard errors are wanted.
    **changes
        Single fields of the two, by name: ``velocity(result, periodic=(1, 0.5), start_date="20180101")``.

    Returns
    -------
    xarray.Dataset
        ``velocity`` [m/year], positive towards the satellite, ``velocity_std``, ``intercept`` [m]; what the
        functions ask for besides; ``series_residual_rms`` [m] and ``date_count``; all (y, x). NaN where there
        are too few dates.

    Raises
    ------
    InputError
        One of its children: something cannot be used. Raised now, not when it is computed.

    Examples
    --------
    >>> import fringefleet
    >>> from fringefleet.simulate import Scene, simulate_dataset
    >>> stack, truth = simulate_dataset(Scene(n_date=9, shape=(8, 8)))
    >>> maps = velocity(fringefleet.invert(stack))
    >>> maps.velocity.dims, bool(maps.velocity_std.max() > 0)
    (('y', 'x'), True)
    >>> velocity("result.zarr").attrs["made_from"]
    'result.zarr'
    """
    functions, options = functions or TimeFunctions(), options or FitOptions()
    functions, options = with_changes(functions, options, changes)
    prepared = prepare_fit(series_of(result, "a velocity"), functions, options)
    if not isinstance(result, xr.Dataset) and not options.no_mask:
        check_mask_current(Path(result))
    warn_of_unknown_std(prepared)
    data = graph.chunk(prepared.data, tile_of(prepared.data))
    template = template_of(prepared, (data.chunksizes["y"][0], data.chunksizes["x"][0]))
    kwargs = {"function": prepared.function, "attrs": dict(prepared.attrs)}
    maps: xr.Dataset = xr.map_blocks(_fit_dataset, data, kwargs=kwargs, template=template)
    return maps


@checked_call
def run_velocity(
    result: VelocityRun | str | Path,
    output: str | Path | OnProgress | None = None,
    *,
    progress: bool | None = None,
    on_progress: OnProgress | None = None,
    client: Client | Literal["current"] | None = "current",
    **options: Any,
) -> VelocitySummary:
    """Fit functions of time to the series of a result, tile by tile, into a Zarr store of maps.

    The store gets its name when it is complete. A run that was killed leaves nothing under it, and the next
    one begins anew.

    Parameters
    ----------
    result, output
        Result to read, and Zarr store to write; or a :class:`VelocityRun`, which has both and all options,
        and after it ``on_progress`` if wanted.
    progress
        Whether to show a bar in a notebook or on standard error; by default with a path, not with a
        :class:`VelocityRun`.
    on_progress
        Called after every finished tile.
    client
        Whose workers compute: those of the current Dask client, or threads if there is none. None: threads of
        this process.
    **options
        Fields of :class:`VelocityRun`, :class:`TimeFunctions` and :class:`FitOptions`, by name.

    Raises
    ------
    InputError
        One of its children: something cannot be used, and nothing was done.
    RunError
        Tiles failed; nothing is kept but the report.

    Examples
    --------
    >>> summary = run_velocity("result.zarr", "velocity.zarr", periodic=(1,), progress=False)
    >>> summary.output.name, summary.n_fitted
    ('velocity.zarr', 256)
    """
    end_if_reimported()
    if isinstance(result, VelocityRun) and callable(output):
        output, on_progress = None, output
    shown = output is not None if progress is None else progress
    job = job_of(VelocityRun, result, output, options)
    job = replace(job, result=job.result.absolute(), output=job.output.absolute())  # for workers elsewhere
    prepared = check_velocity(job)
    warn_of_unknown_std(prepared)
    if rule := prepared.attrs.get(MASK_RULE):
        logger.info("the mask of the result counts: %s", rule)
    if client == "current":
        client = client_to_compute_with()
    tile = tile_of(prepared.data)
    with (
        progress_bar(job.output.name, on_progress, shown=shown) as on_progress,
        locked(job.output) as lock,
        staged_maps(template_of(prepared, tile), job.output, overwrite=job.overwrite) as store,
    ):
        tasks = graph.block_tasks(
            prepared.data, tile, prepared.function.as_function(), partial(_write, store), source=job.result
        )
        watch = HealthCheck(lock.check)
        n_thread = min(CPU_COUNT, len(tasks)) if client is None else None
        with reported(_report(job, prepared, tile, len(tasks), n_thread)) as report:
            outcome = execute(tasks, report.watch(on_progress), None, watch, client=client)
        n_fitted, n_undetermined = _count(store, tile)
    if n_undetermined:
        logger.warning(
            "%s pixels have too few dates for the %d parameters of the time functions: no velocity there",
            f"{n_undetermined:,}",
            prepared.function.model.n_parameter,
        )
    return VelocitySummary(job.output, outcome.numbers, n_fitted, n_undetermined)


def plan_velocity(job: VelocityRun, n_worker: int = 0) -> FitForecast:
    """Predict what :func:`run_velocity` needs; refuses what it would refuse.

    Parameters
    ----------
    job
        What to do.
    n_worker
        Number of processes that compute it; 0 for threads of this one.

    Raises
    ------
    InputError
        As :func:`run_velocity`; or the disk has too little space.
    """
    prepared = check_velocity(job)
    found = forecast_fit(prepared, tile_of(prepared.data), n_worker)
    check_free_space(job.output.absolute().parent, found.bytes_written)
    return found


def check_velocity(job: VelocityRun) -> PreparedFit:
    """Find whatever is wrong with a run before anything is done.

    Raises
    ------
    InputError
        As :func:`run_velocity`.
    """
    check_output_name(job.output, "Zarr", "velocity.zarr")
    result = open_result(job.result)
    check_apart(job.output, job.result)
    prepared = prepare_fit(result, job.functions, job.options)
    check_finished(job.result)
    if not job.options.no_mask:
        check_mask_current(job.result)
    check_writable(job.output)
    check_replaceable(job.output, overwrite=job.overwrite)
    return prepared


def _fit_dataset(block: xr.Dataset, *, function: VelocityOfTile, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Fit one block of a result given as a Dataset."""
    maps = function.fit({str(name): block[name].values for name in block.data_vars})
    coords = {str(name): block[name].variable for name in block.coords}
    return xr.Dataset({name: (("y", "x"), values) for name, values in maps.items()}, coords, attrs)


def _write(store: Path, tile: Tile, result: BlockResult) -> None:
    write_maps(store, tile.number, result.variables)


def _report(
    job: VelocityRun, prepared: PreparedFit, tile: Shape, n_tile: int, n_thread: int | None
) -> RunReport:
    facts = {
        "result": job.result,
        "output": job.output,
        "versions": software_versions(),
        "functions": vars(job.functions),
        "options": vars(job.options),
        "chunks": tile,
        "n_date": len(prepared.function.model.dates),
        "n_date_used": prepared.function.model.n_used,
        "n_tile": n_tile,
    }
    return RunReport(report_path(job.output), facts, n_thread=n_thread)


def _count(store: Path, tile: Shape) -> tuple[int, int]:
    """Count the pixels with a velocity, and those with dates and none, a row of tiles at a time."""
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    values, count = array_in(group, "velocity"), array_in(group, DATE_COUNT)
    n_fitted = n_undetermined = 0
    for top in range(0, values.shape[0], tile[0]):
        rows = slice(top, top + tile[0])
        has_none = np.isnan(np.asarray(values[rows]))
        n_fitted += int((~has_none).sum())
        n_undetermined += int((has_none & (np.asarray(count[rows]) > 0)).sum())
    return n_fitted, n_undetermined
