"""Text from outside: what reaches a terminal and a log, and what does not."""

import json
import logging
import shutil
import subprocess
import sys

import pytest
import xarray as xr
from rich.table import Table
from typer.testing import CliRunner

from broken_inputs import ESCAPE
from fringefleet.cli import app
from fringefleet.cli.console import err, fail, start_logging
from fringefleet.cli.printable import PrintableConsole, PrintableFormatter, printable
from fringefleet.simulate import Scene, simulate_stack

NAME = ESCAPE.replace("/", "")
DANGEROUS = [
    *map(chr, range(32)),
    "\x7f",
    *map(chr, range(0x80, 0xA0)),
    "\u2028",
    "\u2029",
    "\u202e",
    "\udc9b",
]


@pytest.mark.parametrize("char", DANGEROUS)
def test_no_control_character_is_left(char):
    assert printable(f"a{char}b").isprintable()
    assert printable(f"a{char}b").isascii()


@pytest.mark.parametrize("text", ["plain", "grün, 東京, naïve", "[bold]", "\\x1b", "a b", "👩‍🚀", ""])
def test_everything_else_stays(text):
    assert printable(text) == text


def test_a_console_has_its_own_styles_and_no_others(capsys):
    console = PrintableConsole(force_terminal=True, color_system="standard", width=60)
    table = Table("Name")
    table.add_row(f"[red]{ESCAPE}[/]")
    console.print(table, ESCAPE, markup=True)
    out = capsys.readouterr().out
    assert "\x1b[31m\\x1b[31mred" in out  # ours around theirs, as text
    assert "\x07" not in out
    assert "\u202e" not in out


def test_a_record_is_one_line_and_a_traceback_keeps_its_own():
    formatter = PrintableFormatter("%(levelname)s %(message)s")
    try:
        int(ESCAPE)
    except ValueError:
        record = logging.LogRecord("a", logging.INFO, "", 1, "%s", (ESCAPE,), sys.exc_info())
    text = formatter.format(record)
    assert text.startswith(f"INFO {printable(ESCAPE)}\nTraceback")
    assert printable(text, keep="\n") == text


@pytest.mark.parametrize("terminal", [False, True])
def test_errors_and_the_log_are_clean(terminal, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = err()
    console._force_terminal = terminal
    start_logging(console)
    logging.getLogger("fringefleet.any").warning("found %s", ESCAPE)
    fail(f"found {ESCAPE}", 2)
    said = capsys.readouterr().err
    assert "\\x1b[31mred" in said.replace("\n", "")
    assert printable(said, keep="\n") == said
    assert sum(line.startswith("error:") for line in said.splitlines()) == 1


@pytest.fixture
def stack(tmp_path):
    """A good stack with such names and texts, in a folder of such a name."""
    path = tmp_path / NAME / f"{NAME}.zarr"
    path.parent.mkdir()
    simulate_stack(Scene(n_date=4, shape=(8, 8)), tmp_path / "plain.zarr")
    source = xr.open_zarr(tmp_path / "plain.zarr", chunks=None).load().drop_encoding()
    source = source.assign({NAME: source["coherence"].assign_attrs(units=ESCAPE)})
    source.attrs |= {"PLATFORM": ESCAPE, ESCAPE: ESCAPE, "stack": ESCAPE}
    source.to_zarr(path, zarr_format=3, consolidated=False)
    return path


def test_every_command_shows_such_names_as_text(stack, tmp_path):
    result = stack.with_name(f"{NAME}-result.zarr")
    lines = [
        ["info", stack],
        ["info", stack, "--json"],
        ["plan", stack, "--quick"],
        ["convert", stack, stack.with_name(f"{NAME}-copy.zarr")],
        ["invert", stack, result, "--workers", "1", "--verbose"],
        ["info", result],
        ["export", result, stack.with_name("mintpy")],
        ["plot", result, stack.with_name("pictures")],
        ["simulate", stack.with_name(f"{NAME}-new.zarr"), "--shape", "4", "4", "--dates", "4"],
    ]
    for line in lines:
        done = CliRunner().invoke(app, [str(part) for part in line])
        said = done.stderr + done.stdout
        assert done.exit_code == 0, said
        assert printable(said, keep="\n") == said
        if "--json" in line:
            assert NAME in json.loads(done.stdout)["path"]


def test_a_wrong_option_is_shown_as_text(stack):
    for line in (["info", f"--{ESCAPE}"], ["info", "a", ESCAPE], [ESCAPE], ["plot", "a", "b", "--truth"]):
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 2
        assert printable(done.stderr, keep="\n") == done.stderr


def test_a_process_logs_warnings_of_libraries_as_lines(stack):
    shutil.copytree(stack / "y", stack / f"{NAME}2")
    (stack / f"{NAME}2" / "zarr.json").unlink()
    line = [sys.executable, "-m", "fringefleet.cli", "info", str(stack)]
    done = subprocess.run(line, capture_output=True, timeout=300, check=False)
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert "ZarrUserWarning" in said
    assert printable(said, keep="\n") == said
