"""Fewer bits: the error is what is said, no data stay, attributes say it, and files are smaller."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import fringefleet
from fringefleet import Options, Run
from fringefleet.cli import app
from fringefleet.errors import OptionError, OtherOriginError
from fringefleet.products.quantization import quantized
from fringefleet.products.registry import all_variables
from fringefleet.simulate import Scene, simulate_stack

EXTRA = {"std": True, "covariance": True}
CHUNKS = (8, 8)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40), st.integers(1, 23))
def test_the_error_is_at_most_half_of_the_last_bit_that_is_kept(bits, keep_bits):
    values = np.array(bits, np.uint32).view(np.float32)
    rounded = quantized(values, keep_bits)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(rounded[~finite].view("u4"), values[~finite].view("u4"))
    assert np.isfinite(rounded[finite]).all()
    before, after = values[finite].astype("f8"), rounded[finite].astype("f8")
    smallest = float(np.finfo(np.float32).smallest_normal)
    largest = float(np.finfo(np.float32).max) * (1 - 2.0**-keep_bits)  # beyond it, all bits are kept
    bound = np.maximum(np.abs(before), smallest) * 2.0 ** -(keep_bits + 1)
    assert (np.abs(after - before) <= bound).all()
    is_kept = np.abs(before) < largest
    zeros = after[is_kept].astype("f4").view("u4") & np.uint32(2 ** (23 - keep_bits) - 1)
    assert not zeros.any()


def test_known_numbers_are_rounded_to_even_and_zero_stays():
    values = np.array([1.0, 1.25, 1.75, -1.25, 0.0, -0.0], np.float32)
    np.testing.assert_array_equal(quantized(values, 1), [1, 1, 2, -1, 0, -0.0])


@pytest.mark.parametrize("keep_bits", [0, 24, -1, 1.5, "15", True])
def test_bits_that_there_are_not_are_refused(keep_bits):
    with pytest.raises(OptionError, match="keep_bits"):
        Options(keep_bits=keep_bits)


QUANTIZED = ("displacement", "displacement_std", "displacement_cov")


def test_what_takes_the_room_is_rounded():
    assert tuple(name for name, variable in all_variables().items() if variable.is_rounded) == QUANTIZED


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    simulate_stack(Scene(n_date=6, shape=(20, 15), missing=0.2), folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "all.zarr", Options(**EXTRA), chunks=CHUNKS))
    options = Options(**EXTRA, keep_bits=12)
    fringefleet.run(Run(folder / "stack.zarr", folder / "few.zarr", options, chunks=CHUNKS))
    return folder


def test_what_has_dates_is_rounded_and_says_so_and_nothing_else_differs(results):
    full, few = (xr.open_zarr(results / name).compute() for name in ("all.zarr", "few.zarr"))
    assert few.attrs["Conventions"] == "CF-1.12"
    for name in full.data_vars:
        if name in QUANTIZED:
            np.testing.assert_array_equal(few[name], quantized(full[name].values, 12))
            assert not np.array_equal(few[name], full[name], equal_nan=True)
            np.testing.assert_allclose(few[name], full[name], rtol=2**-13)
            assert (few[name].attrs["quantization"], few[name].attrs["quantization_nsb"]) == (
                "quantization_info",
                12,
            )
        else:
            np.testing.assert_array_equal(few[name], full[name])
            assert "quantization" not in few[name].attrs
    said = few["quantization_info"].attrs
    assert said["algorithm"] == "bitround"
    assert said["implementation"].startswith("fringefleet version ")
    assert "quantization_info" not in full.variables


def test_the_lazy_form_gives_the_same(results):
    stack = fringefleet.open_stack(results / "stack.zarr", chunks=CHUNKS)
    lazy = fringefleet.invert(stack, Options(**EXTRA, keep_bits=12)).compute()
    stored = xr.open_zarr(results / "few.zarr").compute()
    for name in QUANTIZED:
        np.testing.assert_array_equal(lazy[name], stored[name])
        assert lazy[name].attrs["quantization_nsb"] == 12


def test_files_are_smaller(results):
    def size(name):
        return sum(file.stat().st_size for file in (results / name / "displacement/c").rglob("*/*/*"))

    assert size("few.zarr") < 0.9 * size("all.zarr")


def test_other_bits_are_another_result(results):
    job = Run(results / "stack.zarr", results / "few.zarr", Options(**EXTRA, keep_bits=13), existing="resume")
    with pytest.raises(OtherOriginError, match=r"keep_bits = 13 \(it was 12\)"):
        fringefleet.run(job)


def test_the_command_takes_the_option(results, tmp_path):
    arguments = ["invert", str(results / "stack.zarr"), str(tmp_path / "out.zarr"), "--keep-bits"]
    refused = CliRunner().invoke(app, [*arguments, "24"])
    assert refused.exit_code == 2
    assert "found --keep-bits 24; give 1 to 23" in " ".join(refused.output.split())
    planned = CliRunner().invoke(app, ["plan", str(results / "stack.zarr"), "--quick", "--keep-bits", "9"])
    assert planned.exit_code == 0, planned.output
