"""What users see of the package in Python: its names, their examples, and objects in notebooks."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

import fringefleet
from fringefleet.errors import KindError, OptionError
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.mintpy import Inverted
from fringefleet.simulate import Scene
from fringefleet.status import Status

SCENE = Scene(n_date=5, shape=(8, 12))
ROOT = Path(__file__).parents[2]
MODULES = ("cluster", "errors", "mintpy", "plot", "simulate")
THINGS = [thing for name in fringefleet.__all__ if not inspect.ismodule(thing := getattr(fringefleet, name))]
# Not errors, whose base class has an example.
MORE = [
    getattr(home, name)
    for home in map(fringefleet.__getattr__, ("cluster", "mintpy", "plot", "simulate"))
    for name in home.__all__
]
CALLED = [thing for thing in dict.fromkeys((*THINGS, *MORE)) if thing not in (Status, Summary, Inverted)]
UNCHECKED = fringefleet.TimeFunctions  # by pytest's own check of shapes, which comes first
PAGES = [*ROOT.glob("notebooks/*.ipynb"), ROOT / "README.md", *ROOT.glob("docs/**/*.md")]


def test_the_table_of_contents_has_all_names_and_no_others():
    listed = re.findall(r"^    (\w+) {2,}\S", fringefleet.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(fringefleet.__all__) == dir(fringefleet)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_reachable_without_an_import_of_their_own(name):
    assert inspect.ismodule(getattr(fringefleet, name))


@pytest.mark.parametrize("thing", dict.fromkeys((*THINGS, *MORE)), ids=lambda thing: thing.__name__)
def test_every_public_docstring_has_an_example_that_runs(thing):
    assert ">>> " in inspect.getdoc(thing)
    assert "+SKIP" not in inspect.getdoc(thing)


def test_errors_are_all_that_the_module_of_errors_offers():
    for name in fringefleet.errors.__all__:
        assert issubclass(getattr(fringefleet.errors, name), fringefleet.errors.FringefleetError)


WITH_OPTIONS = {  # what takes options by name: sensible arguments
    "connect": ("local",),
    "export_result": ("result.zarr", "maps", "cog"),
    "invert": (xr.Dataset(),),
    "mask_result": ("result.zarr",),
    "run": ("stack.zarr", "out.zarr"),
    "run_network_inversion": (".",),
    "run_velocity": ("result.zarr", "out.zarr"),
    "velocity": ("result.zarr",),
}


@pytest.mark.parametrize(
    "thing", [thing for thing in CALLED if thing is not UNCHECKED], ids=lambda thing: thing.__name__
)
def test_an_unknown_argument_of_any_function_or_class_is_named_with_the_nearest_one(thing):
    parameters = inspect.signature(thing).parameters.values()
    name = [each.name for each in parameters if each.kind != each.VAR_KEYWORD][-1]
    with pytest.raises(TypeError, match=f"{name}x.*Did you mean {name}[?]") as caught:
        thing(*WITH_OPTIONS.get(thing.__name__, ()), **{f"{name}x": 3})
    assert isinstance(caught.value, OptionError)


@pytest.mark.parametrize("thing", CALLED, ids=lambda thing: thing.__name__)
def test_signatures_show_types_and_not_how_options_are_declared(thing):
    shown = str(inspect.signature(thing))
    assert "Declared" not in shown
    assert len(shown) < 1500


@pytest.mark.parametrize("thing", CALLED, ids=lambda thing: thing.__name__)
def test_wherever_a_path_is_taken_text_is_too(thing):
    for parameter in inspect.signature(thing).parameters.values():
        shown = str(parameter.annotation)
        assert "Path" not in shown or "str" in shown, parameter


TYPED = """
from fringefleet import Run, VelocityRun
run = Run("stack.zarr", "result.zarr", n_worker=2)
reveal_type(run.stack)
VelocityRun("result.zarr", "velocity.zarr")
Run(3, "result.zarr")
"""


@pytest.mark.long
def test_a_type_checker_takes_text_for_paths(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy, which is in the extra dev")
    (tmp_path / "typed.py").write_text(TYPED)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--cache-dir",
        tmp_path / "cache",
        "--follow-imports=silent",
        "typed.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'Revealed type is "pathlib.Path' in done.stdout
    assert re.findall(r"typed.py:(\d+): error", done.stdout) == ["6"]


def code_of(page):
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_notebooks_and_pages_use_public_names_only(page):
    code = code_of(page)
    for module, names in re.findall(r"^from fringefleet(\S*) import ([\w, ]+)", code, re.MULTILINE):
        home = getattr(fringefleet, module[1:]) if module else fringefleet
        public = set(dir(home)) if module == ".errors" else set(home.__all__)
        assert set(names.split(", ")) <= public
    for name in re.findall(r"\bfringefleet\.([A-Za-z]\w*)\(", code):
        assert name in fringefleet.__all__


def test_a_run_takes_a_path_and_options_by_name(stack, tmp_path, capfd):
    summary = fringefleet.run(str(stack), str(tmp_path / "result.zarr"), weight_func="coh", rows=(0, 4))
    assert summary.output == tmp_path / "result.zarr"
    shown = capfd.readouterr().err
    assert "result.zarr: 100%" in shown
    assert "1/1" in shown
    fringefleet.run(stack, tmp_path / "again.zarr", progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((("stack.zarr",), {}), "found the stack stack.zarr and no output"),
        (
            (("a.zarr", "b.zarr"), {"weight_fun": "no"}),
            "unknown option weight_fun. Did you mean",
        ),
        ((("a.zarr", "b.zarr"), {"weight_func": "n"}), "found weight_func = 'n'; use one of"),
        ((("a.zarr", "b.zarr"), {"options": 3}), "found options = 3 of the type int"),
        (((fringefleet.Run("a.zarr", "b.zarr"), "c.zarr"), {}), "found a Run and an output beside it"),
        (((fringefleet.Run("a.zarr", "b.zarr"),), {"std": True}), "found a Run and std beside it"),
        (((3, "b.zarr"), {}), "found stack = 3 of the type int"),
        ((("a.zarr", "b.zarr"), {"overwrite": True}), "unknown option overwrite. Give existing = overwrite."),
        ((("a.zarr", "b.zarr"), {"progress": "yes"}), "found progress = 'yes' of the type str; give True or"),
        ((("a.zarr", "b.zarr"), {"on_progress": 5}), "found on_progress = 5; give a function."),
        ((("a.zarr", "b.zarr"), {"n_thread": 0}), "found n_thread = 0; give 1 or more."),
        ((("a.zarr", "b.zarr"), {"n_worker": "2"}), "found n_worker = '2' of the type str; give a whole"),
        ((("a.zarr", "b.zarr"), {"existing": "resum"}), "found existing = 'resum'; give one of refuse, "),
        (((), {}), "found no stack, which run needs: it takes stack, output, progress, on_progress."),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_a_run_cannot_be_is_refused_in_words_of_python(given, message):
    positional, named = given
    with pytest.raises((OptionError, KindError), match="^" + re.escape(message)):
        fringefleet.run(*positional, **named)


def test_a_field_of_a_part_is_shown_where_it_belongs():
    wanted = re.escape("It is a field of Options: give options = Options(weight_func = ...).")
    with pytest.raises(KindError, match=wanted):
        fringefleet.Run("a.zarr", "b.zarr", weight_func="no")


def test_an_unknown_option_is_not_answered_with_forty_names():
    with pytest.raises(OptionError) as caught:
        fringefleet.run("a.zarr", "b.zarr", wieght_func="no")
    assert str(caught.value) == "unknown option wieght_func. Did you mean weight_func?"


@pytest.mark.parametrize("name", ["bbox", "rows", "start_date"])
def test_a_part_of_a_lazy_stack_is_shown_the_way_of_xarray(name):
    with pytest.raises(
        OptionError, match=f"unknown option {name}. It is for runs; a Dataset is cut by xarray"
    ):
        fringefleet.invert(fringefleet.simulate.simulate_dataset(SCENE)[0], **{name: (0, 4)})


def test_a_velocity_of_a_scene_takes_a_path_and_options_by_name(stack, tmp_path, capfd):
    fringefleet.run(stack, tmp_path / "result.zarr", progress=False)
    done = fringefleet.run_velocity(str(tmp_path / "result.zarr"), str(tmp_path / "v.zarr"), periodic=(1,))
    assert "v.zarr: 100%" in capfd.readouterr().err
    assert "annual_amplitude" in xr.open_zarr(done.output)
    assert "pixels with a velocity" in done._repr_html_()
    assert "  pixels with a velocity: " in str(done)
    with pytest.raises(OptionError, match="found a VelocityRun and periodic beside it"):
        fringefleet.run_velocity(fringefleet.VelocityRun("a.zarr", "b.zarr"), periodic=(1,))
    with pytest.raises(OptionError, match=r"found the result a\.zarr and no output"):
        fringefleet.run_velocity("a.zarr")


def test_a_summary_shows_what_became_of_the_pixels_in_a_notebook_and_printed():
    summary = Summary(Path("<out>.zarr"), 3, 1, TileStatistics(2, 1500, status_count=(1_200, 0, 300)))
    assert str(summary).splitlines() == [
        "Summary of a run",
        "  result: <out>.zarr",
        "  tiles: 3",
        "  tiles done before: 1",
        "  tiles failed and skipped: 0",
        "  ok: 1,200 pixels, in tiles done now",
        f"  {Status(2).words}: 300 pixels, in tiles done now",
    ]
    shown = summary._repr_html_()
    assert "&lt;out&gt;.zarr" in shown
    assert re.search(r"ok</td><td[^>]*>1,200 pixels, in tiles done now", shown)
    assert "minimum norm" not in shown


@pytest.mark.cluster
def test_workers_show_in_a_notebook_what_they_are():
    with fringefleet.connect("local", 1, worker_memory="1GB") as workers:
        (record,) = workers.records()
        shown = workers._repr_html_()
    assert record["address"] in shown
    assert "1 worker, memory of each: 0.93 GiB" in shown
    assert "1, stopped" in workers._repr_html_()
