"""Files of pictures, as the command ``plot`` draws them."""

import re
import resource
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import xarray as xr
import zarr
from PIL import Image

from fringefleet.errors import InputError, OptionError, ReferencePointError
from fringefleet.execution.job import Run
from fringefleet.execution.velocity_job import VelocityRun
from fringefleet.io import mask_result
from fringefleet.io.store.marks import DONE
from fringefleet.options import Options
from fringefleet.pipeline import run
from fringefleet.plot import pictures
from fringefleet.plot.options import PictureChoice
from fringefleet.plot.pictures import draw_pictures
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.velocity_maps import run_velocity

SCENE = Scene(n_date=6, neighbours=2, shape=(30, 24))


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A stack, its truth, and two results, one of them with a table of pairs."""
    folder = tmp_path_factory.mktemp("plot")
    simulate_stack(SCENE, folder / "stack.zarr")
    for name, options in (("plain", Options()), ("full", Options(diagnose=True))):
        run(Run(folder / "stack.zarr", folder / f"{name}.zarr", options))
    run_velocity(VelocityRun(folder / "plain.zarr", folder / "velocity.zarr"))
    return folder


@pytest.fixture
def figures(monkeypatch):
    """The figures that would be saved, which takes most of the time, by the name of their file."""
    found = {}
    monkeypatch.setattr(pictures, "save", lambda figure, path, _dpi: found.update({path.name: figure}))
    return found


def drawn(path, folder, **choice):
    return [picture.name for picture in draw_pictures(path, folder, choice=PictureChoice(**choice))]


@pytest.mark.parametrize(
    ("path", "truth", "pictures"),
    [
        ("stack.zarr", None, ["network.png", "matrix.png"]),
        ("plain.zarr", None, ["maps.png", "histograms.png", "series.png"]),
        (
            "full.zarr",
            "stack_truth.zarr",
            ["maps.png", "histograms.png", "series.png", "error.png", "network.png", "matrix.png"],
        ),
    ],
)
def test_the_command_draws_all_that_there_are_data_for(stores, tmp_path, path, truth, pictures):
    found = list(draw_pictures(stores / path, tmp_path, truth and stores / truth))
    assert [picture.name for picture in found] == pictures
    assert all(is_png(picture) for picture in found)


@pytest.mark.parametrize(
    ("path", "truth", "message"),
    [
        ("stack.zarr", "stack_truth.zarr", "found a truth for the stack"),
        ("stack_truth.zarr", None, "found only a displacement"),
        ("plain.zarr", "stack.zarr", "found the stack .* as truth"),
        ("plain.zarr", "other_truth.zarr", "rows and columns .4, 4. that lacks 3 of the dates"),
    ],
)
def test_a_path_or_truth_that_cannot_be_drawn_is_refused(stores, tmp_path, path, truth, message):
    if truth == "other_truth.zarr" and not (stores / truth).exists():
        simulate_stack(Scene(n_date=3, shape=(4, 4)), stores / "other.zarr")
    with pytest.raises(InputError, match=message):
        list(draw_pictures(stores / path, tmp_path, truth and stores / truth))


def test_a_result_that_is_not_finished_is_refused(stores, tmp_path):
    zarr.open_group(stores / "plain.zarr", mode="r+", use_consolidated=False)[DONE][0, 0] = 0
    with pytest.raises(InputError, match="is not finished"):
        list(draw_pictures(stores / "plain.zarr", tmp_path, None))


def test_without_a_folder_they_are_beside_the_result(stores):
    found = list(draw_pictures(str(stores / "full.zarr")))
    assert {picture.parent for picture in found} == {stores / "full.zarr.pictures"}


def test_a_velocity_has_its_maps_and_their_distributions(stores, tmp_path):
    assert drawn(stores / "velocity.zarr", tmp_path) == ["velocity.png", "velocity_histograms.png"]


def test_a_variable_is_drawn_at_a_date_in_a_unit_with_its_limits_and_a_pixel(stores, tmp_path, figures):
    names = drawn(
        *(stores / "full.zarr", tmp_path),
        variable="displacement",
        date="20180130",
        unit="mm",
        vlim=(-3, 5),
        yx=(7, 9),
    )
    assert names == ["displacement_20180130.png", "series_row7_column9.png"]
    panel = figures[names[0]].axes[0]
    title = panel.get_title(loc="left").splitlines()
    assert title[0] == "Line-of-sight displacement [mm]"
    assert "2018-01-30 since 2018-01-06" in " ".join(title)
    assert "reference point 19.7" in " ".join(title)
    (image,) = panel.images
    assert image.get_clim() == (-3, 5)
    with xr.open_zarr(stores / "full.zarr") as result:
        wanted = 1000 * result["displacement"].isel(date=2).values
        places = [float(result[axis][at]) for axis, at in (("x", 9), ("y", 7))]
    np.testing.assert_allclose(image.get_array().filled(np.nan), wanted, rtol=1e-5)
    assert [line.get_xydata().ravel().tolist() for line in panel.lines][-1] == places
    series = figures[names[1]].axes[0]
    assert series.get_ylabel().replace("\n", " ") == "Line-of-sight displacement [mm]"


def test_a_place_in_degrees_is_the_pixel_that_it_lies_in(stores, tmp_path):
    with xr.open_zarr(stores / "full.zarr") as result:
        lalo = float(result["y"][4]) + 1e-4, float(result["x"][11]) - 1e-4
    assert drawn(stores / "full.zarr", tmp_path, lalo=lalo) == ["series_row4_column11.png"]


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_disk_that_takes_no_picture_ends_with_one_message_and_the_old_ones(stores, tmp_path, command):
    old = tmp_path / ("maps.png" if command == "plot" else "page.html")
    old.write_text("old")
    target = tmp_path if command == "plot" else old
    done = subprocess.run(
        [sys.executable, "-m", "fringefleet.cli", command, stores / "full.zarr", target],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )
    assert done.returncode == 1
    (message,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert f"could not be written to {tmp_path}" in message
    assert "File too large" in message
    assert "Remove the cause" in message
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
    assert old.read_text() == "old"


@pytest.mark.parametrize("form", ["pdf", "svg"])
def test_vector_formats_are_those_of_their_names_and_the_same_bytes_each_time(stores, tmp_path, form):
    names = drawn(stores / "full.zarr", tmp_path, variable="status", format=form)
    assert names == [f"status.{form}"]
    first = (tmp_path / names[0]).read_bytes()
    if form == "svg":
        assert ET.fromstring(first).tag.endswith("svg")
    else:
        assert first.startswith(b"%PDF")
    drawn(stores / "full.zarr", tmp_path, variable="status", format=form)
    assert (tmp_path / names[0]).read_bytes() == first


def test_the_resolution_is_that_which_is_asked_for(stores, tmp_path):
    sizes = []
    for dpi in (50, 100):
        drawn(stores / "full.zarr", tmp_path, variable="status", dpi=dpi)
        with Image.open(tmp_path / "status.png") as image:
            sizes.append(image.size)
            assert image.info["dpi"][0] == pytest.approx(dpi, rel=1e-3)
    assert sizes[1][0] == pytest.approx(2 * sizes[0][0], rel=0.05)


@pytest.fixture
def masked(stores, tmp_path):
    """A result with a stored mask, and the number of pixels that it keeps."""
    run(Run(stores / "stack.zarr", tmp_path / "masked.zarr"))
    kept = mask_result(tmp_path / "masked.zarr", min_temporal_coherence=0.97)
    assert 0 < kept.n_kept < kept.n_pixel
    return tmp_path / "masked.zarr", kept.n_kept


def shown_in(figure):
    return int(np.isfinite(figure.axes[0].images[0].get_array().filled(np.nan)).sum())


def test_the_stored_mask_counts_unless_all_pixels_or_others_are_asked_for(masked, tmp_path, figures):
    path, n_kept = masked
    with xr.open_zarr(path) as result:
        coherent = result["temporal_coherence"] > 0.99
        n_pixel, n_coherent = coherent.size, int(coherent.sum())
    assert 0 < n_coherent < n_kept
    for mask, wanted in ((None, n_kept), (False, n_pixel), ("temporal_coherence > 0.99", n_coherent)):
        drawn(path, tmp_path / "some", variable="displacement", mask=mask)
        assert shown_in(figures["displacement_20180307.png"]) == wanted
        drawn(path, tmp_path / "some", mask=mask)
        assert shown_in(figures["maps.png"]) == wanted
        (histogram, *_) = figures["histograms.png"].axes
        assert sum(bar.get_height() for bar in histogram.patches) <= wanted


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("full.zarr", {"variable": "dispalcement"}, "no such variable. Did you mean displacement"),
        ("full.zarr", {"variable": "velocity"}, "`fringefleet velocity` fits it"),
        ("full.zarr", {"variable": "pair_residual_rms"}, "which has pair and is no map"),
        ("full.zarr", {"variable": "displacement", "date": "20180107"}, "none of the dates.*20180106"),
        ("full.zarr", {"variable": "displacement", "date": "soon"}, "none of the dates"),
        ("full.zarr", {"variable": "status", "date": "20180106"}, "status, which has no dates"),
        ("full.zarr", {"variable": "status", "unit": "mm"}, "status, which is no length"),
        ("full.zarr", {"variable": "status", "vlim": (2, 1)}, "smaller value first"),
        ("full.zarr", {"yx": (30, 0)}, "rows 0 to 29 and columns 0 to 23"),
        ("full.zarr", {"yx": (-1, 0)}, "rows 0 to 29 and columns 0 to 23"),
        ("full.zarr", {"yx": (1, 0), "date": "20180106"}, "only a time series to draw"),
        ("full.zarr", {"yx": (1, 0), "mask": "pair_count > 2"}, "mask, and only a time series to draw"),
        ("full.zarr", {"mask": "temporal_coherence > 2"}, "keeps none of the 720 pixels"),
        ("full.zarr", {"mask": "coherence > 2"}, "coherence"),
        ("velocity.zarr", {"yx": (1, 0)}, "maps of velocity, which have no time series"),
        ("velocity.zarr", {"date": "20180106"}, "maps of velocity, which have no time series"),
        ("stack.zarr", {"variable": "coherence"}, "for the stack .*it is for results"),
        ("full.zarr", {"vlim": (0, 1)}, "vlim, which is of one map; give variable"),
        ("stack.zarr", {"unit": "mm"}, "for the stack .*it is for results"),
    ],
)
def test_a_choice_that_cannot_be_drawn_is_refused_before_any_file(stores, tmp_path, name, choice, message):
    with pytest.raises((InputError, OptionError), match=message):
        drawn(stores / name, tmp_path / "new", **choice)
    assert not list(tmp_path.rglob("*.png"))


def test_a_place_outside_of_the_scene_is_refused(stores, tmp_path):
    with pytest.raises(ReferencePointError, match=re.escape("found lalo = (50, 50), outside of the scene")):
        drawn(stores / "full.zarr", tmp_path, lalo=(50.0, 50.0))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"yx": (0, 1), "lalo": (0, 1)}, "both yx and lalo"),
        ({"yx": (0.5, 1)}, "two whole numbers"),
        ({"lalo": ("a", 1)}, "2 numbers"),
        ({"unit": "km"}, "use one of none, mm, cm, m"),
        ({"format": "jpg"}, "use one of png, pdf, svg"),
        ({"dpi": 0}, "give 30 to 1200"),
        ({"mask": True}, "mask = True"),
    ],
)
def test_a_choice_that_contradicts_itself_is_refused(choice, message):
    with pytest.raises(OptionError, match=message):
        PictureChoice(**choice)
