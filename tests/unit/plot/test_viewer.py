"""What is shown in the browser, and where: see tests/integration/other_programs for the viewer itself."""

import socket
import sys

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.errors import MissingExtraError, OptionError, StackFormatError
from fringefleet.plot import viewer
from fringefleet.simulate import Scene, simulate_stack


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewed")
    simulate_stack(Scene(n_date=4, shape=(8, 9)), folder / "stack.zarr")
    fringefleet.run(fringefleet.Run(folder / "stack.zarr", folder / "result.zarr"))
    return folder / "result.zarr"


def test_a_result_on_a_map_can_be_viewed(result):
    viewer.check_viewable(result)


def test_a_result_in_radar_geometry_is_refused_and_plot_named(result, tmp_path):
    radar = xr.open_zarr(result).load().drop_vars(["spatial_ref", "y", "x"])
    radar.attrs = {}
    radar.to_zarr(tmp_path / "radar.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(StackFormatError, match=r"radar\.zarr in radar geometry.*`fringefleet plot`"):
        viewer.view_result(tmp_path / "radar.zarr")


def test_what_is_no_result_is_refused(tmp_path):
    with pytest.raises(StackFormatError, match="no-such"):
        viewer.view_result(tmp_path / "no-such.zarr")


def test_velocity_and_displacement_come_first_and_the_status_is_explained(result):
    opened = xr.open_zarr(result)
    shown = viewer.arranged(opened.assign(velocity=opened["temporal_coherence"]))
    assert list(shown.data_vars)[:2] == ["velocity", "displacement"]
    assert set(shown.data_vars) == {*opened.data_vars, "velocity"}
    name = shown["status"].attrs["long_name"]
    assert "0 ok" in name
    assert "too few pairs" in name
    assert "0 ok" not in opened["status"].attrs["long_name"]
    np.testing.assert_array_equal(shown["status"], opened["status"])


def test_a_port_that_is_taken_is_refused_and_the_next_one_is_found(result, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(OptionError, match=rf"port {taken} in use on 127\.0\.0\.1; .* port"):
            viewer.view_result(result, taken)
        monkeypatch.setattr(viewer, "_PORTS", range(taken, taken + 50))
        assert viewer._free_port(None) in range(taken + 1, taken + 50)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_cannot_be_is_refused(result, port):
    with pytest.raises(OptionError, match=rf"found port = {port}; give a number from 1 to 65535"):
        viewer.view_result(result, port)


def test_a_viewer_that_is_not_installed_is_named_with_the_extra(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "bowser", None)
    monkeypatch.setenv("BOWSER_STACK_DATA_FILE", "")
    monkeypatch.setenv("BOWSER_TITLE", "")
    with pytest.raises(MissingExtraError, match=r'bowser.*pip install "fringefleet\[view\]"'):
        viewer.view_result(result)
