"""The same stack in every layout of HDF5: the same result, and hardly more is read than the file holds."""

import os
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest
import xarray as xr
from distributed import Client
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run
from fringefleet.cli import app
from fringefleet.errors import InputError, RunError
from fringefleet.execution.check import check
from fringefleet.io.hdf5.reader import bytes_asked
from fringefleet.io.store import staging
from fringefleet.io.store.owned import BESIDE
from fringefleet.pipeline import compute
from fringefleet.simulate import Scene
from thread_workers import thread_cluster

SCENE = Scene(n_date=6, neighbours=2, shape=(150, 130), seed=2)
WHOLE = (1, *SCENE.shape)
LAYOUTS = {
    "contiguous": {},
    "auto-chunked": {"chunks": True},
    "whole interferograms": {"chunks": WHOLE},
    "gzip": {"chunks": True, "compression": "gzip"},
    "lzf": {"chunks": True, "compression": "lzf"},
    "shuffle": {"chunks": True, "shuffle": True},
    "whole, gzip": {"chunks": WHOLE, "compression": "gzip", "shuffle": True},
    "whole, lzf": {"chunks": WHOLE, "compression": "lzf"},
    "whole, by the library": {"chunks": WHOLE, "scaleoffset": 3},
}
UNPACKED = ("whole, gzip", "whole, lzf", "whole, by the library")


@pytest.fixture(scope="module")
def source(stack):
    """The stack, in memory, rounded so that every filter keeps it."""
    loaded = xr.open_zarr(stack, consolidated=False).load()
    return loaded.assign(
        {name: loaded[name].round(3).astype("f4") for name in ("unwrapped_phase", "coherence")}
    )


def write(source, path, **kind):
    """Write it as MintPy would."""
    dates = [source[name].dt.strftime("%Y%m%d").values for name in ("reference_date", "secondary_date")]
    n_pair = source.sizes["pair"]
    with h5py.File(path, "w") as file:
        for name, theirs in (("unwrapped_phase", "unwrapPhase"), ("coherence", "coherence")):
            file.create_dataset(theirs, data=source[name].values, **kind)
        file["date"] = [[one.encode(), other.encode()] for one, other in zip(*dates, strict=True)]
        file["dropIfgram"] = np.arange(n_pair) != 1
        row, column = source.attrs["reference_point"]
        facts = {"WAVELENGTH": "0.0555", "ALOOKS": "4", "RLOOKS": "4", "FILE_TYPE": "ifgramStack"}
        file.attrs.update(facts | {"REF_Y": str(row), "REF_X": str(column)})
    return path


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles as for a scene that is much larger: less than a whole interferogram."""
    monkeypatch.setattr("fringefleet.execution.tiling.LARGEST_TILE", 64 * 64)


@pytest.fixture(scope="module")
def by_zarr(source, tmp_path_factory):
    """The result of a Zarr store of the same numbers, in tiles of any size."""
    folder = tmp_path_factory.mktemp("zarr")
    stack = fringefleet.open_stack(write(source, folder / "ifgramStack.h5"), chunks=None)
    stack.load().drop_encoding().to_zarr(folder / "stack.zarr", zarr_format=3, consolidated=False)

    @cache
    def result(tile):
        output = folder / f"{tile}.zarr"
        fringefleet.run(Run(folder / "stack.zarr", output, chunks=tile))
        return xr.open_zarr(output).load()

    return result


def left_beside(output):
    return [path.name for path in output.parent.iterdir() if BESIDE in path.name]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_result_of_zarr_and_is_read_once(
    source, by_zarr, tmp_path, small_tiles, layout, caplog
):
    path = write(source, tmp_path / "ifgramStack.h5", **LAYOUTS[layout])
    job = Run(path, tmp_path / "out.zarr")
    checked = check(job)
    assert checked.n_tile > 1
    before = bytes_asked()
    with caplog.at_level("INFO"):
        compute(checked)
    asked = bytes_asked() - before
    kept = 2 * checked.prepared.stack["unwrapped_phase"].nbytes
    dropped = 2 * 4 * np.prod(SCENE.shape)
    if layout in UNPACKED:
        assert "unpacked once" in caplog.text
        asked -= kept  # the tiles, from what was unpacked
    else:
        assert "unpacked" not in caplog.text
    assert (layout == "whole, by the library") == (asked <= 0)
    assert asked <= 1.2 * (kept + dropped)
    assert left_beside(job.output) == []
    found, expected = xr.open_zarr(job.output).load(), by_zarr(checked.tile)
    for name in expected.data_vars:
        if layout == "whole, by the library":  # whose filter rounds
            xr.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)


def test_a_chunk_that_fits_is_a_tile_and_nothing_is_unpacked(source, tmp_path):
    job = Run(write(source, tmp_path / "a.h5", **LAYOUTS["whole, gzip"]), tmp_path / "out.zarr", n_worker=4)
    checked = check(job)
    assert checked.tile == SCENE.shape
    before = bytes_asked()
    compute(checked)
    assert bytes_asked() - before <= job.stack.stat().st_size


def test_a_disk_without_room_is_said_before_anything_is_done(source, tmp_path, small_tiles, monkeypatch):
    path = write(source, tmp_path / "a.h5", **LAYOUTS["whole, gzip"])
    monkeypatch.setattr(staging, "free_disk_bytes", lambda _: 1000)
    with pytest.raises(InputError, match=r"found 1,000 bytes free .* 1,248,000 are needed"):
        fringefleet.run(Run(path, tmp_path / "out.zarr"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_a_chunk_that_cannot_be_unpacked_ends_the_run_with_its_name_and_nothing_left(
    source, tmp_path, small_tiles
):
    path = write(source, tmp_path / "a.h5", **LAYOUTS["whole, gzip"])
    checked, state = check(Run(path, tmp_path / "out.zarr")), path.stat()
    with h5py.File(path) as file:
        chunk = file["coherence"].id.get_chunk_info(3)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        file.write(b"\0" * 50)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(RunError, match=r"the dataset /coherence of .*a.h5 cannot be read: a chunk"):
        compute(checked)
    assert not (tmp_path / "out.zarr").exists()
    assert left_beside(tmp_path / "out.zarr") == []


def test_workers_of_a_cluster_unpack_and_read(source, by_zarr, tmp_path, small_tiles):
    path = write(source, tmp_path / "a.h5", **LAYOUTS["whole, lzf"])
    with thread_cluster() as cluster, Client(cluster):
        job = Run(path, tmp_path / "out.zarr")
        fringefleet.run(job)
        tile = check(replace(job, existing="resume")).tile
    found, expected = xr.open_zarr(job.output).load(), by_zarr(tile)
    np.testing.assert_array_equal(found["displacement"].values, expected["displacement"].values)
    assert left_beside(job.output) == []


def said_by(*words):
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.output
    return " ".join(answer.output.split())


def test_plan_and_info_say_how_a_stack_is_read(source, tmp_path, small_tiles):
    for layout, said in (
        ("lzf", "directly, on all cores"),
        ("whole, by the library", "by h5py in one thread"),
    ):
        path = write(source, tmp_path / f"{layout}.h5", **LAYOUTS[layout])
        assert said in said_by("info", path)
    assert "1.25 MB once" in said_by("plan", path, tmp_path / "out.zarr", "--quick")
