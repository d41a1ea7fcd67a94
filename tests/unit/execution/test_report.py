"""The report of a run: complete, atomic, and right when a run goes on with that of another."""

import json
import logging

import numpy as np
import pytest
import zarr

from fringefleet.engine.timing import StageSeconds
from fringefleet.execution import report as report_module
from fringefleet.execution.report import RunReport, report_path, reported
from fringefleet.execution.report_reader import read_report
from fringefleet.execution.retry import Failure
from fringefleet.execution.scheduler import RunProgress
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile, TileReport
from fringefleet.observation.oddities import Oddities
from fringefleet.status import Status

FACTS = {"fingerprint": "abc", "n_tile": 3, "chunks": (8, 8), "options": {"norm": "l2"}}
WORKER = {"host": "node7", "pid": 1, "worker": "w0", "address": "tcp://10.0.0.7:4", "gpu": "GPU-1"}


def counts(**named):
    return tuple(named.get(status.name.lower(), 0) for status in Status)


def done(number, n_done=1, attempts=1, worker=WORKER, peak=5):
    numbers = TileStatistics(1, 64, counts(ok=60, masked=4), 2, 3000, 1000, StageSeconds(1.0, 0.5, 2.0, 0.5))
    who = {**worker, "gpu_peak_bytes": peak, "versions": {"torch": "2"}}
    tile = TileReport((0, number), numbers, Oddities(2), (0, 8), (8 * number, 8 * number + 8), who)
    return RunProgress(tile, TileStatistics(n_done, 64 * n_done), 3, 1.0, attempts=attempts)


def failed(number):
    where = Tile((0, number), slice(0, 8), slice(8 * number, 8 * number + 8))
    return RunProgress(
        None, TileStatistics(1, 64), 3, 1.0, n_failed=1, failure=Failure(where, "OSError: gone", 3)
    )


def stored(path):
    return json.loads(path.read_text())


def test_the_report_of_a_run_says_who_did_what_and_how_fast(tmp_path):
    path = report_path(tmp_path / "result.zarr")
    seen = []
    with reported(RunReport(path, FACTS)) as report:
        assert stored(path)["state"] == "running"
        note = report.watch(seen.append)
        note(done(0))
        note(done(1, attempts=2, worker=WORKER | {"pid": 2, "worker": "w1"}, peak=7))
        note(failed(2))
    assert [event.n_done for event in seen] == [1, 1, 1]
    found = stored(path)
    assert found["state"] == "finished"
    assert found["options"] == {"norm": "l2"}
    assert found["workers"] == [
        WORKER | {"versions": {"torch": "2"}},
        WORKER | {"pid": 2, "worker": "w1", "versions": {"torch": "2"}},
    ]
    first, second, third = found["tiles"]
    assert first == {
        "tile": [0, 0],
        "rows": [0, 8],
        "columns": [0, 8],
        "state": "done",
        "run": 0,
        **WORKER,
        "gpu_peak_bytes": 5,
        "bytes_read": 3000,
        "bytes_written": 1000,
        "infinite": 2,
        "attempts": 1,
        "seconds": {"read": 1.0, "copy": 0.5, "solve": 2.0, "write": 0.5, "wait": 0.0},
        "pixels": {"ok": 60, "masked": 4},
    }
    assert (second["worker"], second["gpu_peak_bytes"], second["attempts"]) == ("w1", 7, 2)
    assert (third["state"], third["error"], third["attempts"]) == ("failed", "OSError: gone", 3)
    total = found["totals"]
    assert (total["n_tile"], total["n_done"], total["n_failed"], total["n_left"]) == (3, 2, 1, 0)
    assert total["pixels"] == {"ok": 120, "masked": 8, "failed_tile": 64}
    assert (total["bytes_read"], total["bytes_written"]) == (6000, 2000)
    assert total["seconds"] == {"read": 2.0, "copy": 1.0, "solve": 4.0, "write": 1.0, "wait": 0.0}
    assert total["share"] == {"read": 0.25, "copy": 0.125, "solve": 0.5, "write": 0.125, "wait": 0.0}
    assert list(tmp_path.iterdir()) == [path]  # no temporary file


def test_a_run_that_fails_or_is_interrupted_leaves_its_report(tmp_path):
    path = tmp_path / "failed.json"
    with pytest.raises(ValueError, match="no"), reported(RunReport(path, FACTS)) as report:  # noqa: PT012
        report.watch(None)(done(0))
        raise ValueError("no such luck")
    assert stored(path)["state"] == "failed"
    assert stored(path)["runs"][0]["error"] == "ValueError: no such luck"
    assert stored(path)["totals"]["n_done"] == 1
    with pytest.raises(KeyboardInterrupt), reported(RunReport(path, FACTS)):
        raise KeyboardInterrupt
    assert stored(path)["state"] == "interrupted"


def test_a_run_that_is_resumed_adds_to_the_report_of_the_run_before(tmp_path):
    path = tmp_path / "report.json"
    first = RunReport(path, FACTS)
    note = first.watch(None)
    note(done(0))
    note(failed(1))
    first.write()  # and then it is killed
    with reported(RunReport(path, FACTS, read_report(path, "abc"))) as report:
        note = report.watch(None)
        note(done(1))
        note(done(2, n_done=2))
    found = stored(path)
    assert [run["state"] for run in found["runs"]] == ["interrupted", "finished"]
    assert [tile["run"] for tile in found["tiles"]] == [0, 1, 1]
    assert {tile["state"] for tile in found["tiles"]} == {"done"}
    assert len(found["workers"]) == 1
    total = found["totals"]
    assert (total["n_done"], total["n_failed"], total["n_left"]) == (3, 0, 0)
    assert total["n_pixel"] == 3 * 64
    assert total["bytes_read"] == 9000
    assert total["wall_seconds"] == pytest.approx(sum(run["wall_seconds"] for run in found["runs"]), abs=2e-3)


def test_tiles_that_a_killed_run_had_not_reported_are_counted_by_the_output(tmp_path):
    status = np.full((8, 24), Status.MASKED, "u1")
    status[:2, 8:16] = Status.OK
    zarr.save_array(tmp_path / "out.zarr" / "status", status)
    path = tmp_path / "report.json"
    with reported(RunReport(path, FACTS)) as report:
        report.watch(None)(done(0))
        tiles = [Tile((0, k), slice(0, 8), slice(8 * k, 8 * k + 8)) for k in range(2)]
        report.add_uncounted(tiles, tmp_path / "out.zarr")
    found = stored(path)
    assert found["tiles"][1] == {
        "tile": [0, 1],
        "rows": [0, 8],
        "columns": [8, 16],
        "state": "done",
        "pixels": {"ok": 16, "masked": 48},
    }
    total = found["totals"]
    assert (total["n_done"], total["n_without_times"], total["n_pixel"]) == (2, 1, 128)
    assert total["pixels"] == {"ok": 76, "masked": 52}
    assert total["bytes_read"] == 3000


def test_a_report_is_written_while_the_run_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    report = RunReport(path, FACTS)
    note = report.watch(None)
    note(done(0))
    assert not path.exists()
    monkeypatch.setattr(report_module, "SECONDS_BETWEEN_WRITES", 0)
    note(done(1))
    assert [tile["tile"] for tile in stored(path)["tiles"]] == [[0, 0], [0, 1]]


def test_a_report_that_cannot_be_written_does_not_stop_the_run(tmp_path, caplog):
    with reported(RunReport(tmp_path / "missing" / "report.json", FACTS)) as report:
        report.watch(None)(done(0))
    assert "cannot be written" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_the_shares_of_the_stages_are_said_at_the_end(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    with reported(RunReport(tmp_path / "report.json", FACTS)) as report:
        report.watch(None)(done(0))
    assert "of the workers' time: read 25 %, copy 12 %, solve 50 %, write 12 %" in caplog.text


@pytest.mark.parametrize(
    ("workers", "n_warning"), [("ab", 0), ("aabbcc", 0), ("aba", 1), ("abcb", 1), ("ababab", 1)]
)
def test_workers_that_share_a_gpu_are_told_from_those_that_follow_one_another(
    tmp_path, caplog, workers, n_warning
):
    note = RunReport(tmp_path / "report.json", FACTS).watch(None)
    for name in workers:
        note(done(0, worker=WORKER | {"address": name}))
        note(done(0, worker=WORKER | {"address": f"{name}2", "gpu": f"GPU-of-{name}2"}))
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == n_warning
    assert all("both compute on GPU GPU-1" in text for text in warnings)


def test_numbers_of_numpy_are_numbers_in_the_report(tmp_path):
    point = (np.int64(5), np.float32(0.5))
    RunReport(tmp_path / "report.json", FACTS | {"point": point, "map": np.zeros((2, 3))}).write()
    found = stored(tmp_path / "report.json")
    assert (found["point"], found["map"]) == ([5, 0.5], "array of 2 x 3")
