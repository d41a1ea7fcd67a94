"""Demo: a scene of known motion, simulated, inverted, compared with the truth, and drawn.

It goes the whole way on a small scale, with real files and real workers, as the commands ``simulate`` and
``invert`` do.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from fringefleet.arguments.paths import make_folder
from fringefleet.cluster import connect
from fringefleet.execution.job import Run
from fringefleet.execution.summary import Summary
from fringefleet.io import open_stack
from fringefleet.io.store.output_names import check_output_name
from fringefleet.lazy import invert
from fringefleet.observation.units import metres_per_radian
from fringefleet.pipeline import run
from fringefleet.plot.canvas import save
from fringefleet.plot.figures import error_figure, maps_figure, network_figure, series_figure
from fringefleet.processes.worker_logging import forward_logs
from fringefleet.simulate import Scene, simulate_dataset, simulate_stack
from fringefleet.status import Status

logger = logging.getLogger(__name__)

SCENE = Scene(n_date=50, neighbours=3, shape=(256, 256), missing=0.02, annual=True)
_EXACT_SCENE = Scene(n_date=50, neighbours=3, shape=(32, 32), missing=0.02, annual=True, noise=0)
_MOST_WORKERS = 4  # more take longer to start than they save
_MILLIMETRES = 1000.0

Report = Callable[[float, int], None]  # fraction done, pixels done
Show = Callable[[str], AbstractContextManager[Report]]


@dataclass(frozen=True)
class Outcome:
    """Files, accuracy and speed of a demo.

    Attributes
    ----------
    stack, truth, result, pictures
        Paths of the files.
    n_pixel, n_estimated, n_date, n_pair, n_tile, n_worker
        Counts; ``n_estimated`` is the number of pixels with an estimate.
    seconds
        Duration of the inversion, without starting workers [s].
    error_mm
        RMS difference to the truth, over pixels with an estimate and all dates.
    noise_mm
        RMS error of a single interferogram.
    exact_mm
        ``error_mm`` of a small scene without noise.
    """

    stack: Path
    truth: Path
    result: Path
    pictures: tuple[Path, ...]
    n_pixel: int
    n_estimated: int
    n_date: int
    n_pair: int
    n_tile: int
    n_worker: int
    seconds: float
    error_mm: float
    noise_mm: float
    exact_mm: float


def run_demo(directory: Path, show: Show | None = None, scene: Scene = SCENE) -> Outcome:
    """Simulate, invert, compare and draw a scene; everything is written to one folder.

    Parameters
    ----------
    directory
        Created if it does not exist; files of an earlier demo are replaced, anything else is kept.
    show
        Context manager that shows the progress of a step, given its name.
    scene
        Scene to simulate.

    Raises
    ------
    InputError
        ``directory`` is a file, or contains something else under the name of a store.
    """
    check_output_name(directory, "a folder", "demo")
    make_folder(directory)
    show = show or (lambda _label: nullcontext(lambda _fraction, _pixels: None))
    stack, result = directory / "stack.zarr", directory / "result.zarr"
    with show("Simulating") as report:
        truth = simulate_stack(
            scene, stack, overwrite=True, progress=lambda done, total: report(done / total, done)
        )
    summary, n_worker, seconds = _invert(stack, result, show)
    with show("Drawing") as report:
        pictures = _draw(directory, stack, truth, result)
        report(1.0, 0)
    with show("Comparing") as report:
        error_mm, n_estimated = _error(result, truth)
        noise_mm = _pair_noise(stack, truth)
        report(0.5, 0)
        exact_mm = _exact_error()
        report(1.0, 0)
    return Outcome(
        stack=stack,
        truth=truth,
        result=result,
        pictures=pictures,
        n_pixel=scene.shape[0] * scene.shape[1],
        n_estimated=n_estimated,
        n_date=scene.n_date,
        n_pair=len(scene.pairs),
        n_tile=summary.n_tile,
        n_worker=n_worker,
        seconds=seconds,
        error_mm=error_mm,
        noise_mm=noise_mm,
        exact_mm=exact_mm,
    )


def _invert(stack: Path, result: Path, show: Show) -> tuple[Summary, int, float]:
    n_worker = min(CPU_COUNT, _MOST_WORKERS)
    logger.info("starting %d workers", n_worker)
    with (
        connect("local", n_worker) as workers,
        forward_logs(workers.client),
        show("Inverting") as report,
    ):
        job = Run(stack, result, existing="overwrite", n_worker=workers.n_worker)
        start = monotonic()
        summary = run(job, on_progress=lambda done: report(done.n_done / done.n_tile, done.n_pixel))
        return summary, workers.n_worker, monotonic() - start


def _draw(directory: Path, stack: Path, truth: Path, result: Path) -> tuple[Path, ...]:
    with xr.open_zarr(result, chunks=None) as answer, xr.open_zarr(truth, chunks=None) as known:
        figures = {
            "maps": maps_figure(answer),
            "series": series_figure(answer, known["displacement"]),
            "error": error_figure(answer, known["displacement"]),
            "network": network_figure(open_stack(stack, chunks=None)),
        }
    for name, figure in figures.items():
        save(figure, directory / f"{name}.png")
    return tuple(directory / f"{name}.png" for name in figures)


def _error(result: Path, truth: Path) -> tuple[float, int]:
    """Compute the RMS error over all dates [mm]; return it with the number of pixels."""
    with xr.open_zarr(result, chunks=None) as answer, xr.open_zarr(truth, chunks=None) as known:
        answered = answer["status"].values <= Status.MINIMUM_NORM
        error = (answer["displacement"].values - known["displacement"].values)[:, answered]
    return _rms_mm(error), int(answered.sum())


def _pair_noise(stack: Path, truth: Path) -> float:
    """Compute the RMS error of single interferograms [mm], each relative to its reference point."""
    observed = open_stack(stack, chunks=None)
    with xr.open_zarr(truth, chunks=None) as known:
        displacement = known["displacement"].load()
    row, column = observed.attrs["reference_point"]
    scale = metres_per_radian(observed.attrs["wavelength"])
    squares = n_value = 0.0
    for pair in range(observed.sizes["pair"]):
        phase = observed["unwrapped_phase"].isel(pair=pair).load()
        moved = displacement.sel(date=phase["secondary_date"]) - displacement.sel(
            date=phase["reference_date"]
        )
        error = scale * (phase.values - phase.values[row, column]) - moved.values
        squares += float(np.nansum(error.astype(np.float64) ** 2))
        n_value += float(np.isfinite(error).sum())
    return _MILLIMETRES * float(np.sqrt(squares / n_value))


def _exact_error() -> float:
    stack, truth = simulate_dataset(_EXACT_SCENE)
    result = invert(stack, chunks=_EXACT_SCENE.shape).compute(scheduler="synchronous")
    answered = result["status"].values <= Status.MINIMUM_NORM
    return _rms_mm((result["displacement"].values - truth.values)[:, answered])


def _rms_mm(error: np.ndarray) -> float:
    return _MILLIMETRES * float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))
