"""The commands export and mask, as they are typed."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run
from fringefleet.cli import app
from fringefleet.simulate import Scene, simulate_stack


@pytest.fixture
def result(tmp_path):
    simulate_stack(Scene(n_date=4, shape=(20, 30), missing=0.3), tmp_path / "stack.zarr")
    fringefleet.run(Run(tmp_path / "stack.zarr", tmp_path / "result.zarr", chunks=(10, 15)))
    return tmp_path / "result.zarr"


def call(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def read(path):
    with rasterio.open(path) as file:
        return file.read(1)


def test_a_result_is_masked_and_exported_with_and_without(result, tmp_path):
    known = xr.open_zarr(result).load()
    keep = (known["temporal_coherence"] >= 0.9).values
    done = call("mask", result, "--min-temporal-coherence", "0.9")
    assert done.exit_code == 0, done.output
    n_kept = int(keep.sum())
    share = f"{100 * n_kept / keep.size:.1f}"
    assert f"{n_kept} of 600 pixels are kept ({share} %): temporal_coherence >= 0.9" in done.stdout
    options = ("--format", "cog", "--variables", "displacement", "--dates", "2018-01-18", "--unit", "mm")
    name = "displacement_20180118.tif"
    for folder, more, kept in (
        ("masked", (), keep),
        ("all", ("--no-mask",), np.ones_like(keep)),
        ("other", ("--mask", "mask == left_out"), ~keep),
    ):
        done = call("export", result, tmp_path / folder, *options, *more)
        assert done.exit_code == 0, done.output
        assert done.stdout == f"{tmp_path / folder / name}\n"
        expected = np.where(kept, 1000 * known["displacement"][1], np.nan)
        np.testing.assert_allclose(read(tmp_path / folder / name), expected, rtol=1e-6)
    done = call("mask", result, "--remove")
    assert (done.exit_code, done.stdout) == (0, f"{result}: no mask\n")
    assert "mask" not in xr.open_zarr(result)


def test_pictures_are_masked_too(result, tmp_path):
    assert call("mask", result, "--min-temporal-coherence", "0.9").exit_code == 0
    for folder, more in (("masked", ()), ("all", ("--no-mask",))):
        done = call("plot", result, tmp_path / folder, *more)
        assert done.exit_code == 0, done.output
    masked, everything = ((tmp_path / folder / "maps.png").read_bytes() for folder in ("masked", "all"))
    assert call("mask", result, "--remove").exit_code == 0
    assert call("plot", result, tmp_path / "plain").exit_code == 0
    assert masked != everything == (tmp_path / "plain" / "maps.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("export", "RESULT", "out", "--no-mask", "--mask", "status == ok"),
            "and --no-mask; give one of them",
        ),
        (("export", "RESULT", "out", "--format", "cog", "--mask", "os.remove"), "which is no comparison"),
        (("export", "RESULT", "out", "--format", "cog", "--mask", "coherence > 1"), "and no map coherence"),
        (
            ("export", "RESULT", "out", "--format", "cog", "--dates", "20200101"),
            "found --dates 20200101, which",
        ),
        (
            ("export", "RESULT", "out", "--format", "cog", "--variables", "v"),
            "found --variables v, and no such",
        ),
        (("export", "RESULT", "out", "--format", "cog", "--unit", "km"), "km"),
        (("export", "RESULT", "out", "--unit", "mm"), "found --unit with the format mintpy"),
        (("export", "RESULT", "out.nc", "--format", "cog"), "a name of NetCDF"),
        (("export", "RESULT", "RESULT", "--format", "zarr2"), "is or contains"),
        (("export", "RESULT", "RESULT/maps", "--format", "cog"), "is inside the Zarr store"),
        (("mask", "RESULT"), "found no limit for the mask. Give some: --min-temporal-coherence"),
        (("mask", "RESULT", "--remove", "--max-rms", "1"), "found --max-rms and --remove; give one of them"),
        (("mask", "RESULT", "--status", "okay"), "found --status okay"),
        (("mask", "stack.zarr", "--status", "ok"), "no such file"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(result, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path / "result.zarr")
    monkeypatch.chdir("..")
    before = sorted(tmp_path.rglob("*"))
    done = call(*(word.replace("RESULT", "result.zarr").replace("stack.zarr", "gone.zarr") for word in words))
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert sorted(tmp_path.rglob("*")) == before
