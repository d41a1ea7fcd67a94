"""Messages of the command line and of the Python functions about what a user got wrong."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.errors import KindError, StackFormatError
from fringefleet.simulate import Scene, simulate_stack

POINT = "row and column of a pixel are meant, counted from 0, no latitude and longitude"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    simulate_stack(Scene(n_date=6, neighbours=2, shape=(12, 10)), folder / "stack.zarr")
    (folder / "there.zarr").mkdir()
    (folder / "there.zarr" / "file").write_text("something")
    (folder / "kind.toml").write_text('[cluster]\nn_worker = "x"\n')
    (folder / "key.toml").write_text("[cluster]\nn_wroker = 2\n")
    return folder


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")


def refused(*args):
    """What is said, in one line; nothing may be written."""
    there = {path.name for path in Path.cwd().iterdir()}
    done = CliRunner().invoke(app, list(map(str, args)))
    assert done.exit_code == 2, done.output
    assert {path.name for path in Path.cwd().iterdir()} == there
    return " ".join(done.output.split())


@pytest.mark.parametrize("command", [("invert", "stack.zarr"), ("convert", "stack.zarr"), ("simulate",)])
@pytest.mark.parametrize(
    ("name", "kind"),
    {"a.h5": "HDF5", "a.nc": "NetCDF", "a.TIF": "GeoTIFF", "a.zip": "an archive", "a.txt": "text"}.items(),
)
def test_an_output_with_the_name_of_another_format_is_refused(command, name, kind):
    said = refused(*command, name)
    assert f"{name} as an output, a name of {kind}; what is written is Zarr" in said


WRONG = {
    "two numbers with a point": (
        ["--reference-point", "19.43", "-99.17"],
        f"19.43 is no whole number; {POINT}",
    ),
    "one number": (["--reference-point", "9"], f"'--reference-point' requires 2 arguments; {POINT}"),
    "no word": (["--weight-func", "vra"], "'vra' is not one of 'var', 'fim', 'coh', 'no'"),
    "no number": (["--looks", "many"], "many is no whole number"),
    "a table with another kind": (
        ["--cluster-config", "kind.toml"],
        "found --workers 'x' of the type str; give a whole number.",
    ),
    "a table with another key": (["--cluster-config", "key.toml"], "Did you mean n_worker?"),
    "a threshold": (
        ["--mask-dataset", "coherence", "--mask-threshold", "40"],
        "--mask-threshold 40.0; give a",
    ),
    "no coherence": (["--dataset", "range_offset"], "found no range_offset"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_value_that_is_wrong_is_named_with_what_is_meant(name):
    options, message = WRONG[name]
    said = refused("invert", "stack.zarr", "out.zarr", *options)
    assert message in said
    assert "Value error" not in said
    assert "parse string" not in said


@pytest.mark.parametrize("name", ["two numbers with a point", "one number", "no number"])
def test_a_value_that_cannot_be_read_comes_with_the_usage(name):
    assert "Usage: fringefleet invert" in refused("invert", "stack.zarr", "out.zarr", *WRONG[name][0])


def test_options_that_are_wrong_are_said_together_and_before_an_output_that_is_there():
    options = ("--mask-threshold", "0.3", "--wavelength", "9", "--looks", "-2")
    said = refused("invert", "stack.zarr", "there.zarr", *options)
    assert "(1) found --mask-threshold 0.3, which has an effect only with --mask-dataset" in said
    assert "(2) found --wavelength 9, which is not the wavelength of an imaging radar" in said
    assert "there.zarr exists" not in said
    assert "there.zarr exists" in refused("invert", "stack.zarr", "there.zarr")


@pytest.mark.parametrize("stack", [np.zeros((3, 4, 5)), xr.DataArray(np.zeros(3)), "stack.zarr", None])
def test_what_is_no_stack_is_refused_with_its_type(stack):
    with pytest.raises(KindError, match=f"of the type {type(stack).__name__}; give a Dataset"):
        fringefleet.invert(stack)


def test_workers_of_an_unknown_kind_are_named_as_they_were_given():
    said = refused("invert", "stack.zarr", "out.zarr", "--cluster", "pbs")
    assert "found --cluster 'pbs'. Give local, local-cuda, slurm" in said


def test_a_dataset_with_nothing_in_it_is_refused():
    with pytest.raises(StackFormatError, match="in the stack, which has nothing; the inversion needs it"):
        fringefleet.invert(xr.Dataset())
