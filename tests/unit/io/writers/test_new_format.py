"""An output format that is added to the list, and to no other place: from Python and on the command line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.errors import InputError, OptionError, StackFormatError
from fringefleet.execution.job import Run
from fringefleet.io import writers
from fringefleet.io.store import staging
from fringefleet.io.writers.export import export_result
from fringefleet.simulate import Scene, simulate_stack
from text_format import TEXT

TESTS = Path(__file__).parents[3]
COMMAND = """
import fringefleet.io.writers as writers
from text_format import TEXT
writers.WRITERS += (TEXT,)
from fringefleet.cli import main
main()
"""


@pytest.fixture(autouse=True)
def _in_the_list(monkeypatch):
    monkeypatch.setattr(writers, "WRITERS", (*writers.WRITERS, TEXT))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    simulate_stack(Scene(n_date=4, shape=(12, 10), missing=0.1), folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "result.zarr", chunks=(5, 10)))
    return folder / "result.zarr"


def command(*words):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(TESTS), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )


def check(path, result):
    displacement = xr.open_zarr(result)["displacement"].load()
    with path.open() as file:
        rows = {(int(r["y"]), int(r["x"]), r["date"]): float(r["value"]) for r in csv.DictReader(file)}
    known = np.nan_to_num(displacement.values)
    assert len(rows) == np.count_nonzero(known) > 200
    dates = displacement["date"].dt.strftime("%Y%m%d").values
    for k, i, j in zip(*known.nonzero(), strict=True):
        assert rows[i, j, dates[k]] == pytest.approx(known[k, i, j], rel=1e-5)


def test_a_result_is_written_from_python_tile_by_tile(result, tmp_path):
    calls = []
    path = tmp_path / "new" / "series.txt"
    assert export_result(
        result, path, "text", variables="displacement", progress=lambda *call: calls.append(call)
    ) == [path]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    check(path, result)
    assert list(path.parent.iterdir()) == [path]


def test_the_command_line_has_its_word_and_its_title(result, tmp_path):
    path = tmp_path / "series.txt"
    done = command("export", result, path, "--format", "text", "--variables", "displacement")
    assert (done.returncode, done.stdout) == (0, f"{path}\n"), done.stderr
    assert "Writing: 100 %" in done.stderr
    check(path, result)
    said = " ".join(command("export", "--help").stdout.replace("│", " ").split())
    assert "text: y, x, date and value of each pixel" in said
    assert "mintpy: timeseries.h5" in said


def test_what_cannot_be_written_is_refused_as_for_every_format(result, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match=r"found no format 'texd'\. Did you mean text"):
        export_result(result, tmp_path / "a.txt", "texd")
    with pytest.raises(OptionError, match=r"a\.nc for file_format = text\. Give file_format = netcdf, or"):
        export_result(result, tmp_path / "a.nc", "text")
    with pytest.raises(OptionError, match=r"a name of HDF5; what is written is a folder.* text or text\.txt"):
        export_result(result, tmp_path / "a.h5", "text")
    with pytest.raises(StackFormatError, match="is not a result"):
        export_result(tmp_path, tmp_path / "a.txt", "text")
    monkeypatch.setattr(staging, "free_disk_bytes", lambda _: 100)
    with pytest.raises(InputError, match="found 100 bytes free"):
        export_result(result, tmp_path / "new" / "a.txt", "text", variables=["displacement"])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(result, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_result(
            result, tmp_path / "new" / "a.txt", "text", variables="displacement", progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []
