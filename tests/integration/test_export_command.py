"""The commands export and mask, as they are typed."""

import re
import shutil

import numpy as np
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run
from fringefleet.cli import app
from fringefleet.io.writers import WRITERS
from fringefleet.simulate import Scene, simulate_stack


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a stack, its result, and a file."""
    folder = tmp_path_factory.mktemp("made")
    simulate_stack(Scene(n_date=4, shape=(20, 30), missing=0.3), folder / "stack.zarr")
    fringefleet.run(Run(folder / "stack.zarr", folder / "result.zarr", chunks=(10, 15)))
    (folder / "file").write_text("")
    return folder


@pytest.fixture
def result(made, tmp_path):
    """The result in a copy of the folder, which a test may change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
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

    def picture(folder, *more):
        done = call("plot", result, tmp_path / folder, "--variable", "displacement", *more)
        assert done.exit_code == 0, done.output
        return next((tmp_path / folder).glob("displacement_*.png")).read_bytes()

    masked, everything = picture("masked"), picture("all", "--no-mask")
    assert call("mask", result, "--remove").exit_code == 0
    assert masked != everything == picture("plain")


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
        (("export", "RESULT", "out", "--format", "cog", "--unit", "km"), "is not one of 'mm', 'cm', 'm'"),
        (
            ("export", "VELOCITY", "out"),
            "Give another format: cog, netcdf, zarr2, kmz, csv, geopackage.",
        ),
        (("export", "stack.zarr", "out"), "`fringefleet invert` makes a result from it first."),
        (
            ("export", "RESULT", "file", "--format", "cog", "--variables", "status"),
            "file/status.tif cannot be created",
        ),
        (("plot", "RESULT", "RESULT/pictures"), "is inside the Zarr store"),
        (
            ("plot", "stack_truth.zarr", "pictures"),
            "give a stack, or a result of invert",
        ),
        (
            ("mask", "VELOCITY", "--min-pairs", "3"),
            "found --min-pairs, and no map pair_count in velocity.zarr",
        ),
        (
            ("mask", "VELOCITY", "--status", "ok"),
            "found --status, and no map status in velocity.zarr",
        ),
        (("mask", "RESULT", "--rule", "a > 1"), "found --rule 'a > 1', and no map a in the result"),
        (
            ("mask", "RESULT", "--min-pairs", "99"),
            "found limits that keep none of the 600 pixels",
        ),
        (
            ("velocity", "VELOCITY", "v.zarr"),
            "in velocity.zarr; a velocity needs the displacement",
        ),
        (
            ("rereference", "VELOCITY", "v.zarr", "--point", "1", "1"),
            "another reference needs the displacement",
        ),
        (("export", "RESULT", "out", "--unit", "mm"), "found --unit with the format mintpy"),
        (
            ("export", "RESULT", "out.nc", "--format", "cog"),
            "found the output out.nc for --format cog. Give --format netcdf, or another name.",
        ),
        (("export", "RESULT", "out.tif"), "out.tif for --format mintpy. Give --format cog,"),
        (("export", "RESULT", "out.h5", "--format", "cog"), "a name of HDF5"),
        (
            ("export", "RESULT", "out", "--format", "cog", "--variables", "velocity"),
            "result. `fringefleet velocity`, or `fringefleet invert --velocity`, makes it. There are",
        ),
        (
            ("export", "VELOCITY", "out", "--format", "cog", "--mask", "temporal_coherence > 0.7"),
            "velocity_std. What result.zarr has can mask it before: `fringefleet mask`.",
        ),
        (("export", "RESULT", "RESULT", "--format", "zarr2"), "is or contains"),
        (("export", "RESULT", "RESULT/maps", "--format", "cog"), "is inside the Zarr store"),
        (("mask", "RESULT"), "found no limit for the mask. Give some: --min-temporal-coherence"),
        (("mask", "RESULT", "--remove", "--max-rms", "1"), "found --max-rms and --remove; give one of them"),
        (("mask", "RESULT", "--status", "okay"), "found --status okay"),
        (("mask", "gone.zarr", "--status", "ok"), "no such file"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(result, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path / "result.zarr")
    monkeypatch.chdir("..")
    if "VELOCITY" in words:
        fringefleet.run_velocity(fringefleet.VelocityRun("result.zarr", "velocity.zarr"))
    before = sorted(tmp_path.rglob("*"))
    names = {"RESULT": "result.zarr", "VELOCITY": "velocity.zarr"}
    done = call(*(re.sub("^(RESULT|VELOCITY)", lambda found: names[found[0]], word) for word in words))
    assert done.exit_code == 2, done.output
    said = " ".join(done.output.replace("│", " ").split())
    assert message in said
    assert said.count("error:") <= 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file_format", [writer.name for writer in WRITERS])
def test_every_format_shows_its_progress_and_only_the_files_are_output(result, tmp_path, file_format):
    done = call("export", result, tmp_path / "out", "--format", file_format)
    assert done.exit_code == 0, done.output
    assert "Writing: 100 %" in done.stderr
    assert sorted(done.stdout.split()) == sorted(str(path) for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("file_format", [writer.name for writer in WRITERS])
def test_an_export_is_repeated_only_with_overwrite(result, tmp_path, file_format):
    words = ("export", result, tmp_path / "out", "--format", file_format)
    assert call(*words).exit_code == 0
    again = call(*words)
    assert again.exit_code == 2, again.output
    said = " ".join(again.output.split())
    assert re.search(r"^error: \S+/out/\S+ .*exist.*; give another name, or --overwrite to replace", said)
    assert said.count("exist") == 1
    assert call(*words, "--overwrite").exit_code == 0


def test_several_dates_have_one_syntax_everywhere(result, tmp_path):
    dates = "20180106", "20180118"
    for number, several in enumerate(([*dates], [",".join(dates)], [dates[0], "--dates", dates[1]])):
        words = ("--format", "cog", "--variables", "displacement", "--dates", *several)
        done = call("export", result, tmp_path / f"out{number}", *words)
        assert done.exit_code == 0, done.output
        assert len(list((tmp_path / f"out{number}").iterdir())) == 2
    errors = []
    for number, several in enumerate(([*dates], [",".join(dates)], [dates[0], "--exclude-dates", dates[1]])):
        words = ("--workers", "0", "--exclude-pairs", "20180130_20180211", "--exclude-dates", *several)
        done = call("invert", tmp_path / "stack.zarr", tmp_path / f"r{number}.zarr", *words)
        assert done.exit_code == 2, done.output  # no pair is left
        errors.append(done.stderr.partition("error: ")[2])
        done = call("velocity", result, tmp_path / f"v{number}.zarr", "--exclude-dates", *several)
        assert done.exit_code == 0, done.output
        assert xr.open_zarr(tmp_path / f"v{number}.zarr").attrs["n_date_used"] == 2
    assert len(set(errors)) == 1


def test_words_may_have_commas_or_the_option_repeated(result, tmp_path):
    for number, several in enumerate((["status,pair_count"], ["status", "--variables", "pair_count"])):
        done = call("export", result, tmp_path / f"{number}", "--format", "cog", "--variables", *several)
        assert done.exit_code == 0, done.output
        assert len(list((tmp_path / f"{number}").iterdir())) == 2
    done = call("mask", result, "--status", "ok", "--status", "linear")
    assert "status == ok or status == linear or status == reference_point" in done.stdout


@pytest.mark.parametrize(
    ("command", "panels"),
    [
        ("export", ["Selection", "Output"]),
        ("mask", ["Limits", "Output"]),
        ("view", ["Server"]),
        ("plot", ["Scene", "Selection", "Pictures"]),
        ("rereference", ["Reference", "Output"]),
        ("simulate", ["Scene", "Output"]),
    ],
)
def test_help_groups_the_options(monkeypatch, command, panels):
    monkeypatch.setenv("COLUMNS", "120")
    said = call(command, "--help").stdout
    assert re.findall(r"╭─ (\w+) ─", said) == ["Arguments", "Options", *panels]
    first = said.partition("╭─ Options")[2].partition("╰")[0]
    shared = {"--verbose", "--quiet", "--log-file", "--help"}  # which every command has
    assert set(re.findall(r"(?<= )--[a-z-]+", first)) <= shared
    if command in ("export", "mask", "view", "plot"):
        assert "esult of invert, rereference or velocity." in said


def test_help_says_units_defaults_and_how_several_are_given(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = re.sub(r"[\s│]+", " ", call("mask", "--help").stdout)
    assert "residuals of a pixel that is kept [rad; of offsets: pixel]. [default: no limit]" in said
    assert said.count("[default: ") == 5
    for command in ("invert", "velocity"):
        said = re.sub(r"[\s│]+", " ", call(command, "--help").stdout)
        assert re.search(
            r"--exclude-dates DATE \.\.\. [\w ]+\. Several: with blanks or commas between them\.", said
        )
    examples = call("invert", "--help").stdout.partition("Examples")[2]
    for option in ("--velocity", "--bbox", "--start-date", "--reference auto", "--exclude-dates"):
        assert option in examples
