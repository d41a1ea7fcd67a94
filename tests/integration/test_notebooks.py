"""The notebooks run from top to bottom, hold no output, and draw what their words say."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from notebook import FOLDER, run_notebook

# 03 runs with the tests of Slurm.
MOTION = "← away (subsidence)  towards (uplift) →"


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    yield
    plt.close("all")


def drawn_panels():
    """All axes of all figures, without those of colour bars."""
    panels = [panel for number in plt.get_fignums() for panel in plt.figure(number).axes]
    return [panel for panel in panels if panel.get_label() != "<colorbar>"]


def drawn_maps():
    """The maps, in order: the first line of the title, and the image."""
    return [
        (panel.get_title(loc="left").splitlines()[0], panel.images[0])
        for panel in drawn_panels()
        if panel.images
    ]


def values_of(image):
    return image.get_array().astype(float).filled(np.nan)


def is_blue_towards_and_red_away(image):
    """Whether zero is in the middle of the colours, and the colours have the words of the convention."""
    low, high = image.get_clim()
    away, towards = image.to_rgba(np.array([low, high]))
    words = image.colorbar.ax.get_ylabel()
    return bool(low == -high and away[0] > 2 * away[2] and towards[2] > 2 * towards[0] and words == MOTION)


def test_the_first_inversion_draws_network_map_quality_and_a_series_with_the_truth():
    names = run_notebook(FOLDER / "01_first_inversion.ipynb")
    result, truth = names["result"], names["truth"]
    network, _, _, series = drawn_panels()
    assert (network.get_ylabel(), network.get_title(loc="left")) == (
        "Perpendicular baseline [m]",
        f"20 dates, {names['stack'].sizes['pair']} pairs",
    )
    (title, motion), (other_title, quality) = drawn_maps()
    assert (title, other_title) == ("Line-of-sight displacement [cm]", "Temporal coherence")
    np.testing.assert_allclose(values_of(motion), 100 * result["displacement"][-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(values_of(quality), result["temporal_coherence"])
    assert is_blue_towards_and_red_away(motion)
    assert series.get_ylabel().endswith("[mm]")
    lines = {line.get_label(): line for line in series.lines}
    (name,) = (label for label in lines if label.startswith("row "))
    row, column = (int(word) for word in name.replace(",", "").split() if word.isdigit())
    at_pixel = 1000 * result["displacement"][:, row, column]
    assert np.isfinite(at_pixel).all()
    np.testing.assert_allclose(lines[name].get_ydata(), at_pixel, rtol=1e-5, atol=1e-6)
    assert at_pixel[-1] < -20
    known = lines["truth"].get_ydata()
    assert np.abs(known - 1000 * truth[:, row, column]).max() < 5  # of another reference than the result
    assert np.abs(known - at_pixel).max() < 5
    assert names["error"] < 5  # [mm]


def test_workers_of_one_machine_invert_a_scene_and_its_map_is_in_millimetres():
    names = run_notebook(FOLDER / "02_local_gpus.ipynb")
    ((title, motion),) = drawn_maps()
    assert title == "Line-of-sight displacement [mm]"
    assert is_blue_towards_and_red_away(motion)
    assert np.nanmin(values_of(motion)) < -20  # [mm]
    assert names["error"] < 0.005  # [m]


def test_a_mintpy_stack_becomes_maps_of_velocity_before_and_after_the_mask(shared_data):
    stack = shared_data / "mexico_city" / "ifgramStack.h5"
    names = run_notebook(FOLDER / "04_velocity_of_a_mintpy_project.ipynb", {"stack": stack})
    (title, before), (other_title, after) = drawn_maps()
    assert {title, other_title} == {"Velocity [mm/year]"}
    for image, maps in ((before, names["velocity"]), (after, names["masked"])):
        assert maps["velocity"].attrs["units"] == "m/year"
        np.testing.assert_allclose(values_of(image), 1000 * maps["velocity"], rtol=1e-5)
        assert is_blue_towards_and_red_away(image)
    assert np.nanmin(values_of(before)) < -100  # Mexico City subsides by decimetres a year
    assert before.get_clim() == after.get_clim()
    kept = np.isfinite(values_of(after))
    assert kept.sum() == names["kept"].n_kept
    assert 0 < kept.sum() < np.isfinite(values_of(before)).sum()
    assert sorted(path.name for path in names["files"]) == ["velocity.tif", "velocity_std.tif"]


def test_the_quality_maps_show_what_was_simulated():
    names = run_notebook(FOLDER / "05_quality_maps.ipynb")
    result, water = names["result"], names["water"]
    assert {"ok", "minimum_norm", "masked"} <= names["status"].keys()
    assert names["status"]["masked"] == 26 * 30
    maps = drawn_maps()
    assert [title for title, _ in maps] == [
        "Pixel status",
        "Gap-filled dates",
        "Number of triplets with closure phase beyond pi",
        "RMS error with l2 [mm]",
        "RMS error with huber [mm]",
        "Temporal coherence",
    ]
    status, gaps, closure, l2, huber, coherence = (image for _, image in maps)
    labels = [label.get_text() for label in status.colorbar.ax.get_yticklabels()]
    assert [label.rsplit(" ", 2)[0] for label in labels[:3]] == ["ok", "minimum norm", "masked"]
    filled = values_of(gaps)
    np.testing.assert_array_equal(filled[water], result["gap_filled"].sum("date").values[water])
    assert np.isnan(filled[~water]).all()
    assert filled[water].max() > 0
    np.testing.assert_array_equal(values_of(closure)[water], result["misclosed_count"].values[water])
    assert np.nanmax(values_of(closure)) > 0
    np.testing.assert_array_equal(values_of(coherence), result["temporal_coherence"])
    assert l2.get_clim() == huber.get_clim()
    for image, norm in ((l2, "l2"), (huber, "huber")):
        np.testing.assert_allclose(values_of(image), 1000 * names["errors"][norm], rtol=1e-5, atol=1e-6)
    assert names["shares"]["huber"] < 0.7 * names["shares"]["l2"]
    (histogram,) = (panel for panel in drawn_panels() if panel.get_xlabel() == "Pixels")
    assert sum(bar.get_width() for bar in histogram.patches) == water.size
