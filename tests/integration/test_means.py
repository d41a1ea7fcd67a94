"""Means of the coherence: computed once, kept beside the output, and used to select pairs and a reference."""

import logging
import subprocess

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

import fringefleet
from fringefleet import Options, Run, Selection, Setting
from fringefleet.cluster import ClusterOptions, connect
from fringefleet.errors import InputError, NetworkError, OptionError, OutputExistsError, StackFormatError
from fringefleet.execution import means
from fringefleet.execution.means import coherence_means, kept_means, means_path
from fringefleet.session import run_with_workers
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy

SCENE = Scene(n_date=7, shape=(40, 48), missing=0.1, seed=4)
MASK = np.indices((40, 48)).sum(0) % 7 != 0


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    simulate_stack(SCENE, folder / "stack.zarr")
    source = xr.open_zarr(folder / "stack.zarr", consolidated=False, chunks=None).load()
    coherence = source["coherence"]
    coherence[2, :7] = np.nan
    coherence[:, :, 40:] = 0
    coherence[5] = 0
    source.drop_encoding().to_zarr(folder / "stack.zarr", mode="w", consolidated=False)
    write_mintpy(source, folder / "stack.h5")
    return folder


def expected_means(coherence, mask):
    """Means over pixels and over pairs, one number after the other."""
    coherence = coherence.astype(np.float64)
    of_pairs, of_pixels = np.full(len(coherence), np.nan), np.full(coherence.shape[1:], np.nan)
    for pair, values in enumerate(coherence):
        if known := [value for value in values[mask] if value != 0 and value == value]:
            of_pairs[pair] = sum(known) / len(known)
    for pixel in zip(*np.nonzero(mask), strict=True):
        if known := [value for value in coherence[(slice(None), *pixel)] if value != 0 and value == value]:
            of_pixels[pixel] = sum(known) / len(known)
    return of_pairs, of_pixels


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("name", ["stack.zarr", "stack.h5"])
def test_means_are_those_of_all_numbers_in_tiles_of_any_size(stacks, tmp_path, monkeypatch, name, mask):
    monkeypatch.setattr(means, "_TILE_BYTES", 4 * 18 * 11 * 13)
    job = Run(stacks / name, tmp_path / "result.zarr", setting=Setting(water_mask=mask))
    stack = fringefleet.open_stack(stacks / name, chunks=None)
    found = coherence_means(job, stack)
    everywhere = np.ones((40, 48), bool)
    of_pairs, of_pixels = expected_means(stack["coherence"].values, everywhere if mask is None else mask)
    np.testing.assert_allclose(found.of_pairs, of_pairs, rtol=1e-12)
    np.testing.assert_allclose(found.of_pixels, of_pixels, rtol=1e-6)
    assert np.isnan(found.of_pairs[5])
    assert np.isnan(found.of_pixels[:, 40:]).all()


def test_means_are_computed_once_and_anew_for_another_mask_or_stack(stacks, tmp_path, monkeypatch):
    job = Run(stacks / "stack.zarr", tmp_path / "result.zarr", selection=Selection(min_coherence=0.1))
    stack = fringefleet.open_stack(job.stack, chunks=None)
    before = sorted(path.name for path in stacks.iterdir())
    assert kept_means(job, stack) is None
    coherence_means(job, stack)
    assert means_path(job.output).is_dir()
    assert sorted(path.name for path in stacks.iterdir()) == before
    with monkeypatch.context() as patched:
        patched.setattr(means, "execute", None)
        assert kept_means(job, stack) is not None
        coherence_means(job, stack)
    masked = Run(job.stack, job.output, setting=Setting(water_mask=MASK), selection=job.selection)
    assert kept_means(masked, stack) is None
    other = Run(stacks / "stack.h5", job.output, selection=job.selection)
    assert kept_means(other, fringefleet.open_stack(other.stack, chunks=None)) is None


@pytest.mark.cluster
def test_workers_compute_them_where_there_are_some(stacks, tmp_path):
    job = Run(stacks / "stack.zarr", tmp_path / "result.zarr", selection=Selection(min_coherence=0.1))
    with connect("local", 2) as workers:
        coherence_means(job, fringefleet.open_stack(job.stack, chunks=None))
        tasks = workers.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert tasks == ["mean_coherence"]


@pytest.mark.cluster
def test_a_session_has_them_computed_by_the_workers_of_a_scheduler_that_is_running(stacks, tmp_path):
    wanted = Selection(min_coherence=0.1)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, protocol="tcp") as cluster:
        address = cluster.scheduler_address
        job = Run(stacks / "stack.zarr", tmp_path / "result.zarr", selection=wanted)
        run_with_workers(job, ClusterOptions(cluster=address, n_worker=1))
        assert {"mean_coherence", "invert_tile"} <= set(cluster.scheduler.task_prefixes)


def test_a_plan_takes_means_that_are_kept_and_reads_none(stacks, tmp_path):
    output = tmp_path / "result.zarr"
    words = ["fringefleet", "plan", stacks / "stack.zarr", output, "--min-coherence", "0.1", "--quick"]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "found --min-coherence 0.1, for which invert reads the coherence once" in refused.stderr.replace(
        "\n", " "
    )
    coherence_means(
        Run(stacks / "stack.zarr", output), fringefleet.open_stack(stacks / "stack.zarr", chunks=None)
    )
    planned = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "7 dates, 14 pairs" in planned.stdout


def test_pairs_of_a_low_mean_coherence_are_left_out(stacks, tmp_path):
    stack = fringefleet.open_stack(stacks / "stack.zarr")
    of_pairs, _ = expected_means(stack["coherence"].values, np.ones((40, 48), bool))
    least = float(np.nanmedian(of_pairs))
    job = Run(stacks / "stack.zarr", tmp_path / "part.zarr", selection=Selection(min_coherence=least))
    fringefleet.run(job)
    part = xr.open_zarr(job.output).load()
    expected = fringefleet.invert(stack.isel(pair=np.flatnonzero(of_pairs >= least))).compute()
    np.testing.assert_array_equal(part["displacement"], expected["displacement"])
    assert 2 < part.attrs["n_pair"] == (of_pairs >= least).sum() < len(of_pairs)
    assert part.attrs["selected_min_coherence"] == least
    assert fringefleet.run(Run(**vars(job) | {"existing": "resume"})).n_resumed == 1


def test_the_reference_is_the_centre_of_the_largest_coherent_area(stacks, tmp_path, caplog):
    stack = xr.open_zarr(stacks / "stack.zarr", consolidated=False, chunks=None).load()
    stack["coherence"][:] = 0.3
    stack["coherence"][:, 4:9, 30:41] = 0.9  # 5 x 11, with its centre at row 6, column 35
    stack["coherence"][:, 20:26, 2:9] = 0.95  # 6 x 7
    stack["unwrapped_phase"][:, 4:9, 30:41] = 1.5
    stack["unwrapped_phase"][3, 6, 35] = np.nan  # so that its neighbour is taken
    path = tmp_path / "stack.zarr"
    stack.drop_encoding().to_zarr(path, consolidated=False)
    setting = Setting(reference="auto")
    with caplog.at_level(logging.INFO, "fringefleet"):
        fringefleet.run(
            Run(path, tmp_path / "auto.zarr", setting=setting, selection=Selection(rows=(10, 40)))
        )
    assert (
        "the centre of the largest area of high coherence: 55 pixels whose mean coherence is at"
        in caplog.text
    )
    found = xr.open_zarr(tmp_path / "auto.zarr").load()
    expected = fringefleet.invert(stack, reference_point=(5, 35)).compute().isel(y=slice(10, 40))
    np.testing.assert_array_equal(found["displacement"], expected["displacement"])
    assert found.attrs["reference_choice"] == "auto"
    assert found.attrs["reference_point_y"] == float(stack["y"][5])


def test_where_nothing_is_very_coherent_the_best_hundredth_is(stacks, tmp_path):
    stack = xr.open_zarr(stacks / "stack.zarr", consolidated=False, chunks=None).load()
    stack["coherence"][:] = 0.3
    stack["coherence"][:, 20:24, 10:16] = 0.5  # 24 of 1920 pixels
    stack["unwrapped_phase"][:] = 1.5
    stack.drop_encoding().to_zarr(tmp_path / "stack.zarr", consolidated=False)
    job = Run(tmp_path / "stack.zarr", tmp_path / "auto.zarr", setting=Setting(reference="auto"))
    fringefleet.run(job)
    row, column = xr.open_zarr(job.output).attrs["reference_point"]
    assert 20 <= row < 24
    assert 10 <= column < 16


@pytest.mark.parametrize(
    "wanted", [{"selection": Selection(min_coherence=0.5)}, {"setting": Setting(reference="auto")}]
)
def test_a_stack_without_coherence_is_refused_before_work(stacks, tmp_path, wanted):
    stack = xr.open_zarr(stacks / "stack.zarr", consolidated=False, chunks=None).load()
    stack.drop_vars("coherence").drop_encoding().to_zarr(tmp_path / "stack.zarr", consolidated=False)
    job = Run(tmp_path / "stack.zarr", tmp_path / "result.zarr", Options(weight_func="no"), **wanted)
    with pytest.raises(StackFormatError, match=r"found no coherence in the stack; .* needs it"):
        fringefleet.run(job)
    assert [path.name for path in tmp_path.iterdir()] == ["stack.zarr"]


def test_whatever_else_is_wrong_is_found_before_the_coherence_is_read(stacks, tmp_path, monkeypatch):
    monkeypatch.setattr(means, "execute", None)
    wanted = Selection(min_coherence=0.5)
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(OutputExistsError):
        fringefleet.run(Run(stacks / "stack.zarr", tmp_path / "there.zarr", selection=wanted))
    for setting in (Setting(reference_date="20200101"), Setting(reference="auto", reference_date="20200101")):
        with pytest.raises(InputError, match="not one of the 7 dates"):
            fringefleet.run(
                Run(stacks / "stack.zarr", tmp_path / "r.zarr", setting=setting, selection=wanted)
            )
    with pytest.raises(InputError, match="No tile is small enough"):
        fringefleet.run(
            Run(
                stacks / "stack.zarr", tmp_path / "r.zarr", setting=Setting(reference="auto"), worker_memory=1
            )
        )
    assert not means_path(tmp_path / "r.zarr").exists()


def test_a_limit_above_all_means_leaves_no_network_and_the_lazy_form_reads_none(stacks, tmp_path):
    job = Run(stacks / "stack.zarr", tmp_path / "result.zarr", selection=Selection(min_coherence=0.999))
    with pytest.raises(NetworkError, match=r"found no pair with min_coherence = 0.999"):
        fringefleet.run(job)
    assert not job.output.exists()
    with pytest.raises(OptionError, match=r"found reference = auto, for which the coherence is read once"):
        fringefleet.invert(fringefleet.open_stack(job.stack), reference="auto")
