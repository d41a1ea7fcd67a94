"""The report of the run before: gone on with if it is whole, begun anew if anything of it is damaged."""

import copy
import json

import numpy as np
import pytest
import zarr

from fringefleet.engine.timing import StageSeconds
from fringefleet.execution.report import RunReport, reported
from fringefleet.execution.report_reader import read_report
from fringefleet.execution.retry import Failure
from fringefleet.execution.scheduler import RunProgress
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import Tile, TileReport
from fringefleet.observation.oddities import Oddities
from fringefleet.status import Status
from long_cases import mostly_long

FACTS = {"fingerprint": "abc", "n_tile": 4}
TILES = [Tile((0, k), slice(0, 8), slice(8 * k, 8 * k + 8)) for k in range(4)]
WORKER = {"host": "node7", "pid": 1, "worker": None, "address": "tcp://10.0.0.7:4", "gpu": "GPU-1"}
WORKER |= {"gpu_peak_bytes": 5, "versions": {"torch": "2"}}
SECONDS = StageSeconds(1.0, 0.5, 2.0, 0.5)
COUNTS = tuple({Status.OK: 60, Status.MASKED: 4}.get(status, 0) for status in Status)
MISSING = object()


def done(number):
    columns = (8 * number, 8 * number + 8)
    numbers = TileStatistics(1, 64, COUNTS, 2, 3000, 1000, SECONDS)
    return RunProgress(
        TileReport((0, number), numbers, Oddities(2), (0, 8), columns, WORKER), numbers, 4, 1.0
    )


def failed(number):
    return RunProgress(
        None, TileStatistics(1, 64), 4, 1.0, n_failed=1, failure=Failure(TILES[number], "OSError: gone", 3)
    )


@pytest.fixture
def folder(tmp_path):
    """Holds an output, and the report of a run that was killed: tile 0 timed, 1 failed, 2 counted."""
    zarr.save_array(tmp_path / "out.zarr" / "status", np.full((8, 32), Status.OK, "u1"))
    with pytest.raises(OSError, match="gone"), reported(RunReport(tmp_path / "whole.json", FACTS)):
        raise OSError("gone")
    report = RunReport(tmp_path / "whole.json", FACTS, read_report(tmp_path / "whole.json", "abc"))
    note = report.watch(None)
    note(done(0))
    note(failed(1))
    report.add_uncounted(TILES[2:3], tmp_path / "out.zarr")
    report.write()
    return tmp_path


def places(value, path=()):
    """Where something lies in plain values: the ways to every member of every map and list."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        yield (*path, name)
        yield from places(member, (*path, name))


def damaged(value, place, damage):
    """Copy plain values with something else, or nothing, at a place."""
    found = copy.deepcopy(value)
    at = found
    for name in place[:-1]:
        at = at[name]
    if damage is MISSING:
        del at[place[-1]]
    else:
        at[place[-1]] = damage
    return found


DAMAGES = [MISSING, None, "text", "7", -1, 0.5, 10**400, float("nan"), float("inf"), True, [], [7], [[]], {}]
DAMAGES += [{"ok": "7"}, {"state": "done"}]


@pytest.mark.parametrize("damage", mostly_long(DAMAGES, 8), ids=lambda damage: repr(damage)[:20])
def test_whatever_is_damaged_a_resumed_run_ends_with_a_report(folder, caplog, damage):
    whole = json.loads((folder / "whole.json").read_text())
    for place in places(whole):
        caplog.clear()
        path = folder / "report.json"
        path.write_text(json.dumps(damaged(whole, place, damage)))
        earlier = read_report(path, "abc")
        assert (earlier is None) == ("is replaced" in caplog.text), place
        with reported(RunReport(path, FACTS, earlier)) as report:
            report.watch(None)(done(1))
            report.watch(None)(failed(3))
            report.add_uncounted([TILES[0], TILES[2]], folder / "out.zarr")
        found = json.loads(path.read_text())
        assert found["state"] == "finished", place
        assert found["totals"]["n_done"] >= 3, place
        assert found["totals"]["wall_seconds"] >= 0, place
        assert min(found["totals"]["pixels"].values()) > 0, place


def test_a_whole_report_is_gone_on_with(folder, caplog):
    earlier = read_report(folder / "whole.json", "abc")
    assert [tile["state"] for tile in earlier["tiles"]] == ["done", "failed", "done"]
    assert [run["state"] for run in earlier["runs"]] == ["failed", "interrupted"]
    assert earlier["runs"][0]["error"] == "OSError: gone"
    assert not caplog.records


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        (("runs",), {}),
        (("runs", 0), 7),
        (("runs", 0, "state"), MISSING),
        (("runs", 1, "wall_seconds"), -1),
        (("runs", 1, "host"), 7),
        (("workers",), MISSING),
        (("workers", 0), "tcp://10.0.0.7:4"),
        (("tiles",), None),
        (("tiles", 0, "tile"), "00"),
        (("tiles", 0, "tile"), [0]),
        (("tiles", 0, "tile", 0), 0.5),
        (("tiles", 1, "rows"), [0, -1]),
        (("tiles", 2, "columns"), MISSING),
        (("tiles", 2, "state"), "text"),
        (("tiles", 0, "pixels"), MISSING),
        (("tiles", 2, "pixels"), MISSING),
        (("tiles", 2, "pixels"), {"good": 64}),
        (("tiles", 2, "pixels", "ok"), "64"),
        (("tiles", 0, "pixels", "ok"), -64),
        (("tiles", 0, "seconds", "solve"), MISSING),
        (("tiles", 0, "seconds", "solve"), "2"),
        (("tiles", 0, "seconds", "solve"), float("nan")),
        (("tiles", 0, "bytes_read"), None),
        (("tiles", 0, "bytes_written"), 10**400),
        (("tiles", 0, "infinite"), True),
        (("tiles", 0, "worker"), 7),
        (("tiles", 0, "pid"), "1"),
        (("tiles", 0, "run"), "0"),
        (("tiles", 1, "error"), None),
        (("tiles", 1, "attempts"), MISSING),
    ],
)
def test_what_does_not_show_in_the_totals_is_noticed_as_well(folder, caplog, place, damage):
    whole = json.loads((folder / "whole.json").read_text())
    (folder / "report.json").write_text(json.dumps(damaged(whole, place, damage)))
    assert read_report(folder / "report.json", "abc") is None
    assert f"the report {folder / 'report.json'} of the previous run" in caplog.text
    assert "is replaced" in caplog.text


START = '{"format": 1, "fingerprint": "abc", "n_tile": 3, "workers": []'


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "7",
        "[" * 100_000,
        '{"format": 0}',
        '{"format": 1, "fingerprint": "other"}',
        START + "}",
        START + ', "runs": [], "tiles": [7]}',
        START + ', "runs": 7, "tiles": []}',
    ],
    ids=lambda text: text[:60],
)
def test_a_report_that_is_damaged_or_of_another_run_is_not_gone_on_with(tmp_path, caplog, text):
    path = tmp_path / "report.json"
    assert read_report(path, "abc") is None
    assert not caplog.records
    path.write_text(text)
    assert read_report(path, "abc") is None
    assert "is replaced" in caplog.text
