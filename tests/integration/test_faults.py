"""What clusters do to a run: real processes are killed, real files are damaged, a real disk is full."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client, LocalCluster

import fringefleet
from fringefleet import Run, Status
from fringefleet.cluster import connect
from fringefleet.errors import DiskFullError, RunError
from fringefleet.execution import prepare as prepare_module
from fringefleet.execution.check import check
from fringefleet.execution.job import FailurePolicy
from fringefleet.execution.report import report_path
from fringefleet.io.describe import check_finished, describe
from fringefleet.io.store.lock import lock_path
from fringefleet.io.store.marks import IS_SKIPPED
from fringefleet.io.writers.mintpy import export_mintpy
from fringefleet.pipeline import compute
from fringefleet.simulate import Scene
from misbehaving import break_gpu, count, die, fail, hoard, misbehave
from polling import wait_until

SCENE = Scene(n_date=12, neighbours=3, shape=(96, 80), seed=3, missing=0.05)
TILE = (32, 32)
SMALL = ("--chunks", "16", "16", "--workers", "1")  # 30 tiles, so that there is time to interfere
FULL_DISK = """
mount -t tmpfs -o size=900k tmpfs "$1" || exit 99
"$2" -m fringefleet invert "$3" "$1/result.zarr" --chunks 16 16 --workers 1; first=$?
cp -r "$1/result.zarr" "$4/full.zarr"
mount -o remount,size=50m "$1"
"$2" -m fringefleet invert "$3" "$1/result.zarr" --resume --workers 1; second=$?
cp -r "$1/result.zarr" "$4/resumed.zarr"
test "$first $second" = "1 0"
"""


@pytest.fixture(scope="module")
def expected(stack, tmp_path_factory) -> dict[str, bytes]:
    """The files of a run to which nothing happens."""
    output = tmp_path_factory.mktemp("expected") / "result.zarr"
    fringefleet.run(Run(stack, output, chunks=TILE))
    return files(output)


@pytest.fixture(scope="module")
def two_workers():
    with connect("local", 2) as found:
        yield found


@pytest.fixture
def ours(caplog):
    """The messages of this package, which may have been told to go elsewhere."""
    logger = logging.getLogger("fringefleet")
    logger.propagate = True
    caplog.set_level(logging.INFO, logger="fringefleet")
    return caplog


def files(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def marks(output: Path) -> np.ndarray:
    return zarr.open_group(output, mode="r")["progress/done"][:]


def n_done(output: Path) -> int:
    return len(list(output.glob("progress/done/c/*/*")))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "fringefleet", "invert", *map(str, words)]


@contextmanager
def started(words: list[str], **options):
    """Start a process, and leave none behind."""
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)


def resumed(job: Run, expected: dict[str, bytes]) -> None:
    fringefleet.run(Run(job.stack, job.output, chunks=job.chunks, existing="resume"))
    assert files(job.output) == expected
    assert not lock_path(job.output).exists()


def test_a_read_that_fails_once_is_tried_again_and_logged(stack, tmp_path, expected, ours):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    summary = compute(misbehave(check(job), fail, tmp_path / "failures", times=1))
    assert summary.skipped == ()
    assert files(job.output) == expected
    logged = [record.getMessage() for record in ours.records if "retried" in record.getMessage()]
    assert len(logged) == 1
    assert logged[0].startswith("tile (1, 1) (rows 32-64, columns 32-64) failed and is retried in 0.5 s: ")
    assert f"unwrapped_phase of {stack} cannot be read here (OSError: [Errno 5]" in logged[0]


def test_a_cause_that_concerns_all_tiles_stops_the_run_early(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "_check_sample", lambda *_: None)  # else it is found before any work
    broken = tmp_path / "broken.zarr"
    fringefleet.convert_stack(stack, broken, chunks=(96, 80))
    whole = broken / "coherence" / "c" / "0" / "0" / "0"
    whole.write_bytes(whole.read_bytes()[:1000])
    job = Run(broken, tmp_path / "result.zarr", chunks=(8, 8), on_failure=FailurePolicy(retries=0))
    with pytest.raises(RunError, match=r"and \d+ more failed: .*none succeeded in between") as caught:
        fringefleet.run(job)
    assert 8 <= len(caught.value.failed) < 20
    assert n_done(job.output) == 0


def test_a_gpu_that_breaks_in_this_process_ends_the_run(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    with pytest.raises(RunError, match=r"^the GPU failed \(.*illegal memory access.*Finished tiles are kept"):
        compute(misbehave(check(job), break_gpu, tmp_path / "failures"))
    assert count(tmp_path / "failures") == 1


@pytest.mark.cluster
def test_a_worker_killed_in_mid_tile_costs_nothing(stack, tmp_path, expected, two_workers):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    summary = compute(misbehave(check(job), die, tmp_path / "deaths", times=1))
    assert count(tmp_path / "deaths") == 1
    assert (sum(summary.status_count), summary.skipped) == (96 * 80, ())
    assert files(job.output) == expected


@pytest.mark.cluster
def test_a_worker_whose_gpu_breaks_is_replaced_and_nothing_is_lost(
    stack, tmp_path, expected, two_workers, ours
):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    two_workers.client.wait_for_workers(2)  # one may have died in the test before
    before = set(two_workers.client.run(os.getpid).values())
    compute(misbehave(check(job), break_gpu, tmp_path / "failures", times=1))
    assert files(job.output) == expected
    two_workers.client.wait_for_workers(2)
    wait_until(lambda: len(before & set(two_workers.client.run(os.getpid).values())) == 1, 60)
    assert "failed and is retried in 0.5 s: StackFormatError: unwrapped_phase" in ours.text
    tiles = json.loads(report_path(job.output).read_text())["tiles"]
    assert [tile["attempts"] for tile in tiles if tile["attempts"] > 1] == [2]  # the others had no part in it


@pytest.mark.long
@pytest.mark.cluster
def test_a_gpu_that_breaks_again_and_again_is_a_tile_that_fails(stack, tmp_path, two_workers):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    with pytest.raises(RunError, match=r"^tile \(1, 1\) .* failed: .*illegal memory access"):
        compute(misbehave(check(job), break_gpu, tmp_path / "failures"))
    assert count(tmp_path / "failures") == 3
    assert marks(job.output).tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]


@pytest.mark.cluster
def test_a_tile_that_kills_every_worker_is_lost_alone_and_named(stack, tmp_path, expected, two_workers, ours):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    message = r"^tile \(1, 1\) \(rows 32-64, columns 32-64\) failed: 2 workers died while computing it"
    with pytest.raises(RunError, match=message) as caught:
        compute(misbehave(check(job), die, tmp_path / "deaths"))
    assert caught.value.failed == ((1, 1),)
    assert "The cause is not known here: check the log of the system" in str(caught.value)
    assert count(tmp_path / "deaths") == 4  # twice with the others, twice alone
    assert "is retried alone, when the others are done" in ours.text
    assert marks(job.output).tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    resumed(job, expected)


@pytest.mark.cluster
def test_a_worker_out_of_memory_is_told_from_a_crash_with_how_much_it_had(stack, tmp_path):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    with ExitStack() as opened:
        opened.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        limits = {"n_workers": 1, "threads_per_worker": 1, "memory_limit": "1 GiB"}
        cluster = LocalCluster(
            host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR, **limits
        )
        opened.enter_context(Client(opened.enter_context(cluster)))
        with pytest.raises(RunError, match=r"tile \(1, 1\).*out of memory") as caught:
            compute(misbehave(check(job), hoard, tmp_path / "hoards"))
    used = re.search(r"it used (\S+) (\S+) of its 1.00 GiB\. Give smaller ", str(caught.value))
    assert used
    assert marks(job.output).sum() == 8


@pytest.mark.cluster
def test_a_tile_that_always_fails_is_skipped_on_request_and_tried_again_by_resume(
    stack, tmp_path, expected, two_workers, ours
):
    skip = FailurePolicy("skip", retries=1)
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE, on_failure=skip)
    summary = compute(misbehave(check(job), fail, tmp_path / "failures"))
    assert [tile.number for tile in summary.skipped] == [(1, 1)]
    assert sum(summary.status_count) == 96 * 80
    assert summary.status_count[fringefleet.Status.FAILED_TILE] == TILE[0] * TILE[1]
    assert count(tmp_path / "failures") == 2
    assert marks(job.output)[1, 1] == IS_SKIPPED
    result = xr.open_zarr(job.output).load()
    inside = result.isel(y=slice(32, 64), x=slice(32, 64))
    assert (inside["status"] == Status.FAILED_TILE).all()
    assert int((result["status"] == Status.FAILED_TILE).sum()) == 32 * 32
    assert np.isnan(inside["displacement"]).all()
    assert (inside["pair_count"] == 0).all()
    found = describe(job.output)
    assert (found.tiles, found.status["failed_tile"]) == ((8, 9), 32 * 32)
    check_finished(job.output)
    assert "1 of 9 tiles" in ours.records[-1].getMessage()
    export_mintpy(job.output, tmp_path / "mintpy")
    with h5py.File(tmp_path / "mintpy" / "numInvIfgram.h5") as file:
        assert not file["mask"][32:64, 32:64].any()
    resumed(job, expected)


@pytest.mark.parametrize("kept", [0, 1000, -1, -4, -16])
@pytest.mark.parametrize(("zarr_format", "key"), [(3, "c/0/2/1"), (2, "0.2.1")])
def test_a_zarr_chunk_whose_end_is_missing_is_named_and_the_others_are_done(
    stack, tmp_path, kept, zarr_format, key
):
    broken = tmp_path / "broken.zarr"
    write_zarr(stack, broken, zarr_format)
    chunk = broken / "unwrapped_phase" / key
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:kept])
    job = Run(broken, tmp_path / "result.zarr", chunks=TILE, on_failure=FailurePolicy(retries=0))
    told = r"tile \(2, 1\) \(rows 64-96, columns 32-64\) failed: StackFormatError: the chunk "
    with pytest.raises(RunError, match=rf"{told}unwrapped_phase/{key} of {broken} has"):
        fringefleet.run(job)
    assert marks(job.output).tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 1]]


def write_zarr(stack: Path, path: Path, zarr_format: int) -> None:
    """Write a stack in tiles as xarray and Zarr do it by themselves, compressed by Blosc where it is v2."""
    if zarr_format == 3:
        fringefleet.convert_stack(stack, path, chunks=TILE)
        return
    data = xr.open_zarr(stack).load().drop_encoding()
    chunks = {"chunks": (data.sizes["pair"], *TILE)}
    encoding = dict.fromkeys(("unwrapped_phase", "coherence"), chunks)
    data.to_zarr(path, zarr_format=2, consolidated=False, encoding=encoding)


def test_a_damaged_hdf5_chunk_is_named_and_healed_by_resume(stack, tmp_path):
    path = tmp_path / "ifgramStack.h5"
    where = write_hdf5(stack, path)
    state = path.stat()
    whole = path.read_bytes()
    damage(path, state, whole[: where[0]] + bytes(where[1]) + whole[sum(where) :])
    job = Run(path, tmp_path / "result.zarr", chunks=TILE, on_failure=FailurePolicy(retries=0))
    told = r"tile \(1, 2\) \(rows 32-64, columns 64-80\) failed: StackFormatError: .*"
    with pytest.raises(RunError, match=rf"{told}(unwrapped_phase|unwrapPhase) of {path} cannot be read"):
        fringefleet.run(job)
    assert marks(job.output).tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 1]]
    damage(path, state, whole)
    other = tmp_path / "uninterrupted.zarr"
    fringefleet.run(Run(path, other, chunks=TILE))
    resumed(job, files(other))


@pytest.mark.cluster
def test_the_command_says_what_failed_and_shows_no_traceback_of_a_worker(stack, tmp_path):
    broken, output = tmp_path / "broken.zarr", tmp_path / "result.zarr"
    fringefleet.convert_stack(stack, broken, chunks=TILE)
    (broken / "unwrapped_phase" / "c" / "0" / "2" / "1").write_bytes(b"")
    ended = finished(command(broken, output, "--chunks", *TILE, "--workers", 1, "--retries", 1))
    assert ended.returncode == 1
    assert re.search(r"WARNING tile \(2, 1\) .* failed and is retried in 0\.5 s: ", ended.stderr)
    assert re.search(r"ERROR +tile \(2, 1\) .* failed for good after 2 attempts: ", ended.stderr)
    assert ended.stderr.splitlines()[-1].startswith("error: tile (2, 1) (rows 64-96, columns 32-64) failed: ")
    assert "Traceback" not in ended.stderr


def test_a_stack_that_is_taken_away_ends_the_run_instead_of_failing_tile_by_tile(stack, tmp_path):
    path = tmp_path / "ifgramStack.h5"
    write_hdf5(stack, path)

    def take_away(done):
        if done.n_done == 3:
            path.rename(tmp_path / "away.h5")

    with pytest.raises(
        RunError, match=f"^the stack {path} can no longer be accessed from this worker"
    ) as caught:
        fringefleet.run(Run(path, tmp_path / "result.zarr", chunks=(8, 8)), on_progress=take_away)
    assert caught.value.failed == ()
    assert 3 <= n_done(tmp_path / "result.zarr") < 20


def write_hdf5(stack: Path, path: Path) -> tuple[int, int]:
    """Write MintPy's file, compressed in tiles; returns where in the file one chunk is, and its length."""
    data = xr.open_zarr(stack)
    days = [data[name].dt.strftime("%Y%m%d").values for name in ("reference_date", "secondary_date")]
    chunks = (data.sizes["pair"], *TILE)
    with h5py.File(path, "w") as file:
        file["date"] = np.stack(days, 1).astype("S8")
        for theirs, ours in (("unwrapPhase", "unwrapped_phase"), ("coherence", "coherence")):
            file.create_dataset(theirs, data=data[ours].values, chunks=chunks, compression="gzip")
        row, column = data.attrs["reference_point"]
        attrs = {
            "REF_Y": row,
            "REF_X": column,
            "WAVELENGTH": data.attrs["wavelength"],
            "FILE_TYPE": "ifgramStack",
        }
        attrs |= {"LENGTH": 96, "WIDTH": 80, "ALOOKS": 1, "RLOOKS": 1, "NCORRLOOKS": data.attrs["looks"]}
        file.attrs.update({name: str(value) for name, value in attrs.items()})
        found = file["unwrapPhase"].id.get_chunk_info_by_coord((0, 32, 64))
        return found.byte_offset, found.size


def damage(path: Path, state: os.stat_result, data: bytes) -> None:
    """Change a file as a bad disk does it, whose time stays."""
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.cluster
@pytest.mark.parametrize("deed", ["removed", "moved", "damaged"])
def test_an_output_that_is_lost_under_the_run_ends_it_and_is_not_made_again(
    stack, tmp_path, two_workers, deed
):
    output = tmp_path / "result.zarr"

    def lose(done):
        if done.n_done == 3:
            if deed == "removed":
                shutil.rmtree(output, ignore_errors=True)
                shutil.rmtree(output, ignore_errors=True)  # a tile may have been written meanwhile
            elif deed == "moved":
                output.rename(tmp_path / "moved.zarr")
            else:
                (output / "status" / "zarr.json").unlink()

    with pytest.raises(
        RunError, match=f"the output {output} (can no longer be accessed|lost status)"
    ) as caught:
        fringefleet.run(Run(stack, output, chunks=(8, 8)), on_progress=lose)
    assert caught.value.failed == ()
    assert output.exists() == (deed == "damaged")
    assert not (output / "status" / "zarr.json").exists()


@pytest.mark.cluster
def test_a_second_run_is_refused_and_takes_over_when_the_first_was_killed(stack, tmp_path):
    output = tmp_path / "result.zarr"
    with started(command(stack, output, *SMALL)) as first:
        wait_until(lambda: first.poll() is not None or n_done(output) >= 3, 60)
        first.send_signal(signal.SIGSTOP)  # else it might be done before it is killed
        again = finished(command(stack, output, *SMALL, "--resume"))
        assert again.returncode == 2
        assert f"is being written by another run: process {first.pid} on " in again.stderr
        first.kill()
    assert 3 <= n_done(output) < 30
    third = finished(command(stack, output, *SMALL, "--resume"))
    assert third.returncode == 0, third.stderr
    assert f"taking over from a dead run: process {first.pid} on " in third.stderr
    fringefleet.run(Run(stack, tmp_path / "uninterrupted.zarr", chunks=(16, 16)))
    assert files(output) == files(tmp_path / "uninterrupted.zarr")
    assert not lock_path(output).exists()


def test_a_result_that_a_killed_run_was_about_to_overwrite_is_found_by_resume(stack, tmp_path, expected):
    job = Run(stack, tmp_path / "result.zarr", chunks=TILE)
    fringefleet.run(job)
    left = tmp_path / f".fringefleet-{16 * '0'}"
    (left / "result.zarr").mkdir(parents=True)
    (left / "replaced").mkdir()
    job.output.rename(left / "replaced" / "result.zarr")
    resumed(job, expected)
    names = ["result.zarr", "result.zarr.report.json", "result.zarr.run.toml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.cluster
def test_a_scheduler_that_is_killed_ends_the_run_with_one_message_and_marks_nothing(stack, tmp_path):
    output, address = tmp_path / "result.zarr", tmp_path / "scheduler.json"
    dask_command = [sys.executable, "-m", "dask"]
    loopback = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(address)]
    with (
        started([*dask_command, "scheduler", *loopback, "--port", "0"], cwd=tmp_path) as scheduler,
        started(
            [*dask_command, "worker", *loopback, "--nthreads", "1", "--no-nanny"], cwd=tmp_path
        ) as worker,
        started(command(stack, output, "--chunks", 16, 16, "--cluster", address)) as run,
    ):
        wait_until(lambda: run.poll() is not None or n_done(output) >= 3, 60)
        scheduler.kill()
        _, said = run.communicate(timeout=60)
        worker.send_signal(signal.SIGTERM)
    assert run.returncode == 1, said
    assert said.count("error:") == 1
    assert "the scheduler, or the connection to it, was lost. Finished tiles are kept" in said
    assert "Traceback" not in said
    assert 3 <= n_done(output) < 30
    assert set(np.unique(marks(output))) == {0, 1}
    job = Run(stack, output, chunks=(16, 16))
    fringefleet.run(Run(stack, tmp_path / "uninterrupted.zarr", chunks=(16, 16)))
    resumed(job, files(tmp_path / "uninterrupted.zarr"))


@pytest.mark.cluster
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(stack, tmp_path):
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or finished([*alone, "true"]).returncode:
        pytest.skip("a small disk needs mount namespaces, which this machine does not give to its users")
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    script = ["sh", "-c", FULL_DISK, "sh", disk, sys.executable, stack, out]
    done = finished([*alone, *map(str, script)])
    if done.returncode == 99:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    told = r"error: the disk of \S+ is full, or its quota is exhausted: the remaining data need "
    found = re.findall(rf"{told}up to ([\d,]+) bytes, and [\d,]+ are free on the disk\.", done.stderr)
    n_left = int((marks(out / "full.zarr") == 0).sum())
    assert 0 < n_left < 30
    assert len(found) == 1, done.stderr
    fringefleet.run(Run(stack, tmp_path / "uninterrupted.zarr", chunks=(16, 16)))
    whole = files(tmp_path / "uninterrupted.zarr")
    assert files(out / "resumed.zarr") == whole
    kept = xr.open_zarr(out / "full.zarr")["displacement"].load()
    right = xr.open_zarr(tmp_path / "uninterrupted.zarr")["displacement"].load()
    for row, column in np.argwhere(marks(out / "full.zarr") == 1):
        here = {"y": slice(16 * row, 16 * row + 16), "x": slice(16 * column, 16 * column + 16)}
        np.testing.assert_array_equal(kept.isel(here), right.isel(here))


def test_a_full_disk_is_an_oserror_too():
    assert issubclass(DiskFullError, OSError)


@pytest.mark.cluster
def test_a_second_run_is_refused_while_the_first_still_waits_for_its_workers(stack, tmp_path):
    output, address = tmp_path / "result.zarr", tmp_path / "scheduler.json"
    with (
        LocalCluster(
            n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.write_scheduler_file(str(address))
        with started(command(stack, output, "--cluster", address, "--workers", 1)) as first:
            wait_until(lambda: lock_path(output).exists() or first.poll() is not None, 60)
            assert not output.exists()
            second = finished(command(stack, output, "--cluster", address))
            assert second.returncode == 2
            assert f"{output} is being written by another run: " in second.stderr
            assert "workers" not in second.stderr  # which it did not look for
            cluster.scale(1)
            _, said = first.communicate(timeout=60)
        assert first.returncode == 0, said
    assert not lock_path(output).exists()
