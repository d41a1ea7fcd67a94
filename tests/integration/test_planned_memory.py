"""What exports and fits say beforehand that they take, against what their processes take."""

import json
import sys
import time

import psutil
import pytest
import xarray as xr
from typer.testing import CliRunner

from benchmarks import export as benchmark
from fringefleet import FitOptions, TimeFunctions, VelocityRun
from fringefleet.cli import app
from fringefleet.io.writers import WRITERS
from fringefleet.io.writers.export import plan_export
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.velocity_maps import plan_velocity
from long_cases import mostly_long

TABLES = ("csv", "geopackage")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of small and of large tiles, with what MintPy's files need."""
    folder, found = tmp_path_factory.mktemp("results"), {}
    for name, n_date, side, tile in (("small", 6, 64, 64), ("large", 60, 512, 512)):
        with pytest.MonkeyPatch.context() as patch:
            for what, value in (("N_DATE", n_date), ("SHAPE", (side, side)), ("TILE", tile)):
                patch.setattr(benchmark, what, value)
            benchmark.write_result(folder / f"{name}.zarr")
        found[name] = folder / f"{name}.zarr"
        with xr.open_zarr(found[name], consolidated=False) as opened:
            more = {"temporal_coherence": opened["pick"], "pair_count": opened["pick"].astype("u4")}
            more |= {"velocity": opened["displacement"][-1].drop_vars("date")}
            more = {key: data.assign_attrs(units="1") for key, data in more.items()}
            for variable in more.values():
                variable.encoding.clear()
            xr.Dataset(more).to_zarr(found[name], mode="a", zarr_format=3, consolidated=False)
    return found


def peak_of(log, *words):
    """Most memory of a command with all its processes [byte], and of the largest of them."""
    command = [sys.executable, "-m", "fringefleet", *map(str, words)]
    together = alone = 0
    with log.open("w") as file:
        process = psutil.Popen(command, stdout=file, stderr=file)
        while process.poll() is None:
            each = []
            for one in [process, *benchmark.children_of(process)]:
                try:
                    each.append(one.memory_info().rss)
                except psutil.Error:
                    continue
            together, alone = max(together, sum(each)), max([alone, *each])
            time.sleep(0.02)
    assert process.returncode == 0, log.read_text()
    return together, alone


def succeed(*words):
    """Run a command in this process."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("size", "file_format"),
    mostly_long([(size, writer.name) for size in ("large", "small") for writer in WRITERS], len(WRITERS)),
)
def test_an_export_takes_what_is_predicted(results, tmp_path, file_format, size):
    given = {"variables": None if file_format == "mintpy" else "displacement"}
    if file_format in TABLES and size == "large":
        given["mask"] = "pick < 0.05"
    planned = plan_export(results[size], tmp_path / "out", file_format, **given)
    assert not (tmp_path / "out").exists()
    words = [word for name, value in given.items() if value for word in (f"--{name}", value)]
    measured, _ = peak_of(
        tmp_path / "log", "export", results[size], tmp_path / "out", "--format", file_format, *words
    )
    assert measured <= planned.memory <= 2 * measured
    assert sorted(planned.paths) == sorted((tmp_path / "out").iterdir())
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*") if p.is_file()) <= planned.n_byte


WANTED = {
    "line": {},
    "periodic": {"periodic": (1, 0.5)},
    "bootstrap": {"uncertainty": "bootstrap", "bootstrap_count": 5},
}
# Any two values of different columns meet in one of the first six; the others are their opposites.
FITS = [
    ("line", 0, "small"),
    ("line", 1, "large"),
    ("periodic", 0, "large"),
    ("periodic", 1, "small"),
    ("bootstrap", 0, "small"),
    ("bootstrap", 1, "large"),
]
OPPOSITE = {"small": "large", "large": "small"}
FITS += [(kind, n_worker, OPPOSITE[size]) for kind, n_worker, size in FITS]


@pytest.mark.parametrize(("kind", "n_worker", "size"), mostly_long(FITS, 3))
def test_a_fit_takes_what_is_predicted(results, tmp_path, kind, n_worker, size):
    wanted = WANTED[kind]
    functions = TimeFunctions(periodic=wanted.get("periodic", ()))
    options = FitOptions(**{name: value for name, value in wanted.items() if name != "periodic"})
    job = VelocityRun(results[size], tmp_path / "out.zarr", functions, options)
    planned = plan_velocity(job, n_worker)
    words = [
        word
        for name, value in wanted.items()
        for word in (f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value]))
    ]
    _, measured = peak_of(
        tmp_path / "log", "velocity", results[size], job.output, "--workers", n_worker, *words
    )
    assert measured <= planned.memory_needed <= 2 * measured
    with xr.open_zarr(job.output) as maps:
        assert planned.n_map == len(maps.data_vars)
        assert planned.bytes_written == sum(data.nbytes for data in maps.data_vars.values())


def test_a_dry_run_prints_it_and_writes_nothing(results, tmp_path):
    before = sorted(tmp_path.iterdir())
    for words in (
        ("velocity", results["small"], tmp_path / "out.zarr"),
        ("export", results["small"], tmp_path / "out", "--format", "cog", "--variables", "displacement"),
    ):
        done = succeed(*words, "--dry-run")
        assert "Memory  at most" in done.stdout
        assert "Write   at most" in done.stdout
        assert sorted(tmp_path.iterdir()) == before
    assert "displacement_20180106.tif" in done.stdout


def test_a_plan_follows_the_part_and_the_velocity(tmp_path):
    stack = tmp_path / "stack.zarr"
    simulate_stack(Scene(n_date=12, shape=(64, 64)), stack)
    found = {}
    for name, words in {
        "all": (),
        "velocity": ("--velocity", "--periodic", "1"),
        "rows": ("--rows", "0", "32"),
        "dates": ("--end-date", "20180307"),
    }.items():
        found[name] = json.loads(succeed("plan", stack, "--quick", "--json", *words).stdout)
    assert found["rows"]["bytes_read"] == found["all"]["bytes_read"] // 2
    assert found["rows"]["bytes_written"] == found["all"]["bytes_written"] // 2
    assert found["rows"]["memory_needed"] <= found["all"]["memory_needed"]
    assert found["dates"]["n_date"] == 6
    assert found["dates"]["bytes_read"] < found["all"]["bytes_read"]
    assert found["velocity"]["memory_needed"] > found["all"]["memory_needed"]
    # velocity, intercept, amplitude and phase with their errors, residual and count
    assert found["velocity"]["bytes_written"] - found["all"]["bytes_written"] == 10 * 4 * 64 * 64
