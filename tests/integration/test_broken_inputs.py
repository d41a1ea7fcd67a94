"""Damaged and malicious inputs of every format, by every command: one message, and nothing written."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner

from broken_inputs import CASES, ESCAPE, NO_FILE, Broken, loop_of_links, put, sparse, walk
from fringefleet.cli import app
from fringefleet.cli.printable import printable
from good_inputs import write_good_inputs
from long_cases import mostly_long
from unit.io.readers import checks

pytestmark = [
    # What is damaged may be warned of by a library, too, which the log shows as a line.
    pytest.mark.filterwarnings("ignore"),
]
POINT = [str(part) for part in checks.POINT]
# What folders of other processors do not say; a number that a case spoils is not replaced.
UNSAID = {"dolphin": ["--wavelength", "0.0555", "--looks", "8"], "licsar": ["--looks", "8"]}
MEMORY = 3 * 1024**3  # [byte] of addresses; importing everything takes less than half of that


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder of good inputs, one of each kind, by its name."""
    return write_good_inputs(tmp_path_factory.mktemp("good"))


@pytest.fixture
def spoil(good, tmp_path, monkeypatch):
    """Copy a good input beside an empty folder for outputs, and change it."""

    def make(broken: Broken):
        monkeypatch.chdir(tmp_path)
        source = good[broken.base]
        shutil.copytree(source.parent, tmp_path / "in", symlinks=True)
        path = tmp_path / "in" / source.name
        return broken.change(path) or path

    (tmp_path / "out").mkdir()
    return make


def arguments(command, path, folder, kind=""):
    """A command line that reads a path, and would write to a folder."""
    inversion = ["--reference-point", *POINT, *UNSAID.get(kind, [])]
    return {
        "info": ["info", path],
        "plan": ["plan", path, "--quick", *inversion],
        "invert": ["invert", path, folder / "made.zarr", *inversion],
        "convert": ["convert", path, folder / "made.zarr"],
        "export": ["export", path, folder / "made"],
        "plot": ["plot", path, folder / "made"],
        "resume": ["invert", path.with_name("stack.zarr"), path, "--resume", "--chunks", "8", "16"],
        "mintpy": ["mintpy", path],
    }[command]


def check_message(code, stderr, stdout=""):
    """One line says what is wrong, and neither it nor any other has what a terminal would obey."""
    lines = stderr.splitlines()
    assert code in (1, 2), stderr + stdout
    assert sum(line.startswith("error:") for line in lines) == 1, stderr
    assert "Traceback" not in stderr + stdout
    assert "Repeat with --verbose" not in stderr  # which an error has that nobody thought of
    said = stderr + stdout
    assert printable(said, keep="\n") == said


def check_warning(stderr, stdout, *, is_odd_text):
    """What is not needed is left out with a word; a text may be any."""
    assert is_odd_text or "WARNING" in stderr
    assert "Traceback" not in stderr + stdout
    assert printable(stderr + stdout, keep="\n") == stderr + stdout


# What only describes a scene stops nothing where it cannot be read.
OPTIONAL = (
    "baselines of",
    "metadata of licsar",
    "a metadata file of a gigabyte",
    "xml of a swath",
    "parameters of",
    "a number of",
    "a parameter file",
    "a bomb in an archive",
    "other checksums",
    "a loop in a product",
)


def commands_of(name):
    """List the commands that read what is broken."""
    broken = CASES[name]
    is_mintpy = broken.base == "mintpy" and "plan" in broken.commands
    return (*broken.commands, *["mintpy"] * is_mintpy)


def one_of(index, commands):
    """Give one of them; another for the next case, as all cases of a format have the same."""
    return (commands[index % len(commands)],)


BROKEN = [(name, one_of(index, commands_of(name))) for index, name in enumerate(CASES)]
BROKEN_LONG = [
    (name, commands_of(name)) for name, commands in BROKEN if len(commands) < len(commands_of(name))
]


@pytest.mark.parametrize(("name", "commands"), mostly_long(BROKEN + BROKEN_LONG, len(BROKEN)), ids=str)
def test_a_broken_input_ends_in_one_message_and_writes_nothing(name, commands, spoil, tmp_path):
    broken = CASES[name]
    path = spoil(broken)
    before = list(walk(tmp_path))
    optional = any(words in name for words in OPTIONAL)
    for command in commands:
        given = arguments(command, path, tmp_path / "out", broken.base)
        done = CliRunner().invoke(app, [str(part) for part in given])
        if optional and done.exit_code == 0:
            check_warning(done.stderr, done.stdout, is_odd_text="escapes" in name)
        else:
            check_message(done.exit_code, done.stderr, done.stdout)
            after = list(walk(tmp_path))
            assert unless_begun(command, after) == unless_begun(command, before), command
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()


def unless_begun(command, items):
    """Leave out what is of a result that was begun when a tile could not be read: it can be resumed."""
    return [
        item
        for item in items
        if not (command == "invert" and item[0].startswith("out/"))
        and not (command == "resume" and item[0].endswith(".report.json"))
    ]


FILES = {
    "missing, with escapes": lambda folder: folder / f"{ESCAPE}.h5",
    "a name of 300 characters": lambda folder: folder / ("n" * 300),
    "a loop of links": lambda folder: loop_of_links(folder / "x"),
    "a folder": lambda folder: folder,
    "a device": lambda _folder: Path("/dev/zero"),
    "a file of a gigabyte": lambda folder: sparse(folder / "sparse", 1024**3),
    "a text": lambda folder: write(folder / "text", ESCAPE),
    "an empty file": lambda folder: write(folder / "empty", ""),
    "HDF5 with a loop": lambda folder: write_hdf5(folder / "loop.h5", lambda _: h5py.SoftLink("/mask")),
    "HDF5 with a link": lambda folder: write_hdf5(folder / "l.h5", lambda _: h5py.ExternalLink("x", "mask")),
    "HDF5 with other raw data": lambda folder: write_hdf5(folder / "raw.h5", raw_elsewhere),
    "HDF5 with a huge dataset": lambda folder: write_hdf5(folder / "huge.h5", huge),
    "HDF5 whose end is missing": lambda folder: cut(write_hdf5(folder / "cut.h5", lambda _: [[1.0]])),
}
OPTIONS = {
    "--water-mask": [],
    "--geometry": ["--dem-error"],
    "--average-coherence": [],
    "--template": [],
    "--cluster-config": [],
    "--truth": None,
}


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def write_hdf5(path, make):
    """Write the dataset of all names that are looked for."""
    with h5py.File(path, "w") as file:
        for name in ("mask", "slantRangeDistance"):
            made = make(file)
            if made is not None:
                file[name] = made
    return path


def raw_elsewhere(file):
    for name in ("mask", "slantRangeDistance"):
        if name not in file:
            file.create_dataset(name, (20, 24), "u1", external=[("/etc/passwd", 0, 480)])


def huge(file):
    for name in ("mask", "slantRangeDistance"):
        if name not in file:
            file.create_dataset(name, (10**6, 10**6), "f4", chunks=(64, 64))


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])
    return path


# An average coherence of another size is not used, and that is said.
PAIRED = [
    (name, option)
    for name in FILES
    for option in OPTIONS
    if (name, option) != ("HDF5 with a huge dataset", "--average-coherence")
]


@pytest.mark.parametrize(("name", "option"), PAIRED)
def test_a_broken_file_of_an_option_is_one_message_too(name, option, good, spoil, tmp_path):
    path = spoil(Broken("zarr", lambda _: None))
    (tmp_path / "files").mkdir()
    file = FILES[name](tmp_path / "files")
    given = [*arguments("invert", path, tmp_path / "out"), option, file, *(OPTIONS[option] or [])]
    if option == "--truth":
        given = [*arguments("plot", good["result"], tmp_path / "out"), option, file]
    done = CliRunner().invoke(app, [str(part) for part in given])
    check_message(done.exit_code, done.stderr, done.stdout)
    assert done.exit_code == 2
    assert not list((tmp_path / "out").iterdir())


OUTPUTS = {
    "in a file system of the kernel": "/proc/o.zarr",
    "in a device": "/dev/null/o.zarr",
    "a name of 250 characters": "n" * 250,
    "a path of 5000 characters": "/".join(["n" * 200] * 25),
    "a loop of links": "loop/o.zarr",
    "with escapes, in a file": f"file/{ESCAPE}.zarr",
}


@pytest.mark.parametrize("command", ["invert", "convert", "export", "simulate"])
@pytest.mark.parametrize("name", list(OUTPUTS))
def test_an_output_that_cannot_be_is_refused_before_any_work(name, command, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("file").touch()
    output = OUTPUTS[name]
    given = {
        "invert": ["invert", good["zarr"], output],
        "convert": ["convert", good["zarr"], output],
        "export": ["export", good["result"], output],
        "simulate": ["simulate", output],
    }[command]
    done = CliRunner().invoke(app, [str(part) for part in given])
    check_message(done.exit_code, done.stderr, done.stdout)
    assert done.exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


LIMITED = [
    "zarr: metadata of the phase, shape of 1e12 pixels",
    "zarr: metadata of the phase, chunk of 1 TB",
    "zarr 2: metadata of the phase 2, text",
    "result: marks of tiles, huge",
    "mintpy: a phase of 1e12 pixels",
    "hyp3: a parameter file of a gigabyte",
    "hyp3 zips: a bomb in an archive",
    "licsar: a raster of 1e12 pixels",
    "isce: xml of a swath, bomb",
    "isce: a header of isce that is no text",
    "nothing: a name that is no utf 8",
]


def limited():
    """Bound the memory of a process, and what it may write."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.mark.parametrize("name", LIMITED)
def test_a_process_of_its_own_needs_little_memory_for_it(name, spoil, tmp_path):
    broken = CASES[name]
    path = spoil(broken)
    command = next(command for command in broken.commands if command in ("info", "convert", "export"))
    given = arguments(command, path, tmp_path / "out", broken.base)
    line = [sys.executable, "-m", "fringefleet.cli", *map(str, given)]
    done = subprocess.run(line, capture_output=True, timeout=300, check=False, preexec_fn=limited)
    if done.returncode == 0 and any(words in name for words in OPTIONAL):
        check_warning(done.stderr.decode(), done.stdout.decode(), is_odd_text=False)
        return
    check_message(done.returncode, done.stderr.decode(), done.stdout.decode())
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", list(NO_FILE))
def test_a_report_that_is_no_file_begins_anew(kind, spoil):
    path = spoil(Broken("result", lambda _: None))
    report = path.with_name(f"{path.name}.report.json")
    put(report, NO_FILE[kind])
    done = CliRunner().invoke(app, [str(part) for part in arguments("resume", path, path.parent)])
    assert done.exit_code == 0, done.stderr
    assert report.is_file()
    assert not report.is_symlink()
