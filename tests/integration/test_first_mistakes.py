"""First mistakes of a new user, in Python and on the command line: one message that says what to do."""

import json

import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet import Options, Run
from fringefleet.cli import app
from fringefleet.errors import InputError, OptionError, OtherOriginError, StackFormatError
from fringefleet.io.readers import READERS
from fringefleet.simulate import Scene, simulate_dataset

SCENE = Scene(n_date=5, shape=(12, 10))


def call(*arguments):
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(("job", "message"), [("stack.zarr", "no output"), (None, "found stack = None")])
def test_a_run_that_is_none_is_refused_by_its_kind(job, message):
    with pytest.raises(InputError, match=message):
        fringefleet.run(job)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_worker", "two"), ("total_memory", "8GB"), ("worker_memory", 1.5), ("n_thread", "1")],
)
def test_numbers_of_a_run_are_checked_when_it_is_made(name, value, tmp_path):
    with pytest.raises(InputError, match=name):
        Run(tmp_path / "stack.zarr", tmp_path / "out.zarr", **{name: value})


def test_a_worker_memory_that_lacks_its_unit_is_refused_before_any_worker_starts(stack, tmp_path):
    code, text = call("invert", stack, tmp_path / "out.zarr", "--worker-memory", "8", "--workers", "1")
    assert code == 2
    assert "--worker-memory '8'; give bytes, or text such as 8GB" in text
    assert "Traceback" not in text
    with pytest.raises(OptionError, match="worker_memory = 8; give bytes, or text such as 8GB"):
        fringefleet.connect("local", 1, worker_memory=8).__enter__()


def test_what_a_missing_mask_needs_is_that_it_is_left_out(stack):
    opened = fringefleet.open_stack(stack)
    with pytest.raises(StackFormatError, match=r"or leave mask_dataset out\.") as caught:
        fringefleet.invert(opened, mask_dataset="connected_component")
    assert "weight_func = no" not in str(caught.value)
    without = opened.drop_vars("coherence")
    with pytest.raises(StackFormatError, match=r"or choose weight_func = no\."):
        fringefleet.invert(without)
    with pytest.raises(StackFormatError, match=r"choose weight_func = no and leave mask_dataset out\."):
        fringefleet.invert(without, mask_dataset="coherence")
    fringefleet.invert(without, weight_func="no")


@pytest.mark.parametrize("axis", ["y", "x", "pair"])
def test_a_selection_without_pixels_or_pairs_is_refused(axis):
    whole, _ = simulate_dataset(SCENE)
    empty = whole.isel({axis: slice(0, 0)})
    with pytest.raises(InputError, match=rf"found no {axis} in the stack"):
        fringefleet.invert(empty)


def test_python_is_told_of_arguments_that_there_are(stack, tmp_path):
    job = Run(stack, tmp_path / "out.zarr")
    fringefleet.run(job)
    again = Run(stack, tmp_path / "out.zarr", Options(weight_func="no"), existing="resume")
    with pytest.raises(OtherOriginError, match="give existing = overwrite or another name"):
        fringefleet.run(again)
    fringefleet.convert_stack(stack, tmp_path / "copy.zarr")
    with pytest.raises(InputError, match="or overwrite = True to replace it"):
        fringefleet.convert_stack(stack, tmp_path / "copy.zarr")
    code, text = call("convert", stack, tmp_path / "copy.zarr")
    assert code == 2
    assert "or --overwrite to replace it" in text


def test_formats_are_listed_for_programs_too():
    code, text = call("info", "--formats", "--json")
    other_code, other = call("info", "--json", "--formats")
    assert (code, other_code) == (0, 0)
    assert text == other
    assert [one["reader"] for one in json.loads(text)] == [reader.name for reader in READERS]


def test_info_without_a_path_says_what_to_give():
    code, text = call("info")
    assert code == 2
    assert "found no path; give that of a stack or a result, or --formats" in text


def test_threads_that_were_asked_for_are_not_explained(stack, tmp_path):
    _, text = call("invert", stack, tmp_path / "a.zarr", "--workers", "0")
    _, chosen = call("invert", stack, tmp_path / "b.zarr")
    assert "less than a worker takes to start" in chosen
    assert "less than a worker takes to start" not in text
    _, planned = call("plan", stack, "--quick", "--workers", "0")
    _, chosen = call("plan", stack, "--quick")
    assert "less than a worker takes to start" in chosen
    assert "threads of this process compute" in planned
    assert "less than a worker takes to start" not in planned
