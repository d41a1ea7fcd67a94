"""The site of the documents: its figures, its generated pages, and where links lead; .ci/long builds it."""

import json
import re
import runpy
import sys

import pytest
import typer
import yaml
from matplotlib.image import imread

import fringefleet
from documents import PAGES, TOP, text_of
from fringefleet import errors
from fringefleet.cli import app

DOCS = TOP / "docs"
LARGEST_FIGURE = 60_000  # [byte]


@pytest.fixture(scope="module")
def generated():
    return runpy.run_path(str(DOCS / "generated_pages.py"))


@pytest.fixture(scope="module")
def figures():
    return runpy.run_path(str(DOCS / "figures.py"))


def settings():
    """The settings of mkdocs without its own tags."""
    return yaml.safe_load((TOP / "mkdocs.yml").read_text())


def test_every_command_and_every_option_is_on_the_page_of_the_commands(generated):
    text = generated["commands"]()
    for name, command in typer.main.get_command(app).commands.items():
        section = text.split(f"## fringefleet {name}\n")[1].split("\n## ")[0]
        flags = {flag for item in command.params for flag in item.opts if flag.startswith("--")}
        assert [flag for flag in flags - {"--help"} if f"`{flag}`" not in section] == []
        assert f"fringefleet {name}" in section.split("```text")[-1]


def test_no_mark_for_colours_is_left_on_the_page_of_the_commands(generated):
    assert not re.search(r"\[/|\[bold|\[dim", generated["commands"]())


def test_choices_are_spelled_out(generated):
    assert "| `--weight-func` var, fim, coh, no |" in generated["commands"]()


def test_every_public_name_is_on_the_page_of_python(generated):
    text = generated["python_names"]()
    listed = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    wanted = {f"fringefleet.{name}" for name in fringefleet.__all__}
    wanted -= {"fringefleet.__version__", "fringefleet.errors"}
    for module in ("cluster", "mintpy", "plot", "simulate"):
        wanted |= {f"fringefleet.{module}.{name}" for name in getattr(fringefleet, module).__all__}
    assert (
        listed - wanted
        == {f"fringefleet.{module}" for module in ("cluster", "mintpy", "plot", "simulate")} - wanted
    )
    assert wanted - listed == {"fringefleet.cluster.connect"}  # that is fringefleet.connect


def test_every_exception_is_in_the_catalogue_with_what_is_left_after_it(generated):
    text = generated["error_catalogue"]()
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert sorted(names) == sorted(kind.__name__ for kind in kinds if kind is not errors.FringefleetError)
    (row,) = (line for line in text.splitlines() if line.startswith("| `StackChangedError`"))
    assert "start again: invert with --overwrite" in row


def test_every_mark_of_a_generated_page_is_on_one_page(generated):
    text = "".join(text_of(page) for page in PAGES)
    assert [text.count(mark) for mark in generated["GENERATED"]] == [1, 1, 1]


def test_the_nav_leads_to_every_page_once_and_to_nothing_else():
    def files(item):
        if isinstance(item, str):
            return [item]
        return [name for part in (item.values() if isinstance(item, dict) else item) for name in files(part)]

    named = files(settings()["nav"])
    assert len(named) == len(set(named))
    assert {page.removeprefix("docs/") for page in PAGES} <= set(named)
    assert [name for name in named if not any(any(top.glob(name)) for top in (DOCS, TOP))] == []


def test_figures_are_drawn_by_the_script_and_are_small(figures, tmp_path):
    figures["draw"](tmp_path)
    for name in figures["FIGURES"]:
        for path in (tmp_path / name, DOCS / "images" / name):
            assert 5_000 < path.stat().st_size < LARGEST_FIGURE
            assert "<svg" in path.read_text()[:2000] if name.endswith(".svg") else imread(path).std() > 0.1
        assert any(f"images/{name})" in text_of(page) for page in PAGES)


def test_the_figure_of_the_network_has_the_fill_of_its_plan(figures):
    panels = figures["network"]().axes
    n_pair, n_fill = map(int, re.findall(r"\d+", panels[0].get_title(loc="left")))
    drawn = [patch.get_linestyle() for patch in panels[0].patches]
    assert (drawn.count("solid"), drawn.count("--")) == (n_pair, n_fill)
    assert n_fill > 0


def test_the_figure_of_the_status_has_those_that_its_caption_explains(figures):
    (image,) = figures["status"]().axes[2].images
    bar = image.colorbar.ax
    words = {text.get_text().partition(" %")[0].rstrip(" <.0123456789") for text in bar.get_yticklabels()}
    assert words == {"ok", "minimum norm", "no observation", "too few pairs", "reference point"}


@pytest.fixture
def hooks(monkeypatch):
    for name in ("mkdocs", "latex2mathml"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[docs]'")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runpy.run_path(str(DOCS / "site_hooks.py"))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("docs/options.md", "options.md"),
        ("README.md", "index.md"),
        ("deploy/README.md", "deploy/README.md"),
        ("tests/benchmarks/results/small-cpu.json", "tests/benchmarks/results/small-cpu.json"),
    ],
)
def test_a_document_has_its_place_on_the_site(hooks, path, place):
    assert hooks["place"](path) == place


def test_files_that_are_linked_from_outside_the_pages_are_taken_along(hooks):
    found = hooks["files_elsewhere"](PAGES)
    assert {"deploy/README.md", "tests/benchmarks/results/small-cpu.json"} <= found
    assert all((TOP / path).is_file() for path in found)


def test_formulas_become_mathml_without_a_script_from_elsewhere(hooks):
    page = r'<p><span class="arithmatex">\(a &lt; b\)</span></p><div class="arithmatex">\[\frac{1}{2}\]</div>'
    shown = hooks["on_page_content"](page)
    assert re.search(r"<p><span><math [^>]*display=\"inline\"><mrow><mi>a</mi><mo>&#x0003C;</mo>", shown)
    assert re.search(r"<div><math [^>]*display=\"block\"><mrow><mfrac>", shown)
    assert "arithmatex" not in shown
    assert "extra_javascript" not in settings()


def test_roles_and_formulas_of_docstrings_become_markdown():
    pytest.importorskip("griffe", reason="griffe is not installed: pip install '.[docs]'")
    in_markdown = runpy.run_path(str(DOCS / "docstrings.py"))["in_markdown"]
    text = in_markdown("See :class:`~a.B`, :math:`x^2`.\n\n.. math:: y = 1,\n   z\n\nAfter.")
    assert text == "See `a.B`, $x^2$.\n\n$$\ny = 1,\n   z\n$$\n\nAfter."


def test_notebooks_are_shown_as_they_are():
    (jupyter,) = (plugin["mkdocs-jupyter"] for plugin in settings()["plugins"] if "mkdocs-jupyter" in plugin)
    assert jupyter["execute"] is False
    for path in (TOP / "notebooks").glob("*.ipynb"):
        assert json.loads(path.read_text())["cells"][0]["cell_type"] == "markdown"  # its title
