"""The page of a run: one file that says everything, opened and read as HTML."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.errors import InputError
from fringefleet.plot import write_page
from fringefleet.simulate import Scene

SCENE = Scene(n_date=6, shape=(24, 30), missing=0.1)


class Page(HTMLParser):
    """Words, pictures, and links to anything outside."""

    def __init__(self, text):
        super().__init__()
        self.words, self.pictures, self.outside, self.open = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                (self.pictures if value.startswith("data:image/png;base64,") else self.outside).append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and data.strip():
            self.words.append(data.strip())


@pytest.fixture(scope="module")
def result(stack, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "result<&>.zarr"
    options = {"norm": "huber", "chunks": (12, 16), "diagnose": True}
    fringefleet.run(stack, path, progress=False, **options)
    return path


def test_the_page_has_everything_and_needs_no_other_file(result):
    done = CliRunner().invoke(app, ["report", str(result)])
    assert done.exit_code == 0, done.output
    page = Page(result.with_name(f"{result.name}.report.html").read_text())
    assert page.outside == []
    assert len(page.pictures) == 5
    for picture in page.pictures:
        assert base64.b64decode(picture.partition(",")[2]).startswith(b"\x89PNG")
    words = " ".join(page.words)
    assert "Inversion result<&>.zarr" in words
    report = json.loads(result.with_name(f"{result.name}.report.json").read_text())
    for name, number in report["totals"]["pixels"].items():
        assert f"{name.replace('_', ' ')} {number:,}" in words
    assert "Other than the defaults: Option Value chunks 12 16 norm huber diagnose True All options" in words
    assert "0, 1 0 to 11 16 to 29" in words
    assert "No tile failed." in words
    assert "this process" in words


def test_failures_are_listed_with_their_errors(result, tmp_path):
    report = result.with_name(f"{result.name}.report.json")
    text = report.read_text()
    found = json.loads(text)
    place = {name: found["tiles"][-1][name] for name in ("tile", "rows", "columns")}
    found["tiles"][-1] = place | {"state": "failed", "run": 0, "error": "OSError: <disk>", "attempts": 3}
    report.write_text(json.dumps(found))
    try:
        words = " ".join(Page(write_page(result, tmp_path / "page.html").read_text()).words)
    finally:
        report.write_text(text)
    assert "3 OSError: <disk>" in words
    assert "No tile failed" not in words


def test_a_result_whose_stack_is_gone_says_so_in_place_of_the_network(tmp_path, stack):
    shutil.copytree(stack, tmp_path / "gone.zarr")
    fringefleet.run(tmp_path / "gone.zarr", tmp_path / "out.zarr", progress=False)
    shutil.rmtree(tmp_path / "gone.zarr")
    page = Page(write_page(tmp_path / "out.zarr").read_text())
    assert len(page.pictures) == 3
    assert re.search(r"gone\.zarr: no such file", " ".join(page.words))


@pytest.mark.parametrize("damage", [None, "{", '{"format": 1}', '{"format": 99}'])
def test_a_report_that_cannot_be_used_is_refused(damage, tmp_path, stack):
    fringefleet.run(stack, tmp_path / "out.zarr", progress=False)
    report = tmp_path / "out.zarr.report.json"
    report.unlink()
    if damage is not None:
        report.write_text(damage)
    with pytest.raises(InputError, match=r"report .*out\.zarr\.report\.json"):
        write_page(tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr.report.html").exists()


def test_a_folder_of_the_name_of_the_page_is_left_alone(result, tmp_path):
    (tmp_path / "page.html").mkdir()
    (tmp_path / "page.html" / "mine").touch()
    with pytest.raises(InputError, match="found a folder where the page needs a file"):
        write_page(result, tmp_path / "page.html")
    assert (tmp_path / "page.html" / "mine").exists()
