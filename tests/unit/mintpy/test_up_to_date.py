"""When the products of an inversion are taken as they are, and when they are made again."""

import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

from fringefleet.mintpy.up_to_date import SETTING_ATTRIBUTE, Expected, ProductFile, reason_to_run

LONG_AGO, BEFORE, NOW = 1_000_000, 2_000_000, 3_000_000  # [s]
CONFIG = {
    "mintpy.networkInversion.weightFunc": "var",
    "mintpy.networkInversion.maskDataset": "None",
    "mintpy.networkInversion.maskThreshold": "0.4",
    "REF_Y": "3",
}
SETTINGS = {"looks": None, "water mask": "waterMask.h5"}


def touch(path, time):
    os.utime(path, (time, time))


def write_file(path, dataset, shape, attributes, **layout):
    with h5py.File(path, "w") as file:
        file.create_dataset(dataset, data=np.zeros(shape, "f4"), **layout)
        file.attrs.update(attributes)
    touch(path, BEFORE)


@pytest.fixture
def wanted(tmp_path, products):
    stack = tmp_path / "ifgramStack.h5"
    with h5py.File(stack, "w") as file:
        for name in ("unwrapPhase", "coherence"):
            file[name] = np.zeros((2, 4, 5), "f4")
            file[name].attrs["MODIFICATION_TIME"] = str(float(LONG_AGO))
    touch(stack, NOW)  # later steps of MintPy touch the file, not the dataset
    mask = tmp_path / "waterMask.h5"
    mask.touch()
    touch(mask, LONG_AGO)
    return Expected(
        tuple(products), stack, ("unwrapPhase", "coherence"), CONFIG, SETTINGS, {"looks": None}, (mask,)
    )


@pytest.fixture
def products(tmp_path):
    files = [
        ProductFile(tmp_path / "timeseries.h5", "timeseries", (3, 4, 5)),
        ProductFile(tmp_path / "temporalCoherence.h5", "temporalCoherence", (4, 5)),
    ]
    for file in files:
        write_file(*file, CONFIG)
    return files


def test_products_that_would_come_out_again_are_taken(products, wanted):
    assert reason_to_run(wanted) is None


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_missing_is_made(products, wanted, which):
    products[which].path.unlink()
    assert reason_to_run(wanted) == f"{products[which].path} does not exist"


def test_a_file_that_was_cut_off_is_made_again(products, wanted):
    path = products[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 100])
    touch(path, BEFORE)
    assert reason_to_run(wanted) == f"{path} cannot be read"


@pytest.mark.parametrize(("dataset", "shape"), [("timeseries", (2, 4, 5)), ("mask", (3, 4, 5))])
def test_a_file_with_something_else_in_it_is_made_again(products, wanted, dataset, shape):
    write_file(products[0].path, dataset, shape, CONFIG)
    assert reason_to_run(wanted) == f"{products[0].path} has no timeseries of 3 x 4 x 5"


def test_a_compressed_file_is_complete_however_small(products, wanted):
    series = ProductFile(products[0].path, "timeseries", (30, 40, 50))
    write_file(*series, CONFIG, compression="gzip", chunks=(5, 20, 25))
    assert series.path.stat().st_size < 30 * 40 * 50 * 4  # what MintPy takes for half a file
    assert reason_to_run(replace(wanted, products=(series, products[1]))) is None


@pytest.mark.parametrize("layout", [{"chunks": (1, 2, 5)}, {}])
def test_a_file_that_was_laid_out_and_not_written_to_the_end_is_made_again(products, wanted, layout):
    path = products[0].path
    with h5py.File(path, "w") as file:
        series = file.create_dataset("timeseries", (3, 4, 5), "f4", **layout)
        if layout:
            series[:, :2] = 1  # the first block of rows, and then it was killed
        file.attrs.update(CONFIG)
    touch(path, BEFORE)
    assert reason_to_run(wanted) == f"{path} is incomplete"


@pytest.mark.parametrize("name", ["unwrapPhase", "coherence"])
def test_a_dataset_that_was_changed_since_is_inverted_again(products, wanted, name):
    with h5py.File(wanted.stack, "r+") as file:
        file[name].attrs["MODIFICATION_TIME"] = str(float(NOW))
    assert reason_to_run(wanted) == f"{name} of {wanted.stack} is newer than the products"


def test_without_a_note_of_the_dataset_the_file_counts(products, wanted):
    with h5py.File(wanted.stack, "r+") as file:
        del file["unwrapPhase"].attrs["MODIFICATION_TIME"]
    touch(wanted.stack, NOW)
    assert reason_to_run(wanted) == f"{wanted.stack} is newer than the products"
    touch(wanted.stack, LONG_AGO)
    assert reason_to_run(wanted) is None


def test_the_oldest_product_counts(products, wanted):
    touch(products[0].path, NOW)
    touch(products[1].path, LONG_AGO - 1)
    assert "is newer than the products" in reason_to_run(wanted)


def test_a_newer_water_mask_counts(products, wanted):
    touch(wanted.sources[0], NOW)
    assert reason_to_run(wanted) == f"{wanted.sources[0]} is newer than the products"


@pytest.mark.parametrize(
    ("name", "value"), [("weightFunc", "no"), ("maskDataset", "coherence"), ("maskThreshold", "0.3")]
)
def test_another_option_than_the_products_were_made_with_is_named(products, wanted, name, value):
    key = f"mintpy.networkInversion.{name}"
    changed = replace(wanted, attributes=CONFIG | {key: value})
    assert reason_to_run(changed) == f"{key} was {CONFIG[key]} and is {value}"


def test_another_reference_point_counts(products, wanted):
    changed = replace(wanted, attributes=CONFIG | {"REF_Y": "4"})
    assert reason_to_run(changed) == "REF_Y was 3 and is 4"


@pytest.mark.parametrize("word", ["False", "None", "no"])
def test_the_words_of_mintpy_for_no_mask_are_the_same(products, wanted, word):
    said = CONFIG | {"mintpy.networkInversion.maskDataset": word}
    write_file(*products[0], said | {"mintpy.networkInversion.maskThreshold": "0.40"})
    assert reason_to_run(wanted) is None


def test_what_mintpy_does_not_note_is_compared_where_we_noted_it(products, wanted):
    write_file(*products[0], CONFIG | {SETTING_ATTRIBUTE: wanted.setting_text})
    assert reason_to_run(wanted) is None
    other_mask = replace(wanted, setting=SETTINGS | {"water mask": "none"})
    assert reason_to_run(other_mask) == "water mask was waterMask.h5 and is none"
    more = replace(wanted, setting=SETTINGS | {"something new": 1})
    assert reason_to_run(more) == "something new is 1"


def test_files_of_mintpy_were_made_with_what_is_usual(products, wanted):
    assert SETTING_ATTRIBUTE not in CONFIG
    other_looks = replace(wanted, setting=SETTINGS | {"looks": 7})
    assert reason_to_run(other_looks) == "looks was None and is 7"
    assert json.loads(other_looks.setting_text) == {"looks": 7, "water mask": "waterMask.h5"}
