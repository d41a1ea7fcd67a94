"""Links, names and length of the documents; test_figures.py has their figures."""

import re
import runpy
from pathlib import Path

import pytest
import typer

import fringefleet
from documents import ALL, FOR_USERS, PAGES, TOP, text_of
from fringefleet.cli import app
from fringefleet.products.registry import all_variables
from fringefleet.status import Status

PACKAGE = Path(fringefleet.__file__).parent
MOST_LINES_OF_README = 150
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|href)=\"([^\"]+)\"")
ELSEWHERE = ("http://", "https://", "mailto:")
# A path in code font: with a folder or a suffix, and perhaps with a star.
PATH = re.compile(r"`((?:[\w.*-]+/)*(?:[\w.*-]+\.(?:py|md|json|toml)|[\w.*-]+/))`")
NAV = re.findall(r"([\w/-]+\.md)$", text_of("mkdocs.yml").split("\nnav:\n")[1], re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z_-]+")
OF_OTHERS = {  # Typer, MintPy, LiCSBAS, pip, Dask, Slurm and Docker
    "--coherence-based",
    "--end",
    "--exclude-date",
    "--exclude-ifg",
    "--exp",
    "--gamma",
    "--gpu",
    "--index-url",
    "--lat",
    "--inv_alg",
    "--keep_incfile",
    "--log",
    "--lon",
    "--max-pbase",
    "--max-tbase",
    "--mem_size",
    "--n_para",
    "--n_unw_r_thre",
    "--start",
    "--strict",
    "--array",
    "--bind",
    "--dashboard-address",
    "--dostep",
    "--gpus",
    "--gres",
    "--help",
    "--host",
    "--lifetime",
    "--lifetime-stagger",
    "--no-dashboard",
    "--ntasks-per-node",
    "--nthreads",
    "--nv",
    "--nworkers",
    "--port",
    "--preload",
    "--protocol",
    "--tls-ca-file",
}


def links_of(document):
    """Targets of the links and pictures of a document that are in the repository."""
    text = CODE_BLOCK.sub("", text_of(document))
    targets = [link or picture for link, picture in LINK.findall(text)]
    return [target for target in targets if not target.startswith(ELSEWHERE)]


def anchors_of(path):
    """Names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(document, target):
    name, _, anchor = target.partition("#")
    path = ((TOP / document).parent / name).resolve() if name else TOP / document
    inside = path.is_relative_to(TOP) and path.exists()
    return not inside or (bool(anchor) and anchor not in anchors_of(path))


def test_readme_keeps_to_one_page():
    assert len(text_of("README.md").splitlines()) <= MOST_LINES_OF_README


@pytest.mark.parametrize("document", ALL)
def test_every_link_leads_somewhere(document):
    assert [target for target in links_of(document) if is_broken(document, target)] == []


@pytest.mark.parametrize(
    "target",
    ["docs/nowhere.md", "docs/results.md#nothing", "#nothing", "../elsewhere.md", "docs/images/no.png"],
)
def test_a_broken_link_is_found(target):
    assert is_broken("README.md", target)


def test_links_and_pictures_are_seen():
    assert {"docs/results.md#accuracy-and-reproducibility", "docs/images/demo.png"} <= set(
        links_of("README.md")
    )


@pytest.mark.parametrize("page", PAGES)
def test_readme_leads_to_every_page_and_every_page_has_an_introduction(page):
    assert page in links_of("README.md")
    assert page.removeprefix("docs/") in NAV
    title, introduction, *_ = text_of(page).split("\n\n")
    assert title.startswith("# ")
    assert re.match(r"[`\[\w]", introduction)


def test_readme_has_two_commands_and_the_checks_run_the_second_one():
    section = text_of("README.md").split("\n## Two commands\n")[1].split("\n## ")[0]
    first, second = re.findall(r"^```bash\n(.*?)\n```", section, re.MULTILINE | re.DOTALL)
    assert first == "pip install -c constraints.txt '.[plot]' && fringefleet demo"
    assert second == "pip install -c constraints.txt -e '.[test]' && pytest"
    assert f"\n{second} || failed=1\n" in (TOP / ".ci" / "run").read_text()


@pytest.mark.parametrize("document", FOR_USERS)
def test_every_path_of_the_repository_that_is_named_is_there(document):
    if document != "CONTRIBUTING.md":  # elsewhere paths may be those of users
        named = [name for name in PATH.findall(text_of(document)) if name.startswith(("src/", "tests/"))]
    else:
        named = PATH.findall(text_of(document))
        assert len(named) > 150
    roots = (PACKAGE, TOP, TOP / "tests", PACKAGE / "io" / "readers")
    assert [name for name in named if not any(any(root.glob(name.rstrip("/"))) for root in roots)] == []


def test_the_map_of_the_code_has_every_module_at_the_root_and_every_package():
    section = text_of("CONTRIBUTING.md").split("\n## Map of the code\n")[1].split("\n## ")[0]
    named = {path for name in PATH.findall(section) for path in PACKAGE.glob(name.rstrip("/"))}
    modules = {*PACKAGE.glob("*.py"), *(path.parent for path in PACKAGE.glob("*/__init__.py"))}
    left_out = {"__init__.py", "__main__.py"}
    missing = {path.name for path in modules - named if path.name not in left_out}
    assert missing == set()


def test_every_variable_and_every_status_is_described():
    text = text_of("docs/results.md")
    assert [name for name in all_variables() if f"`{name}`" not in text] == []
    section = text_of("docs/concepts/status.md").split("\n## Codes\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", section, re.MULTILINE))
    assert rows == {str(int(status)): status.name.lower() for status in Status}


@pytest.mark.parametrize("document", [*FOR_USERS, "deploy/README.md"])
def test_every_option_that_is_named_is_one_of_a_command(document):
    commands = typer.main.get_command(app).commands.values()
    ours = {name for command in commands for item in command.params for name in item.opts}
    ours |= {name for command in commands for item in command.params for name in item.secondary_opts}
    assert set(OPTION.findall(text_of(document))) - ours - OF_OTHERS == set()


def test_the_tables_of_options_are_those_of_the_dataclasses():
    found = runpy.run_path(str(TOP / "docs" / "option_tables.py"))
    assert found["page_with"](found["tables"]()) == text_of("docs/reference/options.md"), (
        "python docs/option_tables.py"
    )
    assert found["export_page"]() == text_of("docs/export.md"), "python docs/option_tables.py"
