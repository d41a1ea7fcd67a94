"""Report of a run: a JSON file next to the output that records what was done, by which workers and how fast.

It is written at the start of the run, every few seconds during it, and at its end, however it ends. A resumed
run continues the existing report, so that the totals are those of the whole output. Tiles that were finished
but missing from the report of a killed run are counted by the content of the output.
"""

import json
import logging
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import zarr

from fringefleet.execution.retry import Failure
from fringefleet.execution.scheduler import OnProgress, RunProgress
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile, TileReport, count_statuses
from fringefleet.processes.worker_info import GpuUsers
from fringefleet.status import Status

logger = logging.getLogger(__name__)

FORMAT = 1
SECONDS_BETWEEN_WRITES = 15.0
_OF_A_TILE = "gpu_peak_bytes"  # part of a worker's record that differs between tiles
_WORKER_KEYS = (
    "host",
    "pid",
    "worker",
    "address",
    "gpu",
    _OF_A_TILE,
)  # parts of it that are reported with each tile

ReportRecord = dict[str, Any]


def report_path(output: Path) -> Path:
    """Return the path of the report of an output.

    Examples
    --------
    >>> str(report_path(Path("out/result.zarr")))
    'out/result.zarr.report.json'
    """
    return output.with_name(f"{output.name}.report.json")


class RunReport:
    """Report of a run in progress.

    Parameters
    ----------
    path
        Path of the report.
    facts
        Facts known before any work: plain values, among them ``n_tile`` and ``fingerprint``.
    earlier
        Report of the run that this one resumes, if there is one.
    n_thread
        Threads of this process that compute; None where workers do.
    """

    def __init__(
        self,
        path: Path,
        facts: Mapping[str, Any],
        earlier: Mapping[str, Any] | None = None,
        *,
        n_thread: int | None = None,
    ) -> None:
        earlier = earlier or {}
        self.path, self.facts = path, dict(facts)
        self.workers: list[ReportRecord] = list(earlier.get("workers", ()))
        self.tiles: dict[tuple[int, ...], ReportRecord] = {
            tuple(record["tile"]): record for record in earlier.get("tiles", ())
        }
        self.runs: list[ReportRecord] = [*earlier.get("runs", ()), _begin(n_thread)]
        self._whose = "workers" if n_thread is None else "threads"
        self.start = self.written = monotonic()
        self._gpu_users = GpuUsers()

    def add_uncounted(self, done: Iterable[Tile], output: Path) -> None:
        """Count finished tiles that are missing from the report, by the pixel statuses in the output."""
        for tile in done:
            if self.tiles.get(tile.number, {}).get("state") != "done":
                status = np.asarray(zarr.open_array(output / "status", mode="r")[tile.y, tile.x])
                counted = TileStatistics(status_count=count_statuses(status))
                self.tiles[tile.number] = _place(tile) | {"state": "done", "pixels": counted.pixels}

    def watch(self, on_progress: OnProgress | None) -> OnProgress:
        """Return a callback that records every tile before passing it on."""

        def note(done: RunProgress) -> None:
            if done.report is not None:
                self._gpu_users.note(done.report.worker)
                self.tiles[done.report.tile] = self._finished(done.report, done.attempts)
            if done.failure is not None:
                self.tiles[done.failure.tile.number] = self._failed(done.failure)
            if monotonic() - self.written >= SECONDS_BETWEEN_WRITES:
                self.write()
            if on_progress:
                on_progress(done)

        return note

    def close(self, state: str, error: BaseException | None = None) -> None:
        """Write the final report."""
        self.runs[-1] |= {"state": state, "ended": _now()}
        if error is not None:
            self.runs[-1]["error"] = f"{type(error).__name__}: {error}".rstrip(": ")
        self.write()
        share = totals(list(self.tiles.values()), self.runs, self.facts["n_tile"])["share"]
        parts = ", ".join(f"{stage} {100 * part:.0f} %" for stage, part in share.items())
        logger.info("of the %s' time: %s; every tile in %s", self._whose, parts, self.path)

    def write(self) -> None:
        """Replace the report by its current state."""
        self.written = monotonic()
        self.runs[-1]["wall_seconds"] = round(self.written - self.start, 3)
        temporary = self.path.with_name(f".{self.path.name}.part")  # the writer holds the lock of the output
        try:
            temporary.write_text(json.dumps(self.as_dict(), default=_plain, allow_nan=False) + "\n")
            temporary.replace(self.path)
        except OSError as error:
            logger.warning("the report %s cannot be written: %s", self.path, error)
            temporary.unlink(missing_ok=True)

    def as_dict(self) -> ReportRecord:
        """Return the report as plain values."""
        tiles = [self.tiles[number] for number in sorted(self.tiles)]
        return {
            "format": FORMAT,
            "state": self.runs[-1]["state"],
            **self.facts,
            "totals": totals(tiles, self.runs, self.facts["n_tile"]),
            "runs": self.runs,
            "workers": self.workers,
            "tiles": tiles,
        }

    def _finished(self, report: TileReport, attempts: int) -> ReportRecord:
        static = {name: value for name, value in report.worker.items() if name != _OF_A_TILE}
        if static and static not in self.workers:
            self.workers.append(static)
        return {
            "tile": report.tile,
            "rows": report.rows,
            "columns": report.columns,
            "state": "done",
            "run": len(self.runs) - 1,
            **{name: report.worker[name] for name in _WORKER_KEYS if name in report.worker},
            **report.numbers.to_record(),
            "attempts": attempts,
        }

    def _failed(self, failure: Failure) -> ReportRecord:
        return _place(failure.tile) | {
            "state": "failed",
            "run": len(self.runs) - 1,
            "error": failure.error,
            "attempts": failure.attempts,
        }


@contextmanager
def reported(report: RunReport) -> Iterator[RunReport]:
    """Write the report of a run at its start and, however it ends, at its end."""
    report.write()
    try:
        yield report
    except Exception as error:
        report.close("failed", error)
        raise
    except BaseException:
        report.close("interrupted")
        raise
    report.close("finished")


def totals(
    tiles: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], n_tile: int
) -> ReportRecord:
    """Add up the tiles; rates refer to the time of the runs, shares to the time of the workers.

    Examples
    --------
    >>> seconds = {"read": 1.0, "copy": 0.0, "solve": 2.5, "write": 0.5, "wait": 0}
    >>> done = {"state": "done", "rows": (0, 2), "columns": (0, 4), "seconds": seconds, "pixels": {"ok": 8}}
    >>> done |= {"bytes_read": 3e9, "bytes_written": 1e9}
    >>> found = totals([done, {**done, "state": "failed"}], [{"wall_seconds": 2.0}], 3)
    >>> found["n_left"], found["pixels_per_second"], found["gb_per_second"], found["share"]["read"]
    (1, 4.0, 2.0, 0.25)
    >>> found["pixels"]
    {'ok': 8, 'failed_tile': 8}
    """
    done = [tile for tile in tiles if tile["state"] == "done"]
    timed, counted = TileStatistics(), TileStatistics()  # and tiles whose report was lost
    for tile in done:
        numbers = TileStatistics.of_record(tile)
        timed, counted = (timed + numbers, counted) if "seconds" in tile else (timed, counted + numbers)
    every, n_failed = timed + counted, len(tiles) - len(done)
    n_lost = sum(_area(tile) for tile in tiles if tile["state"] != "done")
    wall = sum(run["wall_seconds"] for run in runs)
    seconds = timed.seconds._asdict()
    return {
        "n_tile": n_tile,
        "n_done": len(done),
        "n_failed": n_failed,
        "n_left": n_tile - len(done) - n_failed,
        "n_without_times": counted.n_tile,
        "pixels": every.pixels | ({Status.FAILED_TILE.name.lower(): n_lost} if n_lost else {}),
        "n_pixel": every.n_pixel,
        "bytes_read": timed.bytes_read,
        "bytes_written": timed.bytes_written,
        "wall_seconds": round(wall, 3),
        "pixels_per_second": round(timed.n_pixel / max(wall, 1e-3), 1),
        "gb_per_second": round((timed.bytes_read + timed.bytes_written) / 1e9 / max(wall, 1e-3), 4),
        "seconds": {stage: round(value, 6) for stage, value in seconds.items()},
        "share": {stage: round(value / (sum(seconds.values()) or 1), 4) for stage, value in seconds.items()},
    }


def _begin(n_thread: int | None) -> ReportRecord:
    who = (
        f"threads of this process, {n_thread} at once"
        if n_thread is not None
        else "workers of a Dask scheduler"
    )
    return {
        "began": _now(),
        "host": platform.node(),
        "pid": os.getpid(),
        "state": "running",
        "computed_by": who,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _place(tile: Tile) -> ReportRecord:
    return {
        "tile": tile.number,
        "rows": (tile.y.start, tile.y.stop),
        "columns": (tile.x.start, tile.x.stop),
    }


def _area(record: Mapping[str, Any]) -> int:
    (top, bottom), (left, right) = record["rows"], record["columns"]
    return int((bottom - top) * (right - left))


def _plain(value: Any) -> Any:
    """Convert values without a JSON form: paths, and maps given as arrays."""
    if isinstance(value, np.generic):
        return value.item()
    shape = getattr(value, "shape", None)
    return str(value) if shape is None else f"array of {' x '.join(map(str, shape))}"
