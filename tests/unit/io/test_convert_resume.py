"""Conversions that are interrupted, resumed, refused; and reading while writing."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from typer.testing import CliRunner

from fringefleet.cli import app
from fringefleet.errors import (
    FringefleetError,
    OptionError,
    OtherOriginError,
    OutputExistsError,
    OutputInUseError,
    RunError,
)
from fringefleet.io import convert_stack, copying, open_stack
from fringefleet.io.store.lock import locked
from fringefleet.io.store.marks import IS_DONE, read_marks
from fringefleet.io.zarr.chunk_files import ChunkFiles

LITTLE = 2 * 4 * 5 * 3 * 3  # bytes: two tiles of 3 x 3 pixels, so that nothing is read ahead


class StoppedError(Exception):
    pass


def interrupt(source, output, *, after=18, **how):
    """Begin a conversion, and stop it after so many pixels of 42."""

    def stop(done, _total):
        if done >= after:
            raise StoppedError

    with pytest.raises(StoppedError):
        convert_stack(source, output, chunks=(3, 3), total_memory=LITTLE, progress=stop, **how)


def partial_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def source(write_mintpy):
    return write_mintpy({"flag": np.arange(42).reshape(6, 7) % 2 == 0})


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.zarr"


def test_what_was_interrupted_is_kept_and_resumed_to_the_same_bytes(source, output, tmp_path, caplog):
    convert_stack(source, tmp_path / "whole.zarr", chunks=(3, 3))
    interrupt(source, output)
    assert not output.exists()
    assert "converted tiles are kept" in caplog.text
    done = read_marks(zarr.open_group(partial_of(output), mode="r")) == IS_DONE
    assert 0 < done.sum() < done.size
    convert_stack(source, output, resume=True, total_memory=10 * LITTLE)  # in other buffers
    assert files_of(output) == files_of(tmp_path / "whole.zarr")
    assert {path.name for path in tmp_path.iterdir()} == {"out.zarr", "whole.zarr", source.name}


def test_what_is_finished_is_left_alone_by_resume_and_refused_without(source, output):
    convert_stack(source, output, chunks=(3, 3), resume=True)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    convert_stack(source, output, resume=True)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    with pytest.raises(OutputExistsError, match="exists"):
        convert_stack(source, output, chunks=(2, 2), resume=True)
    with pytest.raises(OutputExistsError, match="exists"):
        convert_stack(source, output)
    os.utime(source, (1e9, 1e9))  # of the same size, but who knows what is in it now
    with pytest.raises(OutputExistsError, match="exists"):
        convert_stack(source, output, resume=True)
    convert_stack(source, output, resume=True, accept_touched=True)


def test_a_conversion_of_something_else_is_not_resumed(source, output, write_mintpy):
    interrupt(source, output)
    before = files_of(partial_of(output))
    with pytest.raises(OtherOriginError, match=r"out.zarr cannot be resumed: .*chunks = 2 2 \(it was 3 3\)"):
        convert_stack(source, output, chunks=(2, 2), resume=True)
    source.write_bytes(source.read_bytes() + b"more")
    with pytest.raises(OtherOriginError, match=r"has changed since, .*1 changed: the file itself"):
        convert_stack(source, output, resume=True)
    assert files_of(partial_of(output)) == before


def test_a_stack_that_was_touched_is_resumed_if_that_is_accepted(source, output):
    interrupt(source, output)
    os.utime(source, (1e9, 1e9))
    with pytest.raises(OtherOriginError, match="accept_touched = True"):
        convert_stack(source, output, resume=True)
    convert_stack(source, output, resume=True, accept_touched=True)
    xr.testing.assert_identical(open_stack(output).compute(), open_stack(source).compute())


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda file: os.truncate(file, 0), lambda file: os.truncate(file, 20)]
)
@pytest.mark.parametrize("where", ["stack/unwrapped_phase", "stack/flag", "progress/n_byte", "progress/done"])
def test_a_file_that_is_gone_or_cut_off_is_made_again(source, output, tmp_path, where, damage):
    convert_stack(source, tmp_path / "whole.zarr", chunks=(3, 3))
    interrupt(source, output)
    file = next(path for path in (partial_of(output) / where).glob("c/**/0/0") if path.is_file())
    damage(file)
    convert_stack(source, output, resume=True)
    assert files_of(output) == files_of(tmp_path / "whole.zarr")


@pytest.fixture
def stack(source, tmp_path):
    """A Zarr stack with a coordinate of each pixel."""
    data = open_stack(source, chunks=None).load()
    data["latitude"] = ("y", "x"), np.arange(42.0).reshape(6, 7)
    data = data.set_coords("latitude").drop_encoding()
    chunks = {name: {"chunks": (*data[name].shape[:-2], 3, 3)} for name in ("unwrapped_phase", "latitude")}
    data.to_zarr(tmp_path / "stack.zarr", encoding=chunks, consolidated=False)
    return tmp_path / "stack.zarr"


def last_chunk(stack, name="unwrapped_phase"):
    return max(path for path in (stack / name / "c").rglob("*") if path.is_file())


def test_a_damaged_chunk_of_the_stack_is_replaced_and_the_conversion_goes_on(stack, output, caplog):
    file = last_chunk(stack)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FringefleetError, match=r"damaged|truncated"):
        convert_stack(stack, output, chunks=(3, 3), total_memory=LITTLE)
    done = read_marks(zarr.open_group(partial_of(output), mode="r")) == IS_DONE
    assert 0 < done.sum() < done.size
    file.write_bytes(whole)

    def stop(_done, _total):
        raise StoppedError

    with pytest.raises(StoppedError):
        convert_stack(stack, output, resume=True, total_memory=LITTLE, progress=stop)
    assert "no finished tile was read from" in caplog.text
    caplog.clear()
    convert_stack(stack, output, resume=True, total_memory=LITTLE)
    assert caplog.text == ""
    xr.testing.assert_identical(open_stack(output).compute(), open_stack(stack).compute())


def test_a_coordinate_that_was_written_at_once_may_not_change(stack, output):
    interrupt(stack, output)
    array = zarr.open_group(stack, mode="r+")["latitude"]
    array[3:, 6:] = -1
    with pytest.raises(OtherOriginError, match=r"two versions would be mixed: .*latitude/"):
        convert_stack(stack, output, resume=True, total_memory=LITTLE)


def test_no_file_of_a_part_in_memory_may_change(stack, output):
    interrupt(open_stack(stack).isel(y=slice(3, None)), output, after=9)
    last_chunk(stack).write_bytes(b"")
    with pytest.raises(OtherOriginError, match="two versions would be mixed"):
        convert_stack(open_stack(stack).isel(y=slice(3, None)), output, resume=True, total_memory=LITTLE)


def test_without_resume_it_begins_anew(source, output, caplog):
    interrupt(source, output)
    convert_stack(source, output, chunks=(2, 2))
    assert "is discarded" in caplog.text
    assert zarr.open_array(output / "coherence").chunks[1:] == (2, 2)
    assert not partial_of(output).exists()


def test_one_that_replaces_an_output_is_resumed_and_replaces_it(source, output, write_mintpy):
    convert_stack(write_mintpy(attrs={"OLD": "1"}, name="other.h5"), output)
    interrupt(source, output, overwrite=True)
    assert open_stack(output).attrs["OLD"] == "1"
    convert_stack(source, output, resume=True)
    assert "OLD" not in open_stack(output).attrs


def test_a_folder_of_somebody_else_is_not_removed(source, output):
    partial_of(output).mkdir()
    (partial_of(output) / "thesis.tex").write_text("words")
    for resume in (True, False):
        with pytest.raises(OutputExistsError, match="is not a conversion"):
            convert_stack(source, output, resume=resume)
    assert (partial_of(output) / "thesis.tex").read_text() == "words"


def test_a_stack_that_is_changed_meanwhile_is_noticed_at_the_end(source, output, tmp_path):
    zarr_source = tmp_path / "in.zarr"
    convert_stack(source, zarr_source, chunks=(3, 3))

    def change(done, total):
        if done == total:
            (zarr_source / "coherence" / "c" / "0" / "0" / "0").write_bytes(b"other")

    with pytest.raises(RunError, match=r"changed during its conversion: 1 changed: coherence/c/0/0/0"):
        convert_stack(zarr_source, output, progress=change)
    assert not output.exists()
    assert not partial_of(output).exists()


def test_a_second_conversion_to_the_same_output_is_refused(source, output):
    with locked(output), pytest.raises(OutputInUseError, match="is being written by another run"):
        convert_stack(source, output)


def test_resume_needs_to_know_the_files_and_excludes_overwrite(source, output):
    with pytest.raises(OptionError, match="a stack in memory"):
        convert_stack(open_stack(source).compute().drop_encoding(), output, resume=True)
    with pytest.raises(OptionError, match="found both resume = True and overwrite = True"):
        convert_stack(source, output, resume=True, overwrite=True)


def test_the_command_resumes(source, output):
    interrupt(source, output)
    refused = CliRunner().invoke(app, ["convert", str(source), str(output), "--resume", "--chunks", "2", "2"])
    assert refused.exit_code == 2
    assert "found --chunks 2 2 (it was 3 3)" in " ".join(refused.output.split())
    resumed = CliRunner().invoke(app, ["convert", str(source), str(output), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert zarr.open_array(output / "coherence").chunks[1:] == (3, 3)


def test_the_next_buffer_is_read_while_one_is_written(source, output, monkeypatch):
    """Writing waits for a read that comes after it, which never comes where they are done in turn."""
    n_read, came = 0, threading.Event()
    read, write = copying._reading, ChunkFiles.write

    def reading(*args):
        nonlocal n_read
        for found in read(*args):
            n_read += 1
            if n_read == 2:
                came.set()
            yield found

    def writing(files, *args, **how):
        if "unwrapped_phase" in files.folder:
            assert came.wait(60)
        return write(files, *args, **how)

    monkeypatch.setattr(copying, "_reading", reading)
    monkeypatch.setattr(ChunkFiles, "write", writing)
    convert_stack(source, output, chunks=(3, 3), total_memory=4 * LITTLE)
    assert came.is_set()


def test_two_buffers_of_memory_are_enough_whatever_comes_in_between(write_mintpy, output):
    """The memory of a buffer is written over by the one after the next: not before it is written."""
    source = write_mintpy(shape=(40, 30))
    convert_stack(source, output, chunks=(3, 3), total_memory=4 * LITTLE)
    xr.testing.assert_identical(open_stack(output).compute(), open_stack(source).compute())
    shutil.rmtree(output)
