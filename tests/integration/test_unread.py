"""What is not needed is not read: tiles that a mask excludes, and pairs that are omitted."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from zarr.codecs import BloscCodec

import fringefleet
from fringefleet import Options, Run, Selection, Setting
from fringefleet.execution.inversion import Inversion
from fringefleet.execution.tile import LazyVariable
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy

SCENE = Scene(n_date=6, shape=(40, 48), neighbours=2, missing=0.1, seed=3)
N_PAIR = len(SCENE.pairs)  # 9
EVERYTHING = Options(std=True, covariance=True, diagnose=True, dem_error=True, norm="huber")
MASK = np.zeros((40, 48), bool)
MASK[:16, 16:32] = True  # one tile of nine, and a pixel of another; the reference point is at (35, 4)
MASK[39, 47] = True


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    simulate_stack(SCENE, folder / "stack.zarr")
    source = xr.open_zarr(folder / "stack.zarr", consolidated=False, chunks=None).load()
    write_mintpy(source, folder / "stack.h5")
    for name, n_pair in (("pair by pair", 1), ("all pairs", N_PAIR)):
        how = {"chunks": (n_pair, 8, 8), "compressors": BloscCodec(cname="lz4")}
        encoding = dict.fromkeys(source.data_vars, how)
        source.drop_encoding().to_zarr(folder / f"{name}.zarr", encoding=encoding, consolidated=False)
    return folder


def files_of(result):
    return {path.relative_to(result): path.read_bytes() for path in result.rglob("*") if path.is_file()}


def report_of(result):
    return json.loads(result.with_name(f"{result.name}.report.json").read_text())


@pytest.mark.parametrize("options", [Options(), EVERYTHING, Options(mask_dataset="coherence", norm="l1")])
@pytest.mark.parametrize("name", ["stack.zarr", "stack.h5"])
def test_a_tile_that_the_mask_excludes_is_not_read_and_its_bytes_are_the_same(
    stacks, tmp_path, monkeypatch, options, name
):
    job = Run(stacks / name, tmp_path / "result.zarr", options, Setting(water_mask=MASK), chunks=(16, 16))
    read, whole = [], LazyVariable.read
    monkeypatch.setattr(LazyVariable, "read", lambda self: read.append(self.shape) or whole(self))
    fringefleet.run(job)
    found, report = files_of(job.output), report_of(job.output)
    n_variable = len({"unwrapped_phase", "coherence"})
    assert sorted(read) == sorted([(N_PAIR, 16, 16), (N_PAIR, 8, 16), (N_PAIR, 8, 16)] * n_variable)
    n_pixel = 16 * 16 + 2 * 8 * 16  # and the tile of the reference point, which is zero by definition
    assert report["totals"]["bytes_read"] == 2 * 4 * N_PAIR * n_pixel + MASK.size
    monkeypatch.setattr(Inversion, "_masked", lambda *_: None)
    fringefleet.run(Run(**vars(job) | {"existing": "overwrite"}))
    assert files_of(job.output) == found
    assert report_of(job.output)["totals"]["bytes_read"] == 2 * 4 * N_PAIR * MASK.size + MASK.size
    assert report_of(job.output)["totals"]["pixels"] == report["totals"]["pixels"]


def bytes_from_disk(monkeypatch, stack):
    """Count what is read of the files of a stack from now on [byte]."""
    counted = []  # which several threads may append to
    preadv, pread = os.preadv, os.pread

    def is_of_data(file):
        path = str(Path(f"/proc/self/fd/{file}").readlink())
        return path.startswith(str(stack)) and ("unwrapped_phase" in path or path.endswith(".h5"))

    def read_into(file, buffers, offset, *flags):
        n = preadv(file, buffers, offset, *flags)
        counted.append(n if is_of_data(file) else 0)
        return n

    def read(file, n, offset):
        found = pread(file, n, offset)
        counted.append(len(found) if is_of_data(file) else 0)
        return found

    monkeypatch.setattr(os, "preadv", read_into)
    monkeypatch.setattr(os, "pread", read)
    return counted


@pytest.mark.parametrize(
    ("name", "is_apart"), [("stack.h5", True), ("pair by pair.zarr", True), ("all pairs.zarr", False)]
)
def test_omitted_pairs_are_not_read_where_the_storage_keeps_them_apart(
    stacks, tmp_path, monkeypatch, name, is_apart
):
    excluded = Selection(exclude_pairs="20180106_20180118,20180130_20180211,20180211_20180307")
    bytes_read, from_disk = {}, {}
    for what, selection in (("all", Selection()), ("some", excluded)):
        output = tmp_path / f"{what}.zarr"
        job = Run(stacks / name, output, Options(weight_func="no"), chunks=(40, 48), selection=selection)
        with monkeypatch.context() as patched:
            counted = bytes_from_disk(patched, stacks / name)
            fringefleet.run(job)
        from_disk[what], bytes_read[what] = sum(counted), report_of(output)["totals"]["bytes_read"]
    assert bytes_read["all"] == 4 * N_PAIR * 40 * 48
    assert bytes_read["some"] == 4 * (N_PAIR - 3) * 40 * 48
    assert from_disk["all"] > 0
    share = from_disk["some"] / from_disk["all"]
    if is_apart:
        assert share == pytest.approx((N_PAIR - 3) / N_PAIR, abs=0.1)  # pairs pack differently well
    else:
        assert share == 1
