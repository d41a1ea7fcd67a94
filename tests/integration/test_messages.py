"""Messages of the command line and of the Python functions about what a user got wrong."""

import re
import socket
import socketserver
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.errors import KindError, StackFormatError
from fringefleet.simulate import Scene, simulate_stack
from mintpy_stack import write_mintpy_stack

POINT = "row and column of a pixel are meant, counted from 0, no latitude and longitude"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    simulate_stack(Scene(n_date=6, neighbours=2, shape=(12, 10)), folder / "stack.zarr")
    fringefleet.run(folder / "stack.zarr", folder / "result.zarr", progress=False)
    (folder / "empty").mkdir()
    (folder / "text.txt").write_text("hello")
    (folder / "intf_all" / "2018006_2018018").mkdir(parents=True)
    (folder / "intf_all" / "2018006_2018018" / "unwrap_ll.grd").write_bytes(b"")
    (folder / "project" / "inputs").mkdir(parents=True)
    stack = fringefleet.open_stack(folder / "stack.zarr", chunks=None)
    write_mintpy_stack(stack, folder / "project" / "inputs" / "ifgramStack.h5")
    (folder / "project" / "smallbaselineApp.cfg").write_text("mintpy.networkInversion.minNumPixel = 1\n")
    (folder / "there.zarr").mkdir()
    (folder / "there.zarr" / "file").write_text("something")
    (folder / "kind.toml").write_text('[cluster]\nn_worker = "x"\n')
    (folder / "key.toml").write_text("[cluster]\nn_wroker = 2\n")
    return folder


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")


def refused(*args):
    """What is said, in one line; nothing may be written."""
    there = {path.name for path in Path.cwd().iterdir()}
    done = CliRunner().invoke(app, list(map(str, args)))
    assert done.exit_code == 2, done.output
    assert {path.name for path in Path.cwd().iterdir()} == there
    return " ".join(done.output.split())


@pytest.mark.parametrize("command", [("invert", "stack.zarr"), ("convert", "stack.zarr"), ("simulate",)])
@pytest.mark.parametrize(
    ("name", "kind"),
    {"a.h5": "HDF5", "a.nc": "NetCDF", "a.TIF": "GeoTIFF", "a.zip": "an archive", "a.txt": "text"}.items(),
)
def test_an_output_with_the_name_of_another_format_is_refused(command, name, kind):
    said = refused(*command, name)
    assert f"{name} as an output, a name of {kind}; what is written is Zarr" in said


WRONG = {
    "two numbers with a point": (
        ["--reference-point", "19.43", "-99.17"],
        f"19.43 is no whole number; {POINT}",
    ),
    "one number": (["--reference-point", "9"], f"'--reference-point' requires 2 arguments; {POINT}"),
    "no word": (["--weight-func", "vra"], "'vra' is not one of 'var', 'fim', 'coh', 'no'"),
    "no number": (["--looks", "many"], "many is no whole number"),
    "a table with another kind": (
        ["--cluster-config", "kind.toml"],
        "found --workers 'x' of the type str; give a whole number.",
    ),
    "a table with another key": (["--cluster-config", "key.toml"], "Did you mean n_worker?"),
    "a threshold": (
        ["--mask-dataset", "coherence", "--mask-threshold", "40"],
        "--mask-threshold 40.0; give a",
    ),
    "no coherence": (["--dataset", "range_offset"], "found no range_offset"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_value_that_is_wrong_is_named_with_what_is_meant(name):
    options, message = WRONG[name]
    said = refused("invert", "stack.zarr", "out.zarr", *options)
    assert message in said
    assert "Value error" not in said
    assert "parse string" not in said


@pytest.mark.parametrize("name", ["two numbers with a point", "one number", "no number"])
def test_a_value_that_cannot_be_read_comes_with_the_usage(name):
    assert "Usage: fringefleet invert" in refused("invert", "stack.zarr", "out.zarr", *WRONG[name][0])


def test_options_that_are_wrong_are_said_together_and_before_an_output_that_is_there():
    options = ("--mask-threshold", "0.3", "--wavelength", "9", "--looks", "-2")
    said = refused("invert", "stack.zarr", "there.zarr", *options)
    assert "(1) found --mask-threshold 0.3, which has an effect only with --mask-dataset" in said
    assert "(2) found --wavelength 9, which is not the wavelength of an imaging radar" in said
    assert "there.zarr exists" not in said
    assert "there.zarr exists" in refused("invert", "stack.zarr", "there.zarr")


@pytest.mark.parametrize("stack", [np.zeros((3, 4, 5)), xr.DataArray(np.zeros(3)), 3, None])
def test_what_is_no_stack_is_refused_with_its_type(stack):
    with pytest.raises(KindError, match=f"of the type {type(stack).__name__}; give a Dataset"):
        fringefleet.invert(stack)


def test_workers_of_an_unknown_kind_are_named_as_they_were_given():
    said = refused("invert", "stack.zarr", "out.zarr", "--cluster", "pbs")
    assert "found --cluster 'pbs'. Give local, local-cuda, slurm" in said


def test_a_dataset_with_nothing_in_it_is_refused():
    with pytest.raises(StackFormatError, match="in the stack, which has nothing; the inversion needs it"):
        fringefleet.invert(xr.Dataset())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope.zarr", "nope.zarr: no such file or folder (here: "),
        ("empty", "empty: found no stack: it is a folder with nothing in it."),
        ("text.txt", "text.txt: found no stack: it is a text file."),
        ("intf_all", "give one of them, which stands for all: intf_all/2018006_2018018/unwrap_ll.grd."),
    ],
)
def test_what_is_no_stack_is_named_in_a_line(name, message):
    said = refused("info", name)
    assert message in said
    assert len(said) < 300


def test_a_folder_that_cannot_take_an_output_is_named_before_any_worker_starts():
    said = refused("invert", "stack.zarr", "/proc/o.zarr", "--workers", "1")
    assert "/proc/o.zarr cannot be created: /proc is not a folder that you may write to" in said
    assert "starting" not in said
    assert "found a name of 265 characters" in refused("invert", "stack.zarr", f"{'n' * 260}.zarr")


def test_pictures_are_not_written_into_a_file():
    assert "found a file where the pictures need a folder: text.txt" in refused(
        "plot", "result.zarr", "text.txt"
    )


def test_a_run_that_is_resumed_with_other_options_names_them():
    said = refused(
        "invert", "stack.zarr", "result.zarr", "--resume", "--norm", "huber", "--min-redundancy", "0.5"
    )
    assert "it was started with other options: found " in said
    assert "--norm huber (it was l2)" in said
    assert "--min-redundancy 0.5 (it was 1.0)" in said
    assert re.search(r"[0-9a-f]{16}", said) is None  # no fingerprint


def test_an_interface_that_is_not_there_is_told_from_those_that_are(tmp_path):
    args = ("--cluster", "slurm", "--interface", "nope0", "--workers", "1")
    done = CliRunner().invoke(app, ["invert", "stack.zarr", str(tmp_path / "out.zarr"), *args])
    said = " ".join(done.output.split())
    assert done.exit_code == 2
    assert "found no network interface 'nope0' on this machine" in said
    assert "nope0" not in said.partition("can reach it: ")[2].partition(".")[0]
    dry = CliRunner().invoke(app, ["slurm", "--dry-run", "--workers", "1", "--interface", "nope0"])
    assert dry.exit_code == 0
    assert "--interface nope0" in dry.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU, which the command would use")
def test_a_step_that_has_no_gpu_advises_what_the_command_has():
    said = refused("mintpy", "project", "--solver", "torch")
    assert "--device" not in said
    assert "--solver" in said


def test_a_stack_is_no_result_to_export():
    said = refused("export", "stack.zarr", "out")
    assert "stack.zarr is not a result: it is a stack" in said
    assert "`fringefleet invert` makes a result from it first" in said


@contextmanager
def server_that_says(answer):
    """The address of a server that takes connections, and answers with some bytes."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(answer)
            self.request.recv(100_000)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_scheduler_that_is_none_is_told_at_once_and_one_that_is_silent_after_the_wait():
    with server_that_says(b"HTTP/1.0 400 Bad request\r\nContent-Length: 0\r\n\r\n" * 9) as address:
        said = refused("invert", "stack.zarr", "out.zarr", "--cluster", address, "--wait", "60")
    assert f"found something else than a Dask scheduler at {address}, such as a web server" in said
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    said = refused("invert", "stack.zarr", "out.zarr", "--cluster", address, "--wait", "1")
    assert f"no answer from {address} yet" in said
    assert f"found no Dask scheduler at {address} within 1 s" in said
    assert "give more seconds with --wait" in said


def test_a_table_of_statuses_has_those_that_occur():
    said = CliRunner().invoke(app, ["info", "result.zarr"]).output
    assert "reference point" in said
    assert "failed tile" not in said
    assert "not converged" not in said


def test_a_plan_says_a_short_time_once():
    said = CliRunner().invoke(app, ["plan", "stack.zarr", "--quick"]).output
    assert "about less than" not in said


def test_workers_that_do_not_start_are_explained_without_a_word_of_what_was_not_given(tmp_path):
    args = ("--workers", "1", "--worker-memory", "1")
    done = CliRunner().invoke(app, ["invert", "stack.zarr", str(tmp_path / "out.zarr"), *args])
    assert done.exit_code == 2
    assert "none were given" not in done.output
    assert "--worker-memory" in done.output
