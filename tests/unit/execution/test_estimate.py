"""What a run will need: exact bytes, and refusals that say what fits. The rest is held against a real run."""

import json
import re

import h5py
import numpy as np
import pytest
from dask.system import CPU_COUNT
from typer.testing import CliRunner

import fringefleet
from fringefleet import Options, Run
from fringefleet.cli import app
from fringefleet.engine.block import invert_block
from fringefleet.errors import BlockTooLargeError, DeviceError, InputError
from fringefleet.execution.check import check
from fringefleet.execution.estimate import forecast, made_up_block, with_seconds
from fringefleet.io.readers import mintpy as mintpy_reader
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.status import Status

SHAPE = (40, 50)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=6, shape=SHAPE, seed=1), path)
    return path


def found(stack, output, worker_memory=None, n_worker=2, **changes):
    changes = {"chunks": (16, 25)} | changes
    return forecast(check(Run(stack, output, **changes)), n_worker, worker_memory)


def test_tiles_and_bytes_follow_from_the_stack_and_the_options(stack, tmp_path):
    n_pair = fringefleet.open_stack(stack).sizes["pair"]
    plain = found(stack, tmp_path / "out.zarr", n_worker=4)
    assert (plain.n_tile, plain.n_left, plain.tiles_of_a_worker) == (6, 6, 2)
    assert (plain.shape, plain.n_date, plain.n_pair) == (SHAPE, 6, n_pair)
    assert plain.bytes_read == 2000 * n_pair * 8
    assert plain.bytes_written == plain.disk_needed == 2000 * (6 * 5 + 14)
    without = found(stack, tmp_path / "out.zarr", options=Options(weight_func="no", std=True))
    assert without.bytes_read == 2000 * n_pair * 4
    assert without.bytes_written == 2000 * (6 * 9 + 14)


def test_a_run_that_was_begun_needs_only_what_is_left(stack, tmp_path):
    output = tmp_path / "out.zarr"

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fringefleet.run(Run(stack, output, chunks=(16, 25)), on_progress=stop)
    report = json.loads((tmp_path / "out.zarr.report.json").read_text())
    left = found(stack, output, existing="resume", chunks=None)
    assert left.chunks == (16, 25)
    assert 0 < left.n_left < 6
    import zarr

    done = zarr.open_group(output, mode="r")["progress/done"][:] != 0
    tile_pixels = np.outer([16, 16, 8], [25, 25])
    assert left.n_pixel == tile_pixels[~done].sum()
    assert report["state"] == "interrupted"


def test_a_tile_that_does_not_fit_is_refused_with_the_chunks_that_do(tmp_path):
    stack = tmp_path / "stack.zarr"
    simulate_stack(Scene(n_date=30, shape=(200, 200)), stack)
    with pytest.raises(BlockTooLargeError, match="Give chunks =") as caught:
        found(stack, tmp_path / "out.zarr", 720_000_000, options=Options(std=True), chunks=(200, 200))
    chunks = tuple(map(int, re.search(r"chunks = \((\d+), (\d+)\)", str(caught.value)).groups()))
    fits = found(stack, tmp_path / "out.zarr", 720_000_000, options=Options(std=True), chunks=chunks)
    assert 64 * 64 <= chunks[0] * chunks[1] < 200 * 200
    assert fits.memory_needed <= 720_000_000
    with pytest.raises(BlockTooLargeError, match=r"No tile is small enough: give each worker 0\.\d GB"):
        found(stack, tmp_path / "out.zarr", 100_000_000)


def test_an_output_that_does_not_fit_on_its_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mintpy_reader, "check_declared_bytes", lambda *_: None)  # most of it is not there
    side = 400_000  # an output of 3 TB; of the stack, only the chunk of the reference point is there
    with h5py.File(tmp_path / "ifgramStack.h5", "w") as file:
        for name in ("unwrapPhase", "coherence"):
            chunked = file.create_dataset(name, (1, side, side), "f4", chunks=(1, 64, 64))
            chunked[0, :64, :64] = 0.5
        file["date"] = np.array([[b"20200101", b"20200113"]])
        file["dropIfgram"] = np.array([True])
        attrs = {"WAVELENGTH": "0.0555", "ALOOKS": "1", "RLOOKS": "1", "REF_Y": "3", "REF_X": "3"}
        file.attrs.update(attrs | {"FILE_TYPE": "ifgramStack", "LENGTH": str(side), "WIDTH": str(side)})
    with pytest.raises(InputError, match=r"takes up to 3,8\d\d,\d{3},\d{3},\d{3} bytes, and the disk of"):
        found(tmp_path / "ifgramStack.h5", tmp_path / "new" / "out.zarr", chunks=(512, 512))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(norm="huber", std=True, diagnose=True, dem_error=True),
        Options(mask_dataset="coherence", weight_func="no"),
    ],
)
def test_seconds_are_measured_with_the_options_and_leave_nothing_behind(stack, tmp_path, options):
    checked = check(Run(stack, tmp_path / "out.zarr", options, chunks=(16, 25)))
    plain = forecast(checked, 2)
    seconds = with_seconds(plain, checked).seconds
    assert min(seconds.read, seconds.solve, seconds.write) > 0
    assert seconds.copy == 0
    assert list(tmp_path.iterdir()) == []
    twice = with_seconds(forecast(checked, 1), checked).seconds
    print("seconds of 3 and of 6 tiles:", seconds, twice)  # noqa: T201 - for people; time is not asserted


def test_made_up_pixels_are_as_good_as_real_ones(stack, tmp_path):
    options = Options(mask_dataset="coherence", mask_threshold=0.4)
    checked = check(Run(stack, tmp_path / "out.zarr", options))
    series = invert_block(made_up_block(checked, (20, 20)), checked.prepared.scene, options)
    assert (series.status == Status.OK).mean() > 0.5
    assert 0.5 < series.temporal_coherence[series.status == Status.OK].mean() < 1


def test_the_memory_of_a_gpu_is_planned_besides_that_of_its_host(stack, tmp_path):
    cpu, gpu = (
        found(stack, tmp_path / "out.zarr", options=Options(device=device), n_worker=2, gpu_memory=16 << 30)
        for device in ("cpu", "cuda")
    )
    assert (cpu.gpu_memory_needed, cpu.gpu_memory) == (None, None)
    assert 0 < gpu.gpu_memory_needed < gpu.gpu_memory == 16 << 30
    assert cpu.n_core == gpu.n_core == max(1, CPU_COUNT)  # of one worker, as the run was told of no more


def test_without_the_device_nothing_is_measured_and_quick_says_the_rest(stack, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    checked = check(Run(stack, tmp_path / "out.zarr", Options(device="cuda"), chunks=(16, 25)))
    assert forecast(checked, 2).bytes_read > 0
    with pytest.raises(DeviceError, match="--quick"):
        with_seconds(forecast(checked, 2), checked)


def command(name, *arguments):
    return CliRunner().invoke(app, [name, *map(str, arguments)])


def test_the_command_takes_the_options_of_invert_and_speaks_to_people_and_programs(stack, tmp_path):
    output = tmp_path / "out.zarr"
    given = (stack, output, "--chunks", 16, 25, "--norm", "huber", "--workers", 2, "--worker-memory", "4GB")
    people = command("plan", *given)
    assert people.exit_code == 0, people.stderr
    assert "6 of 6 to do, 16 x 25 pixels; 3 for each of 2 workers" in people.stdout
    some = r"(\d|less than 0\.1 s)"
    times = rf"Time +(about|less than) [\d.:]+( s)? \(start {some}.*, read {some}.*, end {some}"
    assert re.search(times, people.stdout), people.stdout
    plain = json.loads(command("plan", *given, "--quick", "--json").stdout)
    assert (plain["n_tile"], plain["chunks"], plain["n_worker"]) == (6, [16, 25], 2)
    assert plain["memory_available"] == 4_000_000_000
    assert plain["seconds"] is None
    refused = command("plan", stack, output, "--worker-memory", "100MB", "--workers", 1, "--quick")
    assert refused.exit_code == 2
    assert "and has 100,000,000. No tile is small enough: give each worker 0." in refused.stderr
    assert not output.exists()


def test_the_memory_of_a_slurm_worker_is_known_before_anything_is_submitted(stack, tmp_path):
    pytest.importorskip("dask_jobqueue")
    config, output = tmp_path / "slurm.toml", tmp_path / "out.zarr"
    config.write_text("[cluster]\ncluster = 'slurm'\noptions = { processes = 2, memory = '1.6GB' }\n")
    given = (stack, output, "--cluster-config", config, "--quick", "--json")
    plain = json.loads(command("plan", *given, "--chunks", 16, 25).stdout)
    assert (plain["memory_available"], plain["n_worker"]) == (800_000_000, 2)  # which a job has at least
    plain = json.loads(command("plan", stack, output, "--cluster", "slurm", "--quick", "--json").stdout)
    assert plain["memory_available"] == 4_000_000_000
    config.write_text("[cluster]\ncluster = 'slurm'\noptions = { memory = '0.1GB' }\n")
    for name in ("plan", "invert"):  # which has no Slurm to ask here, and does not come to that
        refused = command(name, *given[:4])
        assert refused.exit_code == 2
        assert "and has 100,000,000. No tile is small enough: give each worker 0." in refused.stderr
    assert not output.exists()
