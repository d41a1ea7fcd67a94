"""Each command as a user gives it: what it prints, what it writes, and how it ends."""

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import h5py
import numpy as np
import pytest
import torch
import typer
import xarray as xr
import zarr
from typer.testing import CliRunner

from fringefleet.arguments.declaration import (
    Declared,
    Panel,
    check_fields,
    declared_fields,
    documented,
    needs_of,
)
from fringefleet.arguments.needs import check_needs, defaults_of, only_with
from fringefleet.cli import app
from fringefleet.cli import invert as invert_command
from fringefleet.cli.parameters import parameters
from fringefleet.cli.progress import progress_lines
from fringefleet.cluster import ClusterOptions
from fringefleet.errors import OptionError, RunError
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.setting import Setting
from fringefleet.options import Options
from fringefleet.session import course
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.status import Status
from thread_workers import thread_cluster

SCENE = Scene(n_date=6, neighbours=2, shape=(24, 20), missing=0.05)


@pytest.fixture
def mintpy_stack(stack, tmp_path):
    """The same stack as MintPy writes it."""
    path = tmp_path / "ifgramStack.h5"
    source = xr.open_zarr(stack)
    dates = [source[name].dt.strftime("%Y%m%d").values for name in ("reference_date", "secondary_date")]
    with h5py.File(path, "w") as file:
        file["date"] = np.stack(dates, axis=1).astype("S")
        file["unwrapPhase"] = source["unwrapped_phase"].values
        file["coherence"] = source["coherence"].values
        file.attrs.update({name: text for name, text in source.attrs.items() if name.isupper()})
    return path


def call(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def run_process(*args, **kwargs):
    command = [sys.executable, "-m", "fringefleet.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **kwargs)


def without_attributes(stack, path, *names):
    """Copy a Zarr stack without some of its attributes."""
    source = xr.open_zarr(stack, chunks={})
    source.attrs = {name: value for name, value in source.attrs.items() if name not in names}
    source.to_zarr(path, zarr_format=3, consolidated=False)
    return path


# --- the real thing ---------------------------------------------------------------------------------------


@pytest.mark.cluster
def test_invert_on_workers_writes_a_result_and_prints_its_path(stack, tmp_path):
    result = tmp_path / "result.zarr"
    done = run_process("invert", stack, result, "--workers", 1, "--chunks", 12, 20)
    assert (done.returncode, done.stdout) == (0, f"{result}\n"), done.stderr
    assert "Inverting: 100 %" in done.stderr
    assert "reference point" in done.stderr
    assert "Traceback" not in done.stderr
    assert np.isfinite(xr.open_zarr(result)["displacement"]).all()


@pytest.mark.cluster
def test_an_interrupted_run_says_that_it_can_be_resumed(tmp_path):
    stack, result = tmp_path / "stack.zarr", tmp_path / "result.zarr"
    simulate_stack(Scene(n_date=40, shape=(200, 200)), stack)
    command = [sys.executable, "-m", "fringefleet.cli", "invert", stack, result, "--workers", "1"]
    with subprocess.Popen(
        [*command, "--chunks", "10", "10"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "tiles of" in line:
                process.send_signal(signal.SIGINT)
                break
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (1, "")
    assert re.search(r"error: interrupted\. Finished tiles are kept .* --resume", stderr)
    assert "Traceback" not in stderr


@pytest.mark.cluster
def test_a_running_cluster_is_used_and_asked_for_the_device_first(stack, tmp_path):
    (tmp_path / "stack.zarr").symlink_to(stack)
    with thread_cluster() as cluster:
        args = ("invert", "stack.zarr", "result.zarr", "--cluster", cluster.scheduler_address)
        done = run_process(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "result.zarr").is_dir()
        if not torch.cuda.is_available():
            refused = run_process(*args, "--overwrite", "--device", "cuda", cwd=tmp_path)
            assert refused.returncode == 2
            assert "1 of 1 workers cannot compute on cuda: tcp://" in refused.stderr


def test_a_reader_that_goes_away_gets_no_traceback(stack):
    command = f"{sys.executable} -m fringefleet.cli info {stack} --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("{", "")


# --- what came out ----------------------------------------------------------------------------------------


def test_simulate_writes_the_scene_that_was_asked_for(tmp_path):
    path = tmp_path / "scene.zarr"
    size = ("--dates", 5, "--neighbours", 1, "--shape", 8, 10, "--seed", 3, "--missing", 0.2, "--annual")
    done = call("simulate", path, *size)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(path), str(tmp_path / "scene_truth.zarr")]
    assert dict(xr.open_zarr(path).sizes) == {"pair": 4, "y": 8, "x": 10}
    assert call("simulate", path).exit_code == 2
    assert call("simulate", path, "--shape", 8, 8, "--overwrite").exit_code == 0


def test_convert_keeps_the_phase(mintpy_stack, stack, tmp_path):
    path = tmp_path / "converted.zarr"
    done = call("convert", mintpy_stack, path, "--chunks", 10, 10)
    assert (done.exit_code, done.stdout) == (0, f"{path}\n"), done.output
    converted = xr.open_zarr(path)["unwrapped_phase"]
    assert converted.encoding["chunks"] == (9, 10, 10)
    np.testing.assert_array_equal(converted, xr.open_zarr(stack)["unwrapped_phase"])


def test_an_exported_result_holds_the_same_numbers(stack, tmp_path):
    result, folder = tmp_path / "result.zarr", tmp_path / "mintpy"
    assert call("invert", stack, result).exit_code == 0
    done = call("export", result, folder, "--format", "mintpy")
    names = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
    assert (done.exit_code, done.stdout.split()) == (0, [str(folder / name) for name in names]), done.output
    with h5py.File(folder / "timeseries.h5") as file:
        expected = xr.open_zarr(result)["displacement"].fillna(0)
        np.testing.assert_array_equal(file["timeseries"][()], expected)


def test_a_mintpy_stack_and_its_copy_give_the_same_result(mintpy_stack, stack, tmp_path):
    for source, name in ((mintpy_stack, "a.zarr"), (stack, "b.zarr")):
        assert call("invert", source, tmp_path / name, "--chunks", 24, 20).exit_code == 0
    first, second = (xr.open_zarr(tmp_path / name)["displacement"] for name in ("a.zarr", "b.zarr"))
    np.testing.assert_array_equal(first, second)


def test_a_finished_result_is_resumed_without_work(stack, tmp_path):
    result = tmp_path / "result.zarr"
    assert call("invert", stack, result).exit_code == 0
    done = call("invert", stack, result, "--resume")
    assert (done.exit_code, done.stdout) == (0, f"{result}\n")
    assert "nothing was left to do" in done.stderr


def test_a_result_that_was_begun_is_finished(stack, tmp_path):
    result = tmp_path / "result.zarr"
    assert call("invert", stack, result, "--chunks", 12, 10).exit_code == 0
    zarr.open_array(result / "progress" / "done", mode="r+")[1, 1] = 0
    refused = call("export", result, tmp_path / "mintpy")
    assert refused.exit_code == 2
    assert "1 of 4 tiles are missing" in refused.stderr
    done = call("invert", stack, result, "--chunks", 12, 10, "--resume")
    assert done.exit_code == 0
    assert "3 of 4 tiles were done before" in done.stderr
    assert call("export", result, tmp_path / "mintpy").exit_code == 0


def test_infinite_phases_are_reported(mintpy_stack, tmp_path):
    with h5py.File(mintpy_stack, "r+") as file:
        file["unwrapPhase"][1, 2, 3:5] = np.inf
    done = call("invert", mintpy_stack, tmp_path / "result.zarr")
    assert done.exit_code == 0
    assert "2 infinite phases were treated as missing data" in done.stderr


def test_what_can_be_no_observation_is_reported_with_its_pairs(mintpy_stack, tmp_path):
    with h5py.File(mintpy_stack, "r+") as file:
        file["unwrapPhase"][1, 2, 3:5] = -9999
        first, second = (date.decode() for date in file["date"][1])
        file["coherence"][0, 0, :3] = 1.25
    done = call("invert", mintpy_stack, tmp_path / "result.zarr")
    assert done.exit_code == 0
    assert f"2 phases are beyond 1,000 cycles, in 1 of 9 pairs ({first}_{second}: 2)" in done.stderr
    assert "3 values of coherence are outside the valid range, 0 to 1" in done.stderr


def test_the_summary_says_what_keeps_pixels_with_too_few_pairs(mintpy_stack, tmp_path):
    with h5py.File(mintpy_stack, "r+") as file:
        middle = file["date"][1, 1]
        for pair, dates in enumerate(file["date"][()]):
            if middle in dates:
                file["unwrapPhase"][pair, 5, 4:7] = np.nan
    done = call("invert", mintpy_stack, tmp_path / "result.zarr")
    lost = int((xr.open_zarr(tmp_path / "result.zarr").status == Status.TOO_FEW_PAIRS).sum())
    assert lost >= 3
    assert f"{lost} pixels (" in done.stderr
    assert "fewer than --min-redundancy 1. --min-redundancy 0 keeps them" in done.stderr
    assert "--min-redundancy 0 keeps them" in call("info", tmp_path / "result.zarr").stdout
    kept = call("invert", mintpy_stack, tmp_path / "kept.zarr", "--min-redundancy", "0")
    assert "keeps them" not in kept.stderr
    assert (xr.open_zarr(tmp_path / "kept.zarr").status[5, 4:7] == Status.MINIMUM_NORM).all()


# --- options ----------------------------------------------------------------------------------------------


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "smallbaselineApp.cfg"
    path.write_text(
        "mintpy.networkInversion.weightFunc = coh\n"
        "mintpy.networkInversion.maskDataset = coherence\n"
        "mintpy.networkInversion.maskThreshold = 0.2\n"
        "mintpy.networkInversion.minTempCoh = 0.7\n"
    )
    return path


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), ("var", "none", 0.4)),
        (("-t", "TEMPLATE"), ("coh", "coherence", 0.2)),
        (("-t", "TEMPLATE", "--weight-func=var"), ("var", "coherence", 0.2)),
        (("--weight-func", "no", "--template", "TEMPLATE"), ("no", "coherence", 0.2)),
        (("-t", "TEMPLATE", "--mask-dataset", "none", "--mask-threshold=0.4"), ("coh", "none", 0.4)),
    ],
)
def test_options_beat_the_template_which_beats_the_defaults(args, expected, stack, template, tmp_path):
    args = [str(template) if arg == "TEMPLATE" else arg for arg in args]
    done = call("invert", stack, tmp_path / "result.zarr", *args)
    assert done.exit_code == 0, done.output
    attrs = xr.open_zarr(tmp_path / "result.zarr").attrs
    assert (attrs["weight_func"], attrs["mask_dataset"], attrs["mask_threshold"]) == expected
    assert ("mintpy.networkInversion.minTempCoh" in done.stderr) == ("-t" in args or "--template" in args)


def test_every_option_arrives(monkeypatch, stack, tmp_path):
    jobs = []
    monkeypatch.setattr(invert_command, "run_job", lambda *args: jobs.append(args[:2]))
    args = (
        "--weight-func=fim --mask-dataset=offsetSNR --mask-threshold=0.3 --min-redundancy=2 "
        "--min-norm=phase --water-mask=mask.h5 --reference-point 3 4 --reference-date=20180118 "
        "--drop-unreferenced --wavelength=0.2 --looks=7 --chunks 5 6 --device=cuda --cluster=tcp://h:1 "
        "--workers=3 --overwrite --dtype=float64 --solver=dense"
    )
    done = call("invert", stack, tmp_path / "result.zarr", *args.split())
    assert done.exit_code == 0, done.output
    ((job, workers),) = jobs
    assert job.options == Options(
        weight_func="fim",
        mask_dataset="offset_snr",
        mask_threshold=0.3,
        min_redundancy=2.0,
        min_norm="phase",
        solver="dense",
        dtype="float64",
        device="cuda",
    )
    assert (job.setting.water_mask, job.setting.reference_point) == ("mask.h5", (3, 4))
    assert (job.setting.reference_date, job.setting.drop_unreferenced) == ("20180118", True)
    assert (job.setting.wavelength, job.setting.looks) == (0.2, 7)
    assert (job.chunks, job.existing) == ((5, 6), "overwrite")
    assert workers == ClusterOptions("tcp://h:1", 3, device="cuda")


def test_every_option_of_what_is_wanted_besides_arrives(monkeypatch, stack, tmp_path):
    jobs = []
    monkeypatch.setattr(invert_command, "run_job", lambda job, *_: jobs.append(job))
    args = (
        "--norm=huber --huber-threshold=2.5 --max-iterations=7 --gap-rule=linear --std --covariance "
        "--diagnose --dem-error --polynomial-order=3 --atmosphere-std=0.5 --geometry=inputs/geometryRadar.h5"
    )
    done = call("invert", stack, tmp_path / "result.zarr", *args.split())
    assert done.exit_code == 0, done.output
    assert jobs[0].options == Options(
        norm="huber",
        huber_threshold=2.5,
        max_iterations=7,
        gap_rule="linear",
        std=True,
        covariance=True,
        diagnose=True,
        dem_error=True,
        polynomial_order=3,
        atmosphere_std=0.5,
    )
    assert jobs[0].setting.geometry == Path("inputs/geometryRadar.h5")


def test_without_options_nothing_is_wanted_besides(monkeypatch, stack, tmp_path):
    jobs = []
    monkeypatch.setattr(invert_command, "run_job", lambda job, *_: jobs.append(job))
    assert call("invert", stack, tmp_path / "result.zarr").exit_code == 0
    assert (jobs[0].options, jobs[0].setting) == (Options(), Setting())


@pytest.mark.parametrize("words", [("no",), ("none",)])
def test_a_water_mask_of_the_template_can_be_left_out(words, tmp_path):
    (tmp_path / "water.h5").touch()
    template = tmp_path / "template.cfg"
    template.write_text("mintpy.networkInversion.waterMaskFile = water.h5\n")
    _, setting = invert_command.choose_options({}, template)
    assert setting.water_mask == tmp_path / "water.h5"
    _, setting = invert_command.choose_options({"water_mask": words[0]}, template)
    assert setting.water_mask is None


# --- bad input --------------------------------------------------------------------------------------------


BAD_INVERSIONS = {
    "missing file": (["nowhere.h5"], "no such file"),
    "text file": (["notes.txt"], "it is a text file"),
    "a result": (["result.zarr"], "found a result, not a stack"),
    "no coherence": (["no_coherence.h5"], "found no coherence"),
    "no reference point": (["no_reference.zarr"], "--reference-point"),
    "no wavelength": (["no_wavelength.zarr"], "--wavelength"),
    "reference point outside": (["stack.zarr", "--reference-point", "99", "0"], "99"),
    "no such date": (["stack.zarr", "--reference-date", "19990101"], "19990101"),
    "bad chunk": (["stack.zarr", "--chunks", "0", "5"], "chunks"),
    "chunk is no number": (["stack.zarr", "--chunks", "a", "5"], "--chunks"),
    "unknown mask": (["stack.zarr", "--mask-dataset", "snow"], "--mask-dataset"),
    "unknown weight": (["stack.zarr", "--weight-func", "vra"], "--weight-func"),
    "threshold no number": (["stack.zarr", "--mask-threshold", "nan"], "--mask-threshold nan"),
    "coherence in per cent": (
        ["stack.zarr", "--mask-dataset", "coherence", "--mask-threshold", "40"],
        "a coherence, from 0 to 1",
    ),
    "negative ratio": (
        ["stack.zarr", "--mask-dataset", "offset_snr", "--mask-threshold", "-1"],
        "give a signal-to-noise ratio, 0 or more",
    ),
    "negative threshold": (["stack.zarr", "--mask-threshold", "-0.4"], "give a number, 0 or more"),
    "negative redundancy": (["stack.zarr", "--min-redundancy", "-1"], "0 or more"),
    "coherence in bytes": (["bytes.h5"], "found coherence from"),
    "chunk that is missing": (["lacking.zarr"], "1 of 1 chunks of coherence are missing: c/0/0/0"),
    "no water mask": (["stack.zarr", "--water-mask", "sea.h5"], "sea.h5"),
    "no template": (["stack.zarr", "-t", "none.cfg"], "none.cfg"),
    "bad template key": (["stack.zarr", "-t", "bad.cfg"], "weightFunc"),
    "resume and overwrite": (["stack.zarr", "--resume", "--overwrite"], "both --resume and --overwrite"),
    "fewer than no workers": (
        ["stack.zarr", "--workers", "-1"],
        "found --workers -1; give 0 or more",
    ),
    "no workers of a cluster": (
        ["stack.zarr", "--workers", "0", "--cluster", "tcp://h:1"],
        "0 workers of tcp://h:1; give 1 or more",
    ),
    "memory of no workers": (
        ["stack.zarr", "--workers", "0", "--worker-memory", "1GB"],
        "--worker-memory 1GB, which has an effect only with --workers 1 or more",
    ),
    "work of no workers": (
        ["stack.zarr", "--workers", "0", "--performance-report", "work.html"],
        "--performance-report work.html, which shows what workers do, and --workers 0",
    ),
    "no address": (["stack.zarr", "--cluster", "here"], "tcp://"),
    "unknown norm": (["stack.zarr", "--norm", "l3"], "--norm"),
    "unknown bridge": (["stack.zarr", "--gap-rule", "nsbas"], "--gap-rule"),
    "no threshold": (["stack.zarr", "--norm", "huber", "--huber-threshold", "0"], "--huber-threshold 0"),
    "no rounds": (["stack.zarr", "--norm", "l1", "--max-iterations", "0"], "--max-iterations 0"),
    "norm without factor": (
        ["stack.zarr", "--norm", "l1", "--solver", "dense"],
        "--norm l1, which has an effect only",
    ),
    "std without factor": (
        ["stack.zarr", "--std", "--solver", "dense"],
        "--std, which has an effect only with",
    ),
    "no baselines": (["ifgramStack.h5", "--dem-error"], "found no perpendicular_baseline"),
    "no polynomial": (
        ["stack.zarr", "--dem-error", "--polynomial-order", "0"],
        "--polynomial-order 0; give 1",
    ),
    "too many powers": (["stack.zarr", "--dem-error", "--polynomial-order", "5"], "at least 7 dates"),
    "no atmosphere": (
        ["stack.zarr", "--dem-error", "--atmosphere-std", "0"],
        "--atmosphere-std 0.0; give more",
    ),
    "geometry without DEM error": (
        ["stack.zarr", "--geometry", "other.h5"],
        "--geometry other.h5, which has",
    ),
    "no geometry": (["stack.zarr", "--dem-error", "--geometry", "none.h5"], "no geometry file at none.h5"),
    "geometry of other shape": (["stack.zarr", "--dem-error", "--geometry", "other.h5"], "the shape (7, 5)"),
    "geometry is a stack": (["stack.zarr", "--dem-error", "--geometry", "ifgramStack.h5"], "slantRangeDist"),
    "unknown option": (["stack.zarr", "--wieght-func", "var"], "--wieght-func"),
}


@pytest.fixture
def bad_files(stack, mintpy_stack, tmp_path, monkeypatch):
    """A folder with everything that the bad inversions name."""
    monkeypatch.chdir(tmp_path)
    Path("stack.zarr").symlink_to(stack)
    Path("notes.txt").write_text("no stack")
    Path("loop").symlink_to("pool")
    Path("pool").symlink_to("loop")
    with h5py.File("other.h5", "w") as file:
        file["incidenceAngle"] = np.full((7, 5), 39.0)
    Path("bad.cfg").write_text("mintpy.networkInversion.weightFunk = var\n")
    Path("no_coherence.h5").write_bytes(mintpy_stack.read_bytes())
    with h5py.File("no_coherence.h5", "r+") as file:
        del file["coherence"]
    Path("bytes.h5").write_bytes(mintpy_stack.read_bytes())
    with h5py.File("bytes.h5", "r+") as file:
        file["coherence"][...] = np.round(file["coherence"][...] * 255)
    shutil.copytree(stack, "lacking.zarr")
    Path("lacking.zarr/coherence/c/0/0/0").unlink()
    point = ("reference_point", "reference_point_y", "reference_point_x", "REF_Y", "REF_X")
    without_attributes(stack, "no_reference.zarr", *point)
    without_attributes(stack, "no_wavelength.zarr", "wavelength", "WAVELENGTH")
    Path("result.zarr").symlink_to(stack.with_name("stack_truth.zarr"))
    return tmp_path


@pytest.mark.parametrize("name", BAD_INVERSIONS)
def test_bad_input_ends_with_2_and_one_message(name, bad_files):
    args, message = BAD_INVERSIONS[name]
    done = call("invert", args[0], "out.zarr", *args[1:])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not Path("out.zarr").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_gpu_that_is_not_there_ends_with_2(stack, tmp_path):
    done = call("invert", stack, tmp_path / "out.zarr", "--device", "cuda")
    assert done.exit_code == 2
    assert "--device cpu" in done.stderr


def test_an_output_that_is_there_is_left_alone(stack, tmp_path):
    result = tmp_path / "result.zarr"
    assert call("invert", stack, result).exit_code == 0
    refused = call("invert", stack, result, "--min-norm", "phase")
    assert refused.exit_code == 2
    assert "--resume to finish it, --overwrite to replace it" in refused.stderr
    other = call("invert", stack, result, "--min-norm", "phase", "--resume")
    assert other.exit_code == 2
    assert "cannot be resumed" in other.stderr
    assert call("invert", stack, result, "--min-norm", "phase", "--overwrite").exit_code == 0
    assert xr.open_zarr(result).attrs["min_norm"] == "phase"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("info", "nowhere"), "no such file or folder"),
        (("convert", "nowhere.h5", "out.zarr"), "no such file or folder"),
        (("export", "nowhere.zarr", "out"), "no such file or folder"),
        (("export", "stack.zarr", "out"), "is not a result: it is a stack"),
        (("export", "stack.zarr", "out", "--format", "roipac"), "--format"),
        (("simulate", "out.zarr", "--dates", "1"), "dates"),
        *(
            ((*command, "notes.txt/below" if deep else "notes.txt"), message)
            for command, deep, message in (
                (("demo",), False, "as an output, a name of text"),
                (("demo",), True, "something other than a folder"),
                (("plot", "stack.zarr"), False, "a file where the pictures need a folder"),
                (("plot", "stack.zarr"), True, "not a folder that you may write to"),
            )
        ),
        *(
            ((*command, place), message)
            for command in (("simulate",), ("convert", "stack.zarr"), ("invert", "stack.zarr"))
            for place, message in (
                ("loop", "is a link to itself"),
                ("loop/out.zarr", "not a folder that you"),
            )
        ),
        (("plot", "stack.zarr", "loop/pictures"), "not a folder that you may write to"),
        (("info", "loop"), "loop"),
        (("plan", "loop"), "loop"),
        (("inverse",), "inverse"),
    ],
)
def test_every_command_ends_with_2_on_bad_input(args, message, bad_files):
    done = call(*args)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.stderr


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RunError("tile (0, 0) failed; repeat with --resume."), "error: tile (0, 0) failed"),
        (ZeroDivisionError("by nothing"), "error: ZeroDivisionError: by nothing. Repeat with --verbose"),
        (PermissionError(13, "Permission denied", "out.zarr"), "error: PermissionError:"),
        (KeyboardInterrupt(), "error: interrupted. No tile of it is kept."),
    ],
)
def test_a_failure_ends_with_1_and_one_line(error, message, stack, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(course, "compute", fail)
    done = call("invert", stack, tmp_path / "out.zarr")
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_verbose_shows_the_traceback(stack, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(course, "compute", fail)
    done = call("invert", stack, tmp_path / "out.zarr", "--verbose")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


# --- what is shown ----------------------------------------------------------------------------------------


def test_lines_of_progress_come_every_five_seconds_and_at_the_end():
    lines = []
    times = iter([0.0, 1.0, 6.0, 7.0, 12.0, 12.5])
    report = progress_lines("Inverting", lines.append, clock=lambda: next(times))
    for fraction in (0.1, 0.5, 0.6, 0.9, 1.0):
        report(fraction, int(1000 * fraction))
    assert lines == [
        "Inverting:  50 %, 500 px, 83.3 px/s, 0:00:06 left",
        "Inverting:  90 %, 900 px, 75 px/s, 0:00:01 left",
        "Inverting: 100 %, 1 kpx, 80 px/s, 0:00:12 in all",
    ]


def test_info_shows_a_stack(stack):
    done = call("info", stack)
    assert done.exit_code == 0, done.output
    for text in (
        "stack, Zarr",
        "24 x 20 pixels",
        "6, 20180106 to 20180307",
        "connected",
        "EPSG:4326",
        "9 x 24 x 20",
    ):
        assert text in done.stdout


def test_info_shows_a_mintpy_stack(mintpy_stack):
    done = call("info", mintpy_stack)
    assert done.exit_code == 0, done.output
    for text in ("stack, MintPy HDF5", "row 21, column 2", "0.05546576 m", "unwrapped_phase"):
        assert text in done.stdout


def test_info_shows_a_result_and_how_much_of_it_is_done(stack, tmp_path):
    result = tmp_path / "result.zarr"
    assert call("invert", stack, result, "--chunks", 12, 10).exit_code == 0
    assert "4 of 4" in call("info", result).stdout
    zarr.open_array(result / "progress" / "done", mode="r+")[0, 0] = 0
    done = call("info", result)
    assert done.exit_code == 0, done.output
    for text in ("3 of 4; 1 missing", "weight_func var", "reference point", "%"):
        assert text in done.stdout
    facts = json.loads(call("info", result, "--json").stdout)
    assert facts["tiles"] == [3, 4]
    assert sum(facts["status"].values()) == 24 * 20 - 12 * 10


@pytest.fixture
def wrong_pair(stack, tmp_path):
    """The stack with pair 4 off by a cycle in a region."""
    wrong = xr.open_zarr(stack).load()
    wrong["unwrapped_phase"][4, 4:14, 4:18] += 2 * np.pi
    wrong.drop_encoding().to_zarr(tmp_path / "wrong.zarr", zarr_format=3, consolidated=False)
    dates = [wrong[name].dt.strftime("%Y%m%d").values[4] for name in ("reference_date", "secondary_date")]
    return tmp_path / "wrong.zarr", "_".join(dates)


@pytest.mark.parametrize("extra", [(), ("--norm", "l1", "--weight-func", "no")])
def test_the_pair_that_is_off_by_a_cycle_in_a_region_comes_first(extra, wrong_pair, tmp_path):
    (stack, pair), result = wrong_pair, tmp_path / "result.zarr"
    done = call("invert", stack, result, "--diagnose", "--chunks", 12, 10, *extra)
    assert (done.exit_code, done.stdout) == (0, f"{result}\n"), done.output
    shown = call("info", result)
    assert shown.exit_code == 0, shown.output
    for text in (done.stderr, shown.stdout):
        table = text[text.index("Worst pairs") :].splitlines()
        assert table[1].split()[0] == pair
        assert " rad " in table[1]
    facts = json.loads(call("info", result, "--json").stdout)["worst_pairs"]
    assert (facts[0]["name"], len(facts)) == (pair, 8)
    assert facts[0]["residual_rms"] > facts[1]["residual_rms"]
    assert 400 < facts[0]["n_pixel"] < 480  # pixels; some have no data
    if extra:  # least squares share the error out among the other pairs
        assert facts[0]["residual_rms"] > 2 * facts[1]["residual_rms"]
        assert facts[0]["cycle_share"] == pytest.approx(140 / 480, abs=0.03)


def test_no_table_of_pairs_is_shown_unless_it_is_asked_for(wrong_pair, tmp_path):
    result = tmp_path / "result.zarr"
    assert "Worst pairs" not in call("invert", wrong_pair[0], result).stderr
    assert "Worst pairs" not in call("info", result).stdout


def test_a_run_with_everything_is_resumed_and_exported(stack, tmp_path):
    result, folder = tmp_path / "result.zarr", tmp_path / "mintpy"
    with h5py.File(tmp_path / "geometryGeo.h5", "w") as file:
        file["incidenceAngle"] = np.full((24, 20), 39.0)
        file["slantRangeDistance"] = np.full((24, 20), 8.8e5)
    args = ["--std", "--covariance", "--diagnose", "--norm=huber", "--gap-rule=none", "--chunks", 12, 10]
    args += ["--dem-error", "--geometry", tmp_path / "geometryGeo.h5"]
    assert call("invert", stack, result, *args).exit_code == 0
    zarr.open_array(result / "progress" / "done", mode="r+")[1, 1] = 0
    for _ in range(2):  # the second time there is nothing left to do
        done = call("invert", stack, result, *args, "--resume")
        assert done.exit_code == 0, done.output
        assert "Worst pairs" in done.stderr
    refused = call("invert", stack, result, *args[1:], "--resume")
    assert (refused.exit_code, "cannot be resumed" in refused.stderr) == (2, True)
    found = xr.open_zarr(result)
    assert {"displacement_std", "displacement_cov", "dem_error", "pair_cycle_share"} <= set(found)
    assert found["pair_pixel_count"].min() > 0
    done = call("export", result, folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.split()[-1] == str(folder / "timeseriesDecorCov.h5")


def test_a_switch_has_no_type_in_help():
    for words in (["--help"], ["invert", "--help"]):
        assert not re.search(r"--\w+.*<bool>", CliRunner().invoke(app, words).stdout)


def test_the_version_is_shown():
    assert re.fullmatch(r"fringefleet \d+\.\d+\.\d+\n", call("--version").stdout)


WITH_RARE_OPTIONS = ("invert", "plan", "slurm", "velocity", "mintpy")


@pytest.mark.parametrize("command", typer.main.get_command(app).commands)
def test_every_command_has_help_with_an_example_that_parses(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    done = CliRunner().invoke(app, [command, "--help-all" if command in WITH_RARE_OPTIONS else "--help"])
    assert done.exit_code == 0
    examples = re.findall(rf"^\s*fringefleet ({command} .*|{command})$", done.stdout, flags=re.MULTILINE)
    assert examples
    offered = set(re.findall(r"--[a-z-]+", done.stdout))
    assert all(set(re.findall(r"--[a-z-]+", example)) <= offered for example in examples)


@pytest.mark.parametrize("command", ["invert", "plan", "slurm", "mintpy"])
def test_help_shows_the_names_of_tables(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    said = re.sub(r"[\s│]+", " ", CliRunner().invoke(app, [command, "--help-all"]).stdout)
    assert "a table [cluster], with [cluster.options] for what only Dask knows" in said


def options_in(*words):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    return set(re.findall(r"^│ (?:-\w, )?(--[a-z-]+)", done.stdout, flags=re.MULTILINE)), done.stdout


def test_help_leaves_out_the_options_of_workers_that_are_seldom_needed_and_says_so(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    for command in WITH_RARE_OPTIONS:
        (usual, text), (all_of_them, _) = options_in(command, "--help"), options_in(command, "--help-all")
        (n_rare,) = map(int, re.findall(r"--help-all +Show all options: also (\d+) of workers", text))
        assert (usual < all_of_them, len(all_of_them - usual)) == (True, n_rare)
        assert options_in(command, "--help")[0] == usual  # whatever was asked for before
        assert {"--tls", "--wait", "--dashboard"} <= all_of_them - usual
    assert {"--device", "--cluster", "--workers"} <= options_in("invert", "--help")[0]
    assert {"--interface", "--worker-memory", "--cluster-config"} <= options_in("slurm", "--help")[0]


def test_options_that_help_leaves_out_are_taken_and_completed(stack, tmp_path):
    done = call("plan", stack, tmp_path / "out.zarr", "--quick", "--workers", 1, "--wait", 5, "--no-tls")
    assert done.exit_code == 0, done.output
    environment = {"_FRINGEFLEET_COMPLETE": "complete_bash", "COMP_WORDS": "fringefleet invert --tls-c"}
    done = CliRunner().invoke(app, prog_name="fringefleet", env=environment | {"COMP_CWORD": "2"})
    assert {"--tls-ca", "--tls-cert", "--tls-credentials"} <= set(done.stdout.split())


def test_the_defaults_of_a_scene_that_help_shows_are_the_defaults(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    said = re.sub(r"[\s│]+", " ", CliRunner().invoke(app, ["simulate", "--help"]).stdout)
    shown = re.findall(r"default: ([\d ]+)\]", said)
    scene = Scene()
    numbers = (scene.n_date, scene.neighbours, "{} {}".format(*scene.shape), scene.seed)
    zeros = (scene.missing, scene.unwrapping_errors, scene.dem_error_std)
    assert shown == [*map(str, numbers), *(f"{number:g}" for number in zeros)]


@pytest.mark.parametrize("command", ["invert", "plan"])
def test_every_option_of_a_dataclass_is_one_of_the_command(command):
    taken = {item.name for item in typer.main.get_command(app).commands[command].params}
    for owner in (Options, Setting, FailurePolicy, Run):
        assert {field.name for field, _, _ in declared_fields(owner)} <= taken


def test_an_option_costs_its_declaration_alone():
    """A field more, and the command line, the docstring and the checks know it."""

    @documented
    @dataclass(frozen=True)
    class More(Options):
        """Options and one more."""

        damping: Annotated[
            float, Declared("Damping.", Panel.INVERSION, unit="m", above=0, needs=(only_with("norm", "l1"),))
        ] = 0.5

        def __post_init__(self):
            check_fields(self)
            check_needs(vars(self), defaults_of(More), needs_of(More))

    (found,) = parameters(More, "damping")
    name, annotation, default = found.in_typer()
    assert (name, get_args(annotation)[0], default) == ("damping", float | None, None)
    assert "default: 0.5" in annotation.__metadata__[0].help
    assert "damping : float, default 0.5 [m]" in More.__doc__
    for wrong, message in (
        ({"damping": 0.0}, r"found damping = 0.0; give more than 0 \[m\]"),
        ({"damping": "1"}, "found damping = '1' of the type str; give a number"),
        ({"damping": 2.0}, "found damping = 2.0, which has an effect only with norm = l1"),
    ):
        with pytest.raises(OptionError, match=message):
            More(**wrong)


def test_help_needs_no_torch():
    """The command line itself stays light; what is heavy is imported when it is used."""
    heavy = ("torch", "dask", "distributed", "xarray", "zarr", "h5py", "matplotlib", "numpy", "pandas")
    code = f"import sys; from fringefleet.cli import app; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
