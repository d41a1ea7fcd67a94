"""What users see of the package in Python: its names, their examples, and objects in notebooks."""

import inspect
import json
import re
from pathlib import Path

import pytest

import fringefleet
from fringefleet.errors import KindError, OptionError
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.simulate import Scene

SCENE = Scene(n_date=5, shape=(8, 12))
ROOT = Path(__file__).parents[2]
MODULES = ("cluster", "errors", "mintpy", "plot", "simulate")
THINGS = [thing for name in fringefleet.__all__ if not inspect.ismodule(thing := getattr(fringefleet, name))]
PAGES = [*ROOT.glob("notebooks/*.ipynb"), ROOT / "README.md", *ROOT.glob("docs/**/*.md")]


def test_the_table_of_contents_has_all_names_and_no_others():
    listed = re.findall(r"^    (\w+) {2,}\S", fringefleet.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(fringefleet.__all__) == dir(fringefleet)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_reachable_without_an_import_of_their_own(name):
    assert inspect.ismodule(getattr(fringefleet, name))


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.__name__)
def test_every_public_docstring_has_an_example(thing):
    assert ">>> " in inspect.getdoc(thing)


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
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_a_run_cannot_be_is_refused_in_words_of_python(given, message):
    positional, named = given
    with pytest.raises((OptionError, KindError), match="^" + re.escape(message)):
        fringefleet.run(*positional, **named)


def test_a_summary_shows_in_a_notebook_what_became_of_the_pixels():
    summary = Summary(Path("<out>.zarr"), 3, 1, TileStatistics(2, 1500, status_count=(1_200, 0, 300)))
    shown = summary._repr_html_()
    assert "&lt;out&gt;.zarr" in shown
    assert re.search(r"ok</td><td[^>]*>1,200 pixels", shown)
    assert "minimum norm" not in shown


@pytest.mark.cluster
def test_workers_show_in_a_notebook_what_they_are():
    with fringefleet.connect("local", 1, worker_memory="1GB") as workers:
        (record,) = workers.records()
        shown = workers._repr_html_()
    assert record["address"] in shown
    assert "1 workers, memory of each: 0.93 GiB" in shown
