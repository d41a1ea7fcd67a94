"""Hooks of mkdocs: pages and files from outside ``docs/``, and pages that are made when the site is built.

On GitHub, links between documents go through the folders of the repository. On the site each document that is
linked has its place, wherever it lies: ``docs/`` becomes the top of the site, everything else keeps its path.
"""

import html
import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "docs"))

from generated_pages import GENERATED  # noqa: E402 - a neighbour, in no package

LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
CODE_BLOCK = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([\[(])(.*?)\\[\])]</\1>', re.DOTALL)
ELSEWHERE = ("http://", "https://", "mailto:")
SAME = {"README.md": "docs/index.md"}  # the home page of the repository and that of the site
NOTEBOOKS = "notebooks/*.ipynb"


def place(path: str) -> str:
    """Give the place on the site of a file of the repository."""
    return SAME.get(path, path).removeprefix("docs/")


def origin(src_uri: str) -> str:
    """Give the path in the repository of a file of the site."""
    return f"docs/{src_uri}" if (TOP / "docs" / src_uri).exists() else src_uri


def links_of(path: str) -> set[str]:
    """Find the files of the repository that a document leads to."""
    text = CODE_BLOCK.sub("", (TOP / path).read_text())
    targets = {target for _, target, _ in LINK.findall(text) if not target.startswith(ELSEWHERE)}
    return {posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) for target in targets}


def files_elsewhere(pages: list[str]) -> set[str]:
    """Find all files outside ``docs/`` that the pages, and what these lead to, link."""
    found: set[str] = set()
    todo = set(pages)
    while todo:
        path = todo.pop()
        linked = {
            target for target in links_of(path) if not target.startswith("docs/") and target not in SAME
        }
        new = {target for target in linked - found if (TOP / target).is_file()}
        found |= new
        todo |= {target for target in new if target.endswith(".md")}
    return found


def in_nav(item: Any) -> list[str]:
    """List the files of a nav, in order."""
    if isinstance(item, str):
        return [item]
    return [name for part in (item.values() if isinstance(item, dict) else item) for name in in_nav(part)]


def title_of(notebook: Path) -> str:
    """Give the first heading of a notebook."""
    first, *_ = json.loads(notebook.read_text())["cells"]
    return "".join(first["source"]).splitlines()[0].removeprefix("# ")


def on_config(config: Any) -> Any:
    """Put the notebooks into the nav, one by one, with their titles."""

    def expand(item: Any) -> list[Any]:
        if item == NOTEBOOKS:
            return [{title_of(path): str(path.relative_to(TOP))} for path in sorted(TOP.glob(NOTEBOOKS))]
        if isinstance(item, dict):
            return [{name: part if isinstance(part, str) else expand(part)} for name, part in item.items()]
        return [new for part in item for new in expand(part)] if isinstance(item, list) else [item]

    config.nav = expand(config.nav)
    return config


@event_priority(100)  # before mkdocs-jupyter, which takes the notebooks from here
def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the nav, and all that is linked, from outside ``docs/``."""
    pages = in_nav(config.nav)
    outside = [name for name in pages if not (TOP / "docs" / name).exists()]
    documents = [origin(name) for name in pages if name.endswith(".md")]
    for path in sorted({*outside, *files_elsewhere(documents)}):
        if files.get_file_from_path(path) is None:
            files.append(File(path, str(TOP), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at places on the site, and make the pages that are made of the code."""
    path = origin(page.file.src_uri)
    folder = posixpath.dirname(path)

    def new_link(found: re.Match[str]) -> str:
        begin, target, end = found.groups()
        if target.startswith(ELSEWHERE):
            return found[0]
        wanted = place(posixpath.normpath(posixpath.join(folder, target)))
        return begin + posixpath.relpath(wanted, posixpath.dirname(place(path)) or ".") + end

    parts = CODE_BLOCK.split(markdown)
    text = "".join(part if part.startswith("```") else LINK.sub(new_link, part) for part in parts)
    for mark, make in GENERATED.items():
        if mark in text:
            text = text.replace(mark, make())
    return text


def on_page_content(html_of_page: str, **_: Any) -> str:
    """Make MathML of formulas, which browsers show without a program from elsewhere."""

    def to_mathml(found: re.Match[str]) -> str:
        tag, bracket, formula = found.groups()
        shown = convert(html.unescape(formula), display="block" if bracket == "[" else "inline")
        return f"<{tag}>{shown}</{tag}>"

    return FORMULA.sub(to_mathml, html_of_page)
