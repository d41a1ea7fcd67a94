"""Options in messages: words of Python in Python, words of the command line there, for every message."""

import ast
import re
from pathlib import Path

import pytest
import typer

import fringefleet
from fringefleet.cli import app
from fringefleet.cli.words import in_words_of_the_command, set_spelling, translate_names
from fringefleet.errors import InputError, OptionError
from fringefleet.io.mintpy.names import mintpy_name
from fringefleet.option_words import IN_PYTHON, in_words_of_python, mark, option

SOURCE = Path(fringefleet.__file__).parent
WORD = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# Options of other programs, and of commands that have no function in Python.
FOREIGN = {
    "--gres",
    "--interactive",
    "--scheduler-file",
    "--quick",
    "--dset",
    "--list",
    "--reset",
}
FOREIGN |= {"--wait", "--dashboard"}
COMMAND = {"cli", "mintpy"}  # folders of what has words of the command line only
COMMANDS = typer.main.get_command(app).commands


def raised_texts(path):
    """All texts in what a module raises."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and node.exc is not None:
            texts = [part.value for part in ast.walk(node.exc) if isinstance(part, ast.Constant)]
            yield " ".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize(
    "module",
    sorted(
        path.as_posix()
        for path in (found.relative_to(SOURCE) for found in SOURCE.rglob("*.py"))
        if not COMMAND & set(path.parts)
    ),
)
def test_no_message_of_the_library_reaches_python_with_an_option_of_the_command_line(module):
    for text in raised_texts(SOURCE / module):
        left = set(WORD.findall(str(InputError(text)))) - FOREIGN
        assert not left, f"{left} in {text!r}: name them in option_words.IN_PYTHON, or use option()"


@pytest.mark.parametrize("name", IN_PYTHON)
def test_every_option_of_the_table_is_one_of_a_command(name):
    words = {word for command in COMMANDS.values() for item in command.params for word in item.opts}
    assert f"--{name}" in words or name == "no-tls"


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("give --wavelength METRES.", "give wavelength = METRES."),
        ("give --reference-point Y X, or", "give reference_point = (Y, X), or"),
        ("give --drop-unreferenced to leave", "give drop_unreferenced = True to leave"),
        ("--cluster local --device cuda.", "cluster = local device = cuda."),
        ("choose --weight-func no and no --mask-dataset.", "choose weight_func = no and no mask_dataset."),
        ("ask with --gres=gpu:2 or --nworkers 3", "ask with --gres=gpu:2 or --nworkers 3"),
        ("give --resume to finish it", "give existing = resume to finish it"),
        ("give --chunks 40 40 or less", "give chunks = (40, 40) or less"),
        ("a path /a--looks/b", "a path /a--looks/b"),
    ],
)
def test_words_of_the_command_line_become_words_of_python(text, python):
    assert str(OptionError(text)) == python


def test_a_marked_option_is_spelled_as_the_command_takes_it():
    options = (option("mask_threshold", 0.5), option("device", "cuda"), option("dem_error", True))
    text = ", ".join((*options, mark("--looks N")))
    for command, expected in {
        "invert": "--mask-threshold 0.5, --device cuda, --dem-error, --looks N",
        "mintpy": "--mask-thres 0.5, --solver torch, dem_error = True, --looks N",
        None: "mask_threshold = 0.5, device = cuda, dem_error = True, looks = N",
    }.items():
        set_spelling([] if command is None else COMMANDS[command].params)
        assert in_words_of_the_command(text) == expected


def test_names_of_datasets_are_those_of_mintpy_where_the_command_has_them():
    text = "found no offset_snr (MintPy: offsetSNR); give range_offset, or unwrapped_phase_mine"
    text = f"{text}. See a/range_offset.h5"
    set_spelling([])
    assert "found no offset_snr (MintPy: offsetSNR); give range_offset," in in_words_of_the_command(text)
    translate_names(mintpy_name)
    named = "found no offsetSNR; give rangeOffset, or unwrapPhase_mine. See a/range_offset.h5"
    assert in_words_of_the_command(text) == named
    set_spelling([])
    assert in_words_of_the_command(text) == text


def test_marks_are_in_no_text_that_anybody_reads():
    error = OptionError(f"found {option('looks', 0)}; give --looks N.")
    assert str(error) == "found looks = 0; give looks = N."
    assert "\x02" not in repr(error)
    assert in_words_of_python(error.marked) == str(error)
