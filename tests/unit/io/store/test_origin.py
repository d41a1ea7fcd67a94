"""A result says what it was made with, and a run that goes on with it what differs."""

import os

import h5py
import numpy as np
import pytest
import zarr
from zarr.core.attributes import Attributes

import fringefleet
from fringefleet import Options, Run, Setting
from fringefleet.errors import OtherOriginError, OutputExistsError
from fringefleet.execution.check import check
from fringefleet.io.files.listing import FileState, Listing
from fringefleet.io.store import origin
from fringefleet.simulate import Scene, simulate_stack

SCENE = Scene(n_date=6, neighbours=2, shape=(16, 16), missing=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("origin")
    simulate_stack(SCENE, path / "stack.zarr")
    with h5py.File(path / "water.h5", "w") as file:
        file["mask"] = np.ones(SCENE.shape)
    fringefleet.run(job(path))
    return path


def job(folder, *, chunks=(8, 8), **given):
    names = Options.__dataclass_fields__
    options = {name: value for name, value in given.items() if name in names}
    setting = {"water_mask": folder / "water.h5"} | {n: v for n, v in given.items() if n not in names}
    how = {"chunks": chunks, "existing": "resume"}
    return Run(folder / "stack.zarr", folder / "result.zarr", Options(**options), Setting(**setting), **how)


OTHERS = {
    "weight_func = coh (it was var)": {"weight_func": "coh"},
    "mask_dataset = coherence (it was none)": {"mask_dataset": "coherence"},
    "min_redundancy = 2.0 (it was 1.0)": {"min_redundancy": 2.0},
    "norm = l1 (it was l2)": {"norm": "l1"},
    "gap_rule = linear (it was minimum-norm)": {"gap_rule": "linear"},
    "min_norm = phase (it was velocity)": {"min_norm": "phase"},
    "std = True (it was False)": {"std": True},
    "dtype = float64 (it was float32)": {"dtype": "float64"},
    "reference_point = 2 3 (it was ": {"reference_point": (2, 3)},
    "wavelength = 0.24 (it was 0.05": {"wavelength": 0.24},
    "looks = 7 (it was ": {"looks": 7},
    "skip_reference = True (it was False)": {"skip_reference": True},
    "drop_unreferenced = True (it was False)": {"drop_unreferenced": True},
    "water_mask = none (it was given)": {"water_mask": None},
    "chunks = 16 8 (it was 8 8)": {"chunks": (16, 8)},
}


@pytest.mark.parametrize("message", list(OTHERS))
def test_the_option_that_differs_is_named_with_both_values_and_no_other(folder, message):
    with pytest.raises(OtherOriginError) as caught:
        check(job(folder, **OTHERS[message]))
    found = caught.value.reason
    assert message in found
    assert (
        found.count("it was") - found.count("it was started") == len(OTHERS[message])
        or "reference" in message
    )


def test_a_device_makes_no_difference(folder):
    assert check(job(folder)).n_left == 0
    with h5py.File(folder / "copy.h5", "w") as file:
        file["mask"] = np.ones(SCENE.shape)
    os.utime(folder / "water.h5", (0, 0))
    assert check(job(folder)).n_left == 0
    assert check(job(folder, water_mask=folder / "copy.h5")).n_left == 0


def test_another_water_mask_is_said(folder):
    with h5py.File(folder / "other.h5", "w") as file:
        file["mask"] = np.eye(16)
    with pytest.raises(
        OtherOriginError, match="found other values of the water mask or the average coherence"
    ):
        check(job(folder, water_mask=folder / "other.h5"))


def test_a_result_of_an_earlier_version_says_so(tmp_path):
    simulate_stack(SCENE, tmp_path / "stack.zarr")
    run = Run(tmp_path / "stack.zarr", tmp_path / "result.zarr", chunks=(8, 8), existing="resume")
    fringefleet.run(run)
    group = zarr.open_group(run.output, mode="r+")
    del group["progress"].attrs["made_with"]
    del group["progress/stack_files"]
    with pytest.raises(
        OutputExistsError, match="made by an older version of fringefleet, which did not record"
    ):
        check(run)


def test_a_listing_is_packed_small_and_comes_out_as_it_was():
    rng = np.random.default_rng(0)
    names = [f"unwrapped_phase/c/0/{i}/{j}" for i in range(100) for j in range(100)]
    files = Listing.of((name, FileState(*rng.integers(0, 2**40, 2).tolist())) for name in names)
    packed = files.encoded()
    again = Listing.decoded(packed)
    assert (again.names, again.digest) == (files.names, files.digest)
    assert len(packed) < 20 * len(files)
    assert Listing.decoded(Listing.of([]).encoded()).names == ()
    strange = Listing.of([("caf\udce9 \n.tif", FileState(1, 2))])
    assert Listing.decoded(strange.encoded()).names == strange.names


@pytest.mark.parametrize("n_written", [0, 1])
def test_a_listing_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch, n_written):
    group = zarr.open_group(tmp_path / "marks.zarr", mode="w")
    first, second, third = (Listing.of([("a", FileState(number, 2))]) for number in range(3))
    origin.write_listing(group, first)
    written = []

    def write(attributes, key, value):
        if len(written) == n_written:
            raise KeyboardInterrupt
        written.append(key)
        set_one(attributes, key, value)

    set_one = Attributes.__setitem__
    with monkeypatch.context() as killed:
        killed.setattr(Attributes, "__setitem__", write)
        with pytest.raises(KeyboardInterrupt):
            origin.write_listing(group, second)
    assert origin.read_listing(zarr.open_group(tmp_path / "marks.zarr", mode="r")).sizes.tolist() == [0]
    for listing in (second, third):
        origin.write_listing(group, listing)
        found = origin.read_listing(zarr.open_group(tmp_path / "marks.zarr", mode="r"))
        assert found.sizes.tolist() == listing.sizes.tolist()
    assert len(list(zarr.open_group(tmp_path / "marks.zarr", mode="r")[origin.PLACE].arrays())) == 1
