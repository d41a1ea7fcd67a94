"""``fringefleet mintpy`` as a MintPy user gives it, against what MintPy 1.6.4 made of the same files."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import psutil
import pytest
import torch
import xarray as xr
from dask.system import CPU_COUNT
from distributed import Client
from typer.testing import CliRunner

from fringefleet.cli import app
from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import expect_workers
from fringefleet.execution.summary import Summary
from fringefleet.io.store import disk
from fringefleet.mintpy import Inverted
from fringefleet.mintpy import step as run_module
from fringefleet.mintpy import workers as resources
from fringefleet.mintpy.config import make_task
from fringefleet.mintpy.up_to_date import SETTING_ATTRIBUTE
from fringefleet.options import Options
from fringefleet.processes.connected import ConnectedWorkers
from fringefleet.session import course
from fringefleet.status import Status
from mintpy_stack import copy_project
from polling import marks_of, wait_until
from thread_workers import thread_cluster

SERIES_TOLERANCE = 5e-6  # [m]; MintPy solves in float32
COHERENCE_TOLERANCE = 1e-5
PRODUCTS = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
DATASETS = ("timeseries", "temporalCoherence", "mask")
KEY = "mintpy.networkInversion."
LONG_AGO = 10**9  # [s]
DONE = Summary(Path("result.zarr"), 1, 0)
# What is there of a command that is not finished.
KEPT = [".timeseries.fringefleet.zarr", ".timeseries.fringefleet.zarr.report.json"]

WEIGHTS = {"no": ["-w", "no"], "var": [], "fim": ["--weight-func=fim"], "coh": ["--weight-func", "coh"]}
NORMS = {"vel": [], "pha": ["--min-norm-phase"]}
MASKS = {
    "none": [],
    "coh": ["--mask-dset", "coherence", "--mask-thres", "0.4"],
    "cc": ["--md=connectComponent"],
    "mr2": ["--mr", "2"],
}
NASTY = [f"{w}_{n}_{m}" for w in WEIGHTS for n in NORMS for m in ("none", "coh")]
NASTY += ["var_vel_cc", "var_vel_mr2"]


@pytest.fixture(scope="module")
def worker():
    """A worker that is a thread of this process."""
    with thread_cluster() as cluster:
        yield cluster


@pytest.fixture
def in_this_process(worker, monkeypatch):
    """Run in this process, on a worker of its own where some are asked for; how many were wanted is kept."""
    asked = []

    @contextmanager
    def connect(_wanted):
        with Client(worker) as client:
            yield ConnectedWorkers(client, 1, None)

    def run_session(session, *how, **more):
        asked.append(expect_workers(session.workers).n_worker)
        return course.run_session(session, *how, **more)

    monkeypatch.setattr(course, "connect", connect)
    monkeypatch.setattr(run_module, "run_session", run_session)
    return asked


@pytest.fixture
def project(shared_data, tmp_path, monkeypatch):
    """A copy of the simulated project, which is the current folder."""
    folder = copy_project(shared_data, tmp_path / "project")
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (LONG_AGO, LONG_AGO))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def expected(shared_data):
    return shared_data / "nasty_24" / "expected"


def call(*args):
    return CliRunner().invoke(app, ["mintpy", *map(str, args)])


def succeed(*args):
    done = call(*args)
    assert done.exit_code == 0, done.output
    return done


def command(*args):
    return [sys.executable, "-m", "fringefleet.cli", "mintpy", *map(str, args)]


def add_lines(project, *lines):
    path = project / "smallbaselineApp.cfg"
    path.write_text("\n".join([path.read_text(), *lines]) + "\n")


def read(path, dataset):
    with h5py.File(path) as file:
        return file[dataset][()].astype(np.float64)


def attributes(path):
    with h5py.File(path) as file:
        return dict(file.attrs)


def add_dataset(stack, name, like, change=lambda values: values):
    with h5py.File(stack, "r+") as file:
        file.create_dataset(name, data=change(file[like][()]), chunks=True)
        file[name].attrs["MODIFICATION_TIME"] = "0"
    os.utime(stack, (LONG_AGO, LONG_AGO))


def assert_same_products(ours, theirs):
    series, coherence, count = (
        np.abs(read(ours / name, dataset) - read(theirs / name, dataset)).max()
        for name, dataset in zip(PRODUCTS, DATASETS, strict=True)
    )
    assert series <= SERIES_TOLERANCE
    assert coherence <= COHERENCE_TOLERANCE
    assert count == 0


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


# --- the same products ------------------------------------------------------------------------------------


@pytest.mark.cluster
def test_a_project_gets_the_products_of_mintpy_and_nothing_else(project, expected, tmp_path):
    before = {path.name for path in project.iterdir()}
    done = subprocess.run(command(project), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = [*PRODUCTS, "maskTempCoh.h5"]
    assert done.stdout.split() == [str(project / name) for name in written]
    assert {path.name for path in project.iterdir()} == before | set(written)
    assert_same_products(project, expected / "var_vel_none")
    for name in PRODUCTS:
        ours, theirs = attributes(project / name), attributes(expected / "var_vel_none" / name)
        ours.pop(SETTING_ATTRIBUTE)
        # These were made without a template, which makes MintPy write False.
        assert ours == theirs | {f"{KEY}maskDataset": "False"}
    for text in ("inverting, because timeseries.h5 does not exist", "Inverting: 100 %", "minimum norm"):
        assert text.replace("timeseries", str(project / "timeseries")) in done.stderr


@pytest.mark.parametrize("name", NASTY)
def test_every_option_of_mintpy_gives_its_products(name, project, expected, in_this_process):
    weight, norm, mask = name.split("_")
    args = [*WEIGHTS[weight], *NORMS[norm], *MASKS[mask], "-m", "waterMask.h5"]
    done = succeed("inputs/ifgramStack.h5", *args)
    assert done.stdout.split() == [str(project / file) for file in PRODUCTS]
    assert_same_products(project, expected / name)
    ours, theirs = (attributes(folder / PRODUCTS[0]) for folder in (project, expected / name))
    assert {key: text for key, text in ours.items() if key.startswith(KEY)} == {
        key: text for key, text in theirs.items() if key.startswith(KEY)
    }


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["weightFunc = no  # [var / fim / coh / no]", "minNormVelocity = no"], "no_pha_none"),
        (["weightFunc = coh", "maskDataset = coherence", "maskThreshold = 0.4"], "coh_vel_coh"),
        (["maskDataset = connectComponent"], "var_vel_cc"),
        (["minRedundancy = 1", "minRedundancy = 2.0"], "var_vel_mr2"),
    ],
)
def test_every_key_of_the_template_gives_the_products_of_mintpy(
    lines, name, project, expected, in_this_process
):
    add_lines(project, *(KEY + line for line in lines))
    succeed()
    assert_same_products(project, expected / name)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_real_stack_gives_the_products_of_mintpy(
    weight, shared_data, tmp_path, monkeypatch, in_this_process
):
    monkeypatch.chdir(tmp_path)
    scene = shared_data / "mexico_city"
    succeed(scene / "ifgramStack.h5", *WEIGHTS[weight])
    assert_same_products(tmp_path, scene / "expected" / weight)
    assert hidden(tmp_path) == []


def test_the_command_line_beats_the_template(project, expected, in_this_process):
    add_lines(project, f"{KEY}weightFunc = no", f"{KEY}maskDataset = coherence")
    succeed("--weight-func=var", "--md", "no")
    assert_same_products(project, expected / "var_vel_none")


def test_another_template_is_merged_over_that_of_the_project_which_stays_as_it_is(
    project, tmp_path, in_this_process
):
    add_lines(project, f"{KEY}weightFunc = no", f"{KEY}maskDataset = connectComponent")
    before = Path("smallbaselineApp.cfg").read_bytes()
    custom = tmp_path / "custom.txt"
    custom.write_text(f"{KEY}weightFunc = coh\n{KEY}minNormVelocity = off\n")
    succeed("-t", custom)
    said = attributes("timeseries.h5")
    assert [said[KEY + name] for name in ("weightFunc", "maskDataset", "minNormVelocity")] == [
        "coh",
        "connectComponent",
        "False",
    ]
    assert Path("smallbaselineApp.cfg").read_bytes() == before
    assert not custom.with_name("custom.txt.tmp").exists()
    assert "inverting, because mintpy.networkInversion.weightFunc was coh and is no" in succeed().stderr


def test_a_stack_takes_no_template_and_no_water_mask_unless_told(project, expected, in_this_process):
    add_lines(project, f"{KEY}weightFunc = no")
    succeed("inputs/ifgramStack.h5")
    water = read("waterMask.h5", "waterMask") == 0
    assert attributes("timeseries.h5")[f"{KEY}weightFunc"] == "var"
    assert read("numInvIfgram.h5", "mask")[water].max() > 0
    assert not Path("maskTempCoh.h5").exists()
    succeed("inputs/ifgramStack.h5", "-t", "smallbaselineApp.cfg", "-o", "a.h5", "b.h5", "c.h5")
    assert attributes("a.h5")[f"{KEY}weightFunc"] == "no"
    assert read("c.h5", "mask")[water].max() == 0
    assert read("b.h5", "temporalCoherence").max() == 1


def test_the_reference_date_and_the_covariance_are_written(project, in_this_process):
    dates = read("inputs/ifgramStack.h5", "date").astype(int)
    wanted = np.unique(dates)[3]
    succeed("--ref-date", wanted, "--calc-cov", "--no-mask-temp-coh")
    assert attributes("timeseries.h5")["REF_DATE"] == str(wanted)
    assert not read("timeseries.h5", "timeseries")[3].any()
    assert read("timeseries.h5", "timeseries")[0].any()
    assert read("timeseriesDecorCov.h5", "timeseries").shape == (24, 24, 40, 50)
    assert not Path("maskTempCoh.h5").exists()


@pytest.mark.parametrize(
    ("line", "args", "date"),
    [
        ("mintpy.reference.date = 20150518", [], "20150518"),
        ("mintpy.reference.date = no", [], "20141213"),
        ("mintpy.reference.date = auto", [], "20141213"),
        ("mintpy.reference.date = date.txt", [], "20150118"),
        ("mintpy.reference.date = 20150518", ["--ref-date", "20141225"], "20141225"),
    ],
)
def test_the_covariance_is_relative_to_the_date_of_the_template(line, args, date, project, in_this_process):
    Path("date.txt").write_text("20150118\n")
    add_lines(project, line)
    succeed("inputs/ifgramStack.h5", "--calc-cov", *args)
    assert attributes("timeseriesDecorCov.h5")["REF_DATE"] == date
    assert attributes("timeseries.h5")["REF_DATE"] == (args[1] if args else "20141213")
    add_lines(project, "mintpy.reference.date = 19990101")
    refused = call("inputs/ifgramStack.h5", "--calc-cov")
    assert refused.exit_code == 2
    assert "found 19990101 as the date that the covariance is relative to, which is none" in refused.stderr
    assert "inverting" not in refused.stderr


def test_messages_name_datasets_as_the_options_do(project):
    refused = call("inputs/ifgramStack.h5", "--md", "offsetSNR", "--mt", "5")
    assert refused.exit_code == 2
    assert "found no offsetSNR in the stack" in refused.stderr
    assert "--mask-dset offsetSNR needs it" in refused.stderr
    assert "offset_snr" not in refused.stderr


def test_a_result_is_kept_where_it_is_wanted(project, in_this_process):
    done = succeed("--result", "result.zarr")
    assert done.stdout.split()[-1] == "result.zarr"
    status = xr.open_zarr("result.zarr")["status"]
    assert status.sizes == {"y": 40, "x": 50}
    assert hidden(project) == []
    refused = call("--result", "result.zarr", "--no-update", "-w", "no")
    assert refused.exit_code == 2
    assert "result.zarr is there and is not the result of this run" in refused.stderr
    assert attributes("timeseries.h5")[f"{KEY}weightFunc"] == "var"
    shutil.rmtree("result.zarr")
    assert "inverting, because result.zarr is not there" in succeed("--result", "result.zarr").stderr


# --- other observations -----------------------------------------------------------------------------------


def test_a_corrected_phase_is_taken_where_the_template_says_so(project, in_this_process):
    stack = project / "inputs" / "ifgramStack.h5"
    add_lines(project, "mintpy.unwrapError.method = bridging")
    missing = call()
    assert missing.exit_code == 2
    assert "found no dataset unwrapPhase_bridging to invert as mintpy.unwrapError.method" in missing.stderr
    assert "coherence, connectComponent, unwrapPhase." in missing.stderr
    add_dataset(stack, "unwrapPhase_bridging", "unwrapPhase", lambda phase: 2 * phase)
    succeed()
    twice = read("timeseries.h5", "timeseries")
    assert attributes("timeseries.h5")[f"{KEY}obsDatasetName"] == "unwrapPhase_bridging"
    succeed("--dset", "unwrapPhase")
    once = read("timeseries.h5", "timeseries")
    assert attributes("timeseries.h5")[f"{KEY}obsDatasetName"] == "unwrapPhase"
    np.testing.assert_allclose(twice, 2 * once, atol=1e-6)


def test_an_ionosphere_stack_has_names_of_its_own(project, in_this_process):
    (project / "inputs" / "ifgramStack.h5").rename(project / "inputs" / "ionStack.h5")
    done = succeed("inputs/ionStack.h5", "-m", "waterMask.h5", "--mask-temp-coh")
    names = ["ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5", "maskTempCohIon.h5"]
    assert [Path(path).name for path in done.stdout.split()] == names
    assert read("maskTempCohIon.h5", "mask").sum() > 1000


def test_offsets_have_names_and_units_of_their_own(project, in_this_process):
    stack = project / "inputs" / "ifgramStack.h5"
    add_dataset(stack, "rangeOffset", "unwrapPhase")
    add_dataset(stack, "rangeOffsetStd", "coherence")
    add_dataset(stack, "offsetSNR", "coherence", lambda values: 10 * values)
    args = ("-i", "rangeOffset", "-w", "no", "--md", "offsetSNR", "--mt", "5")
    done = succeed("inputs/ifgramStack.h5", *args, "--calc-cov")
    names = ["timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5", "timeseriesRgCov.h5"]
    assert [Path(path).name for path in done.stdout.split()] == names
    assert attributes("residualInvRg.h5")["UNIT"] == "pixel"
    assert attributes("timeseriesRg.h5")[f"{KEY}maskDataset"] == "offsetSNR"
    again = succeed("inputs/ifgramStack.h5", *args, "--calc-cov", "--update")
    assert "nothing has changed" in again.stderr
    refused = call("inputs/ifgramStack.h5", "-d", "range_offset", "--mask-temp-coh")
    assert refused.exit_code == 2
    assert "--mask-temp-coh with rangeOffset, which has no temporal coherence" in refused.stderr


# --- the average coherence --------------------------------------------------------------------------------


def test_pixels_without_average_coherence_are_left_out_and_it_is_said(project, in_this_process):
    with h5py.File("avgSpatialCoh.h5", "w") as file:
        file["coherence"] = np.pad(np.zeros((4, 5), "f4"), ((0, 36), (0, 45)), constant_values=0.5)
        file.attrs.update(LENGTH="40", WIDTH="50", FILE_TYPE="coherence")
    done = succeed("--result", "result.zarr")
    assert "20 pixels are excluded because avgSpatialCoh.h5 is 0 there" in done.stderr
    count = read("numInvIfgram.h5", "mask")
    assert count[:4, :5].max() == 0
    assert count[4:, 5:].max() > 0
    status = xr.open_zarr("result.zarr")["status"].values[:4, :5]
    assert np.isin(status, [Status.MASKED, Status.NO_OBSERVATION]).all()
    assert (status == Status.MASKED).any()
    with h5py.File("avgSpatialCoh.h5", "w") as file:
        file["coherence"] = np.zeros((4, 5), "f4")
    shutil.rmtree("result.zarr")
    done = succeed()
    assert "avgSpatialCoh.h5 differs in size from the stack: not used" in done.stderr
    assert read("numInvIfgram.h5", "mask")[:4, :5].max() > 0


# --- the mask of reliable pixels --------------------------------------------------------------------------


def test_reliable_pixels_are_those_of_enough_coherence_outside_the_shadow(project, in_this_process):
    with h5py.File("inputs/geometryRadar.h5", "r+") as file:
        file["shadowMask"][10:20] = True
    succeed()
    coherence = read("temporalCoherence.h5", "temporalCoherence")
    wanted = coherence >= np.float32(0.7)
    wanted[10:20] = False
    np.testing.assert_array_equal(read("maskTempCoh.h5", "mask"), wanted)
    add_lines(project, f"{KEY}minTempCoh = 0.9", f"{KEY}shadowMask = no")
    succeed()  # the inversion is skipped, the mask is not
    np.testing.assert_array_equal(read("maskTempCoh.h5", "mask"), coherence >= np.float32(0.9))
    assert attributes("maskTempCoh.h5")[f"{KEY}shadowMask"] == "False"


def test_without_a_geometry_file_no_pixel_is_in_shadow_and_it_is_said(project, in_this_process):
    Path("inputs/geometryRadar.h5").unlink()
    done = succeed()
    assert "no geometry file beside inputs/ifgramStack.h5: no pixel is left out for shadow" in done.stderr
    coherence = read("temporalCoherence.h5", "temporalCoherence")
    np.testing.assert_array_equal(read("maskTempCoh.h5", "mask"), coherence >= np.float32(0.7))


def test_too_few_reliable_pixels_are_a_warning_and_a_failure_if_the_mask_was_asked_for(
    project, in_this_process
):
    add_lines(project, f"{KEY}minNumPixel = 100000")
    done = succeed()
    assert re.search(r"WARNING found \d+ reliable pixels in maskTempCoh\.h5, fewer than 100000", done.stderr)
    failed = call("--mask-temp-coh")
    assert failed.exit_code == 1
    assert "error: found" in failed.stderr
    assert failed.stdout.split() == [*PRODUCTS, "maskTempCoh.h5"]


# --- update -----------------------------------------------------------------------------------------------


def test_nothing_is_done_twice_unless_it_is_insisted_on(project, in_this_process):
    succeed()
    times = [Path(name).stat().st_mtime_ns for name in (*PRODUCTS, "maskTempCoh.h5")]
    done = succeed()
    assert "nothing has changed, so nothing is inverted (--no-update does it all the same)" in done.stderr
    assert done.stdout.split() == [*PRODUCTS, "maskTempCoh.h5"]
    assert [Path(name).stat().st_mtime_ns for name in (*PRODUCTS, "maskTempCoh.h5")] == times
    assert len(in_this_process) == 1
    succeed("--no-update")
    assert len(in_this_process) == 2
    succeed("inputs/ifgramStack.h5", "-m", "waterMask.h5")  # a stack alone is inverted every time
    assert len(in_this_process) == 3
    assert "nothing has changed" in succeed("inputs/ifgramStack.h5", "-m", "waterMask.h5", "--update").stderr


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["-w", "no"], "weightFunc was var and is no"),
        (["--md", "coherence", "--mt", "0.5"], "maskDataset was False and is coherence"),
        (["-m", "no"], "water mask was waterMask.h5 and is none"),
        (["--ref-date", "20141225"], "reference date was the first and is 20141225"),
        (["--looks", "5"], "looks was None and is 5"),
        (["--reference-point", "1", "2"], "REF_Y was 39 and is 1"),
        (["--calc-cov"], "timeseriesDecorCov.h5 does not exist"),
    ],
)
def test_another_option_is_noticed(args, reason, project, monkeypatch, in_this_process):
    succeed()
    reasons = []
    monkeypatch.setattr(run_module, "run_session", lambda *_, **_more: reasons.append("inverted") or DONE)
    monkeypatch.setattr(run_module, "_export", lambda *_: None)
    done = call(*args)
    assert done.exit_code == 0, done.output
    assert (
        f"inverting, because {KEY if 'mask' in reason[:4] or 'weight' in reason else ''}{reason}"
        in done.stderr
    )
    assert reasons == ["inverted"]


def test_files_of_mintpy_are_taken_as_they_are_until_something_changes(project, expected, in_this_process):
    for name in PRODUCTS:
        shutil.copy(expected / "var_vel_none" / name, project / name)
    assert "nothing has changed" in succeed().stderr
    assert in_this_process == []
    time.sleep(0.01)
    Path("waterMask.h5").touch()
    assert "because waterMask.h5 is newer than the products" in succeed().stderr
    assert len(in_this_process) == 1


def test_other_pairs_of_the_same_number_are_noticed(project, in_this_process):
    succeed()
    with h5py.File("inputs/ifgramStack.h5", "r+") as file:
        file["dropIfgram"][1] = False
    assert "numIfgram was 66 and is 65" in succeed().stderr
    with h5py.File("inputs/ifgramStack.h5", "r+") as file:
        file["dropIfgram"][1:3] = True, False
    assert "inverting, because network was" in succeed().stderr


# --- what happens on the way ------------------------------------------------------------------------------


def write_large_project(source, folder, times=8, **stored):
    """The scene eight by eight times, to be done in many tiles by one worker."""
    (folder / "inputs").mkdir(parents=True)
    stack = folder / "inputs" / "ifgramStack.h5"
    with h5py.File(source / "inputs" / "ifgramStack.h5") as small, h5py.File(stack, "w") as file:
        file.attrs.update(dict(small.attrs) | {"LENGTH": str(40 * times), "WIDTH": str(50 * times)})
        for name in ("date", "bperp", "dropIfgram"):
            file[name] = small[name][()]
        for name in ("unwrapPhase", "coherence"):
            data = np.tile(small[name][()], (1, times, times))
            file.create_dataset(name, data=data, chunks=(66, 40, 50), **stored)
    lines = ("mintpy.compute.numWorker = 1", "mintpy.compute.maxMemory = 0.57")
    (folder / "smallbaselineApp.cfg").write_text("\n".join(lines))
    for name in PRODUCTS:
        (folder / name).write_text("old")


def damage(path, data):
    """Change a file as a bad disk does it, whose time stays; return what was there."""
    whole, state = path.read_bytes(), path.stat()
    path.write_bytes(data(whole))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return whole


LOST = "tile (1, 0) (rows 40-80, columns 0-100)"


@pytest.fixture
def damaged(project, tmp_path, monkeypatch, in_this_process):
    """A project of two tiles, of which one cannot be read: how to heal it, and what is right."""
    folder = tmp_path / "damaged"
    write_large_project(project, folder, times=2, compression="gzip")
    monkeypatch.chdir(folder)
    stack = folder / "inputs" / "ifgramStack.h5"
    with h5py.File(stack) as file:
        chunk = file["unwrapPhase"].id.get_chunk_info_by_coord((0, 40, 50))
    succeed("-o", "a.h5", "b.h5", "c.h5", "--no-mask-temp-coh")
    begin, end = chunk.byte_offset, chunk.byte_offset + chunk.size
    whole = damage(stack, lambda data: data[:begin] + bytes(chunk.size) + data[end:])
    return SimpleNamespace(heal=lambda: damage(stack, lambda _: whole), right=read("a.h5", "timeseries"))


def test_a_tile_that_fails_is_tried_again_and_stops_the_step_with_the_old_products(damaged):
    stopped = call("--retries", "1")
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    assert f"{LOST} failed for good after 2 attempts: " in stopped.stderr
    assert re.search(rf"error: {re.escape(LOST)} failed: .*unwrapPhase of \S+ cannot be read", stopped.stderr)
    assert [Path(name).read_text() for name in PRODUCTS] == ["old"] * 3
    assert hidden(Path()) == KEPT
    damaged.heal()
    assert "1 of 2 tiles were done before" in succeed().stderr
    np.testing.assert_array_equal(read("timeseries.h5", "timeseries"), damaged.right)


def test_a_tile_that_is_skipped_is_zero_and_named_in_the_products_and_tried_again_by_the_next_run(damaged):
    for reason in ("timeseries.h5 cannot be read", f"timeseries.h5 lacks {LOST}"):
        skipped = succeed("--retries", "0", "--on-error", "skip")
        assert f"inverting, because {reason}" in skipped.stderr
        assert f"WARNING {', '.join(PRODUCTS)} lack 1 tiles, which are zero there" in skipped.stderr
        assert f": {LOST}. What is done is kept in .timeseries.fringefleet.zarr; repeat the" in skipped.stderr
        assert skipped.stdout.split() == [*PRODUCTS, "maskTempCoh.h5"]
        series = read("timeseries.h5", "timeseries")
        np.testing.assert_array_equal(series[:, :40], damaged.right[:, :40])
        for name, dataset in zip((*PRODUCTS, "maskTempCoh.h5"), (*DATASETS, "mask"), strict=True):
            assert not read(name, dataset)[..., 40:, :].any()
            assert attributes(name)["fringefleet.failed_tiles"] == LOST
        assert hidden(Path()) == KEPT
    damaged.heal()
    assert "1 of 2 tiles were done before" in succeed().stderr
    np.testing.assert_array_equal(read("timeseries.h5", "timeseries"), damaged.right)
    assert read("maskTempCoh.h5", "mask")[40:].any()
    for name in (*PRODUCTS, "maskTempCoh.h5"):
        assert "fringefleet.failed_tiles" not in attributes(name)
    assert hidden(Path()) == []
    assert "nothing has changed" in succeed().stderr


@contextmanager
def killed_after_two_tiles(folder, store):
    """Start the step and stop all its processes in the middle; kill them at the end."""
    with subprocess.Popen(
        command(folder), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None or n_done(store) >= 2, 120)
            os.killpg(process.pid, signal.SIGSTOP)  # else it might be done before it is killed
            wait_until(lambda: all_stopped(process.pid), 30)
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def all_stopped(pid):
    """Whether a process and its children in its group have stopped, which takes a moment."""
    whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    group = [process for process in whole if os.getpgid(process.pid) == pid]
    return all(process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) for process in group)


def n_done(store):
    return len(marks_of(store))


def contents(folder):
    """Every file of a folder: when it was changed, and its size."""
    found = [(path, path.stat()) for path in folder.rglob("*")]
    return {path: (state.st_mtime_ns, state.st_size) for path, state in found}


@pytest.mark.cluster
@pytest.mark.long  # of invert it is tested each time
def test_a_second_run_is_refused_and_touches_nothing_and_a_killed_one_is_finished_by_the_same_command(
    project, tmp_path
):
    folder = tmp_path / "large"
    write_large_project(project, folder)
    left = folder / f".fringefleet-{16 * '0'}"
    left.mkdir()
    (left / "timeseries.h5").write_text("what a killed export leaves")
    store = folder / ".timeseries.fringefleet.zarr"
    with killed_after_two_tiles(folder, store) as first:
        before = contents(folder)
        refused = subprocess.run(command(folder), capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert refused.stderr.count("error:") == 1
        who = f"timeseries.h5 is being written by another run: process {first.pid} on "
        assert who in refused.stderr
        assert "inverting" not in refused.stderr
        assert contents(folder) | {folder: 0} == before | {folder: 0}
    n_before = n_done(store)
    assert n_before >= 2
    assert [(folder / name).read_text() for name in PRODUCTS] == ["old"] * 3
    done = subprocess.run(command(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"taking over from a dead run: process {first.pid} on " in done.stderr
    found = re.search(r"(\d+) of (\d+) tiles were done before", done.stderr)
    assert found, done.stderr
    assert n_before <= int(found[1]) < int(found[2])
    assert hidden(folder) == []
    subprocess.run(command(project, "-m", "no"), check=True, capture_output=True)
    small, large = (read(path / "timeseries.h5", "timeseries") for path in (project, folder))
    different = np.argwhere((large != np.tile(small, (1, 8, 8))).any(axis=0))
    assert {(y % 40, x % 50) for y, x in different} <= {(39, 31)}  # the reference point is there once


def test_who_interrupts_a_run_is_told_to_repeat_the_command(project, monkeypatch, in_this_process):
    def interrupt(checked, *_args, **_kwargs):
        monkeypatch.setattr(course, "holds_run", lambda *_: True)
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "compute", interrupt)
    done = call()
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search(
        r"interrupted\. Finished tiles are kept in .*repeat the command to continue\.", done.stderr
    )


def test_what_is_left_of_another_run_is_replaced(project, expected, monkeypatch, in_this_process):
    args = ("inputs/ifgramStack.h5", "-m", "waterMask.h5")
    with monkeypatch.context() as killed_before_the_products:
        killed_before_the_products.setattr(run_module, "_export", lambda *_: None)
        succeed(*args, "-w", "no")
    assert hidden(project) == KEPT
    done = succeed(*args)
    assert "1 of 1 tiles of 40 x 50 pixels to do" in done.stderr
    assert_same_products(project, expected / "var_vel_none")
    assert hidden(project) == []


def test_nothing_masked_is_spelled_as_mintpy_spells_it(project, in_this_process):
    succeed("--no-update")
    assert attributes("timeseries.h5")[f"{KEY}maskDataset"] == "False"  # with a template
    succeed("inputs/ifgramStack.h5", "-o", "a.h5", "b.h5", "c.h5")
    assert attributes("a.h5")[f"{KEY}maskDataset"] == "None"  # without
    Path("short.cfg").write_text(f"{KEY}weightFunc = no\n")
    succeed("inputs/ifgramStack.h5", "-t", "short.cfg", "-o", "a.h5", "b.h5", "c.h5")
    assert attributes("a.h5")[f"{KEY}maskDataset"] == "None"  # with one that says nothing of it
    with h5py.File("timeseries.h5", "r+") as file:
        file.attrs[f"{KEY}maskDataset"] = "None"
    assert "nothing has changed" in succeed().stderr  # one state, whatever its name


def test_a_disk_without_room_for_the_products_is_found_before_the_work(project, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=207_999))
    done = call()
    assert done.exit_code == 2
    assert "found 207,999 bytes free on the disk" in done.stderr
    assert f"{4 * 40 * 50 * (24 + 2):,} are needed" in done.stderr
    assert hidden(project) == []


@pytest.mark.cluster
def test_products_that_cannot_be_written_leave_the_old_ones_and_the_result(project, expected):
    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (190_000, 190_000))

    for name in PRODUCTS:
        Path(name).write_text("old")
    done = subprocess.run(
        command("--num-worker=1"), capture_output=True, text=True, check=False, preexec_fn=limit_files
    )
    assert done.returncode == 1
    assert re.search(r"error: the products could not be written to .*File too large", done.stderr), (
        done.stderr
    )
    assert "The result is kept in .timeseries.fringefleet.zarr" in done.stderr
    assert [Path(name).read_text() for name in PRODUCTS] == ["old"] * 3
    assert hidden(project) == KEPT
    done = subprocess.run(command("--num-worker=1"), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nothing was left to do" in done.stderr
    assert hidden(project) == []
    assert_same_products(project, expected / "var_vel_none")


# --- with what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "args", "wanted"),
    [
        ([], [], None),
        (["numWorker = 1"], [], 1),
        (["cluster = local", "numWorker = 1"], [], 1),
        (["numWorker = 1"], ["--num-worker", "all"], CPU_COUNT),
        (["numWorker = 1"], ["--num-worker=100%", "-c", "local"], CPU_COUNT),
        (["numWorker = 1%"], [], 1),
        (["numWorker = 100000"], [], CPU_COUNT),
        (["cluster = pbs"], [], None),
        (["cluster = slurm"], ["-c", "no"], None),
        ([], ["--num-worker=auto"], CPU_COUNT),
    ],
)
def test_the_number_of_workers_is_what_is_said_and_no_more_than_cores(lines, args, wanted, project):
    add_lines(project, *(f"mintpy.compute.{line}" for line in lines))
    asked = ClusterOptions() if wanted is None else ClusterOptions("local", wanted)
    assert captured(*args).workers == asked


@pytest.mark.parametrize(
    ("lines", "args", "wanted"),
    [
        ([], [], 0),
        ([], ["-c", "no"], 0),
        (["cluster = local"], [], 0),
        (["numWorker = 1"], [], 1),
        ([], ["--num-worker=1"], 1),
        ([], ["-c", "local"], CPU_COUNT),
        ([], ["--wait=60"], CPU_COUNT),
        (["cluster = local", "numWorker = 1"], ["--num-worker", "0"], 0),
    ],
)
def test_little_work_needs_no_workers_unless_they_are_asked_for(
    lines, args, wanted, project, expected, in_this_process
):
    add_lines(project, *(f"mintpy.compute.{line}" for line in lines))
    done = succeed(*args)
    assert in_this_process == [wanted]
    assert ("threads of this process" in done.stderr) == (wanted == 0)
    assert ("starting" in done.stderr) == (wanted > 0)
    assert_same_products(project, expected / "var_vel_none")


def test_no_workers_have_the_memory_that_is_allowed_and_nothing_that_only_workers_have(project):
    refused = call("--num-worker", "0", "--ram", "0.1")
    assert refused.exit_code == 2
    assert "found a limit of 107,374,182 bytes of memory" in refused.stderr
    refused = call("--num-worker", "0", "--dashboard")
    assert refused.exit_code == 2
    assert "--dashboard, which has an effect only with --num-worker 1 or more" in refused.stderr
    assert hidden(project) == []


@pytest.mark.parametrize(
    ("lines", "args", "wanted"),
    [
        (["numWorker = all"], ["--solver", "torch"], ClusterOptions(device="cuda")),
        ([], ["--solver", "torch", "--num-worker", "1"], ClusterOptions("local", 1, device="cuda")),
        (["cluster = slurm"], [], ClusterOptions("slurm")),
        (["cluster = slurm", "numWorker = 40"], [], ClusterOptions("slurm", 40)),
        (["numWorker = 40"], ["-c", "slurm", "--num-worker=8"], ClusterOptions("slurm", 8)),
        (["cluster = slurm", "config = big"], [], ClusterOptions("slurm", options={"config_name": "big"})),
        (["cluster = slurm", "config = no"], [], ClusterOptions("slurm")),
        (
            ["config = big", "numWorker = 2"],
            ["-c", "slurm", "--config=small", "--interface=ib0", "--tls"],
            ClusterOptions("slurm", 2, interface="ib0", tls=True, options={"config_name": "small"}),
        ),
    ],
)
def test_gpus_and_jobs_are_asked_for_as_they_are(lines, args, wanted, project):
    add_lines(project, *(f"mintpy.compute.{line}" for line in lines))
    assert captured(*args).workers == wanted


FILE = """
[cluster]
cluster = "slurm"
n_worker = 3
interface = "ib1"
[cluster.options]
queue = "gpu"
config_name = "tiny"
"""
IN_FILE = {"queue": "gpu", "config_name": "tiny"}


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ([], ClusterOptions("slurm", 3, interface="ib1", options=IN_FILE)),
        (
            ["--num-worker=5", "--interface=ib0", "--config=big", "--tls"],
            ClusterOptions("slurm", 5, interface="ib0", tls=True, options=IN_FILE | {"config_name": "big"}),
        ),
    ],
)
def test_a_cluster_file_beats_the_template_and_the_command_line_beats_both(args, wanted, project):
    add_lines(
        project, *(f"mintpy.compute.{line}" for line in ("cluster = pbs", "numWorker = 9", "config = x"))
    )
    Path("jobs.toml").write_text(FILE)
    assert captured("--cluster-config", "jobs.toml", *args).workers == wanted
    Path("jobs.toml").write_text('[cluster]\nworker_memory = "2GiB"\n')
    task = captured("--cluster-config", "jobs.toml", "--num-worker=1", "--ram=100")
    assert (task.workers, task.job.total_memory) == (ClusterOptions("local", 1, "2GiB"), 2 * 1024**3)
    refused = call("--cluster-config", "gone.toml")
    assert (refused.exit_code, "found no cluster file gone.toml" in refused.stderr) == (2, True)


def captured(*args):
    """What the command line is understood as, without doing it."""
    tasks = []

    def step(path, template=None, *, on_progress=None, **said):
        tasks.append(make_task(path, template, said))
        return Inverted((), tasks[0].job.options, None, None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_module, "run_network_inversion", step)
        succeed(*args)
    return tasks[0]


def test_a_job_queue_of_the_template_is_named_and_one_of_the_command_line_refused(project, in_this_process):
    add_lines(project, "mintpy.compute.cluster = pbs", "mintpy.compute.config = pbs_short")
    done = succeed()
    assert "mintpy.compute.cluster = pbs: of the job queues there is slurm only" in done.stderr
    assert done.stderr.count("not used: mintpy.compute.config = pbs_short") == 1
    refused = call("-c", "lsf")
    assert refused.exit_code == 2
    assert "of the job queues there is slurm only" in refused.stderr
    refused = call("-c", "slurm", "--num-worker", "all")
    assert refused.exit_code == 2
    assert "found all workers of slurm; give a number of them" in refused.stderr


def test_a_running_scheduler_is_connected_to(project, worker):
    address = worker.scheduler_address
    assert f"connecting to {address}" in succeed("-c", address).stderr
    assert worker.status.name == "running"


def test_memory_is_limited_by_the_command_line_then_the_template_then_the_machine(project, monkeypatch):
    monkeypatch.setattr(resources, "MEMORY_LIMIT", 64 * 1024**3)
    assert captured().job.total_memory == 4 * 1024**3  # of the template
    assert captured("--ram", "1.5").job.total_memory == int(1.5 * 1024**3)
    assert captured("--memory=100").job.total_memory == CPU_COUNT * (64 * 1024**3 // CPU_COUNT)
    add_lines(project, "mintpy.compute.maxMemory = auto")
    assert captured("--num-worker", "1").job.total_memory == 64 * 1024**3 // CPU_COUNT


def test_less_memory_means_fewer_workers_and_too_little_an_error(project, in_this_process):
    refused = call("--ram", "0.1")
    assert refused.exit_code == 2
    assert "found a limit of 107,374,182 bytes of memory" in refused.stderr
    assert hidden(project) == []


def test_every_option_arrives(project):
    Path("sea.h5").touch()
    args = (
        "--dset=unwrapped_phase --weight-func=fim --min-norm-phase --mask-dataset=coherence "
        "--mask-threshold=0.3 --min-redundancy=2 --water-mask=sea.h5 --ref-date=20141225 --drop-unreferenced "
        "--reference-point 3 4 --wavelength=0.2 --looks=7 --gpu-chunk-size=5000 --solver=torch --calc-cov "
        "--update --result=r.zarr -o a.h5 b.h5 c.h5"
    )
    task = captured("inputs/ifgramStack.h5", *args.split())
    assert task.job.options == Options(
        weight_func="fim",
        min_norm="phase",
        mask_dataset="coherence",
        mask_threshold=0.3,
        min_redundancy=2.0,
        covariance=True,
        device="cuda",
        gpu_chunk_size=5000,
    )
    setting = task.job.setting
    assert (setting.water_mask, setting.reference_point) == ("sea.h5", (3, 4))
    assert (setting.reference_date, setting.drop_unreferenced) == ("20141225", True)
    assert (setting.wavelength, setting.looks, setting.skip_reference) == (0.2, 7, False)
    assert [path.name for path in task.outputs] == ["a.h5", "b.h5", "c.h5", "aDecorCov.h5"]
    assert (task.result, task.job.output, task.is_update) == (Path("r.zarr"), Path("r.zarr"), True)
    assert task.mask is None
    assert captured("--skip-ref").job.setting.skip_reference is True


def test_the_template_arrives_and_without_words_mintpys_defaults_hold(project):
    task = captured()
    assert task.job.options == Options()
    assert task.job.setting.water_mask == Path("waterMask.h5")
    assert (task.mask.minimum, task.mask.shadow, task.mask.least) == (0.7, True, 100)
    add_lines(project, f"{KEY}solver = torch", f"{KEY}gpuChunkSize = 7", f"{KEY}minTempCoh = 0.5")
    add_lines(project, f"{KEY}minNumPixel = 5", f"{KEY}shadowMask = no")
    task = captured()
    assert (task.job.options.device, task.job.options.gpu_chunk_size) == ("cuda", 7)
    assert (task.mask.minimum, task.mask.shadow, task.mask.least) == (0.5, False, 5)
    for word in ("cpu", "auto"):
        assert captured("--solver", word).job.options.device == "cpu"


# --- bad input --------------------------------------------------------------------------------------------

BAD = {
    "no project": (["nowhere"], "nowhere: no such file"),
    "no template": (["empty"], "found no inputs/ifgramStack.h5"),
    "named template": (["-t", "gone.cfg"], "gone.cfg"),
    "not a stack": (["waterMask.h5"], "of the type waterMask"),
    "unknown dataset": (["-d", "unwrapPhase_mine"], "found no dataset unwrapPhase_mine to invert"),
    "unknown mask": (["--md", "coherense"], "Did you mean coherence?"),
    "no water mask": (["-m", "sea.h5"], "found no water mask at sea.h5"),
    "unknown weight": (["-w", "vra"], "vra"),
    "unknown cluster": (["-c", "sge"], "--cluster = 'sge'"),
    "bad number of workers": (["--num-worker", "-1"], "--num-worker = '-1'"),
    "bad memory": (["--ram", "0"], "found --ram 0.0"),
    "bad date": (["--ref-date", "19990101"], "19990101"),
    "same output twice": (["-o", "a.h5", "a.h5", "c.h5"], "differ from each other"),
    "output is the stack": (["-o", "inputs/ifgramStack.h5", "b.h5", "c.h5"], "from the stack"),
    "output in no folder": (["-o", "no/a.h5", "b.h5", "c.h5"], "found no folder no for a.h5"),
    "output is a folder": (["-o", "inputs", "b.h5", "c.h5"], "found a folder where inputs"),
    "abbreviated option": (["--weight", "no"], "--weight"),
    "no coherence": (["bare.h5", "-w", "var"], "found no coherence"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_with_2_and_one_message_before_any_work(name, project):
    Path("empty").mkdir()
    with h5py.File("inputs/ifgramStack.h5") as source, h5py.File("bare.h5", "w") as file:
        file.attrs.update(source.attrs)
        for part in ("date", "unwrapPhase"):
            source.copy(part, file)
    before = sorted(path.name for path in project.iterdir())
    args, message = BAD[name]
    done = call(*args)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "inverting" not in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in project.iterdir()) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("way", ["template", "option"])
def test_a_gpu_that_is_not_there_is_an_error_that_names_the_option(way, project):
    if way == "template":
        add_lines(project, f"{KEY}solver = torch")
    done = call(*(["--solver", "torch"] if way == "option" else []))
    assert done.exit_code == 2
    assert "found solver = torch (--solver, or mintpy.networkInversion.solver)" in done.stderr
    assert not Path("timeseries.h5").exists()


def test_pairs_without_data_at_the_reference_point_are_named_or_dropped(project, in_this_process):
    with h5py.File("inputs/ifgramStack.h5", "r+") as file:
        file["unwrapPhase"][2, 39, 31] = np.nan
    refused = call()
    assert refused.exit_code == 2
    assert "--drop-unreferenced" in refused.stderr
    succeed("--drop-unreferenced")
    assert attributes("timeseries.h5")[f"{KEY}numIfgram"] == "65"
    assert "nothing has changed" in succeed("--drop-unreferenced").stderr
