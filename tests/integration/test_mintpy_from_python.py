"""MintPy's step from Python: on real stacks, without a console, with a record, progress, logs and errors."""

import logging
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from distributed import Client

from fringefleet.errors import KindError, OptionError, OutputExistsError, TooFewReliableError
from fringefleet.mintpy import run_network_inversion
from mintpy_stack import copy_project
from thread_workers import thread_cluster

PRODUCTS = {"timeseries.h5": 5e-6, "temporalCoherence.h5": 1e-5, "numInvIfgram.h5": 0}  # largest difference
DATASETS = ("timeseries", "temporalCoherence", "mask")
KEY = "mintpy.networkInversion."


@pytest.fixture
def project(shared_data, tmp_path):
    return copy_project(shared_data, tmp_path / "project")


def read(path, dataset):
    with h5py.File(path) as file:
        return file[dataset][()].astype(np.float64)


def assert_same_products(ours, theirs):
    for (name, most), dataset in zip(PRODUCTS.items(), DATASETS, strict=True):
        assert np.abs(read(ours / name, dataset) - read(theirs / name, dataset)).max() <= most


@pytest.mark.parametrize("weight", ["no", "var", "fim", "coh"])
def test_a_real_stack_gives_the_products_of_mintpy_in_the_current_folder(
    weight, shared_data, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    scene = shared_data / "mexico_city"
    done = run_network_inversion(scene / "ifgramStack.h5", weight_func=weight, num_worker=0)
    assert_same_products(tmp_path, scene / "expected" / weight)
    assert done.written == tuple(tmp_path / name for name in PRODUCTS)
    assert done.options.weight_func == weight
    assert (done.summary.n_tile, done.skipped, done.n_reliable) == (1, (), None)
    assert sum(done.summary.status_count) == read(tmp_path / "numInvIfgram.h5", "mask").size
    assert capfd.readouterr() == ("", "")  # logs go to whoever listens


def test_a_project_is_done_once_and_tells_of_its_stages(project, shared_data, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    told = []
    done = run_network_inversion(project, on_progress=lambda stage, done: told.append((stage, done.n_done)))
    assert_same_products(project, shared_data / "nasty_24" / "expected" / "var_vel_none")
    assert done.written == tuple(project / name for name in (*PRODUCTS, "maskTempCoh.h5"))
    assert done.n_reliable == read(project / "maskTempCoh.h5", "mask").sum() > 0
    assert told == [("Inverting", 0), ("Inverting", 1), ("Writing", 1)]
    assert "less than a worker takes to start (n_worker = N starts N)" in caplog.text
    again = run_network_inversion(str(project))
    assert (again.written, again.summary, again.skipped) == (done.written, None, ())
    assert "nothing has changed, so nothing is inverted (update = False does it all the same)" in caplog.text
    assert run_network_inversion(project, update=False, coherence_mask=False).summary is not None


def test_a_client_that_is_current_computes_with_memory_of_its_own(project, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    with thread_cluster() as worker, Client(worker):
        assert run_network_inversion(project).summary.n_tile == 1
        with pytest.raises(OptionError, match="found ram = 2, which has an effect only with cluster = local"):
            run_network_inversion(project, ram=2)
    assert "connecting to current" in caplog.text


def test_arguments_beat_the_template_and_are_those_of_the_command(project, monkeypatch):
    with (project / "smallbaselineApp.cfg").open("a") as file:
        file.write(f"\n{KEY}weightFunc = no\n{KEY}maskDataset = coherence\n")
    monkeypatch.chdir(project)
    names = ("a.h5", "b.h5", "c.h5")
    done = run_network_inversion(
        weight_func="fim",
        mask_dataset="no",
        min_norm="phase",
        reference_date="20141225",
        covariance=True,
        outputs=names,
        coherence_mask=False,
        result="kept.zarr",
    )
    assert [path.name for path in done.written] == [*names, "aDecorCov.h5", "kept.zarr"]
    said = xr.open_zarr("kept.zarr").attrs
    assert [said[name] for name in ("weight_func", "mask_dataset", "min_norm")] == ["fim", "none", "phase"]
    with h5py.File("a.h5") as file:
        assert file.attrs["REF_DATE"] == "20141225"
    with pytest.raises(OutputExistsError, match="is not the result of this run"):
        run_network_inversion(weight_func="var", outputs=names, result=Path("kept.zarr"))


def test_what_is_wrong_is_said_in_words_of_python(project):
    with pytest.raises(
        OptionError, match=r"found mask_dataset = 'coherense'; use one of .* Did you mean coher"
    ):
        run_network_inversion(project, mask_dataset="coherense")
    with pytest.raises(OptionError, match=r"found ram = 0; give gigabytes above 0"):
        run_network_inversion(project, ram=0)
    with pytest.raises(OptionError, match=r"found num_worker = '-1'"):
        run_network_inversion(project, num_worker=-1)
    with pytest.raises(
        KindError, match=r"unknown argument weight_fun of MintPy's step\. Did you mean weight_func"
    ):
        run_network_inversion(project, weight_fun="no")
    assert [path.name for path in project.glob("*.h5")] == ["waterMask.h5"]


def test_too_few_reliable_pixels_are_an_error_for_who_asks_for_the_mask(project, caplog):
    with (project / "smallbaselineApp.cfg").open("a") as file:
        file.write(f"\n{KEY}minNumPixel = 100000\n")
    done = run_network_inversion(project)
    assert f"found {done.n_reliable} reliable pixels in" in caplog.text
    with pytest.raises(TooFewReliableError, match="fewer than 100000") as raised:
        run_network_inversion(project, coherence_mask=True)
    assert raised.value.written == done.written
    assert all(path.exists() for path in done.written)


def test_products_that_cannot_be_written_are_an_error_that_says_what_is_kept(project):
    code = f"""
import resource
from fringefleet.errors import ProductsNotWrittenError
from fringefleet.mintpy import run_network_inversion
resource.setrlimit(resource.RLIMIT_FSIZE, (190_000, 190_000))
try:
    run_network_inversion({str(project)!r}, num_worker=0)
except ProductsNotWrittenError as error:
    print(error, flush=True)
import os, sys
print("typer" in sys.modules, "fringefleet.cli" in sys.modules, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    message, imported = done.stdout.splitlines()
    assert message.startswith(f"the products could not be written to {project} (")
    assert "File too large" in message
    assert f"The result is kept in {project}/.timeseries.fringefleet.zarr: remove the cause" in message
    assert imported == "False False"
    assert run_network_inversion(project).summary.n_resumed == 1
