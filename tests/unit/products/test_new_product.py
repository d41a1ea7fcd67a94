"""A product that is added to the list, and to no other place: from options to file, memory and picture."""

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet.engine.footprint import bytes_per_pixel, compiled_bytes_per_pixel, fused_bytes_per_pixel
from fringefleet.engine.solver_choice import is_direct
from fringefleet.execution.job import Run
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.plot.figures import maps_figure
from fringefleet.products import registry
from fringefleet.simulate import Scene, simulate_stack
from largest_residual import LARGEST_RESIDUAL
from named_networks import network_by_gap

POINT = (4, 5)


@pytest.fixture(autouse=True)
def _in_the_list(monkeypatch):
    monkeypatch.setattr(registry, "PRODUCTS", (*registry.PRODUCTS, LARGEST_RESIDUAL))


@pytest.fixture
def stack(tmp_path):
    simulate_stack(Scene(n_date=6, shape=(20, 15), missing=0.1, unwrapping_errors=0.1), tmp_path / "in.zarr")
    return tmp_path / "in.zarr"


def largest_residuals(stack, result):
    """What the displacement leaves of the phases, from the files alone [rad]."""
    network = Network.from_dates(stack["reference_date"].values, stack["secondary_date"].values)
    first, second = network.pair_array.T
    phase = result["displacement"].values.astype(float) * (-4 * np.pi / result.attrs["wavelength"])
    observed = stack["unwrapped_phase"].values.astype(float)
    observed = np.where(observed == 0, np.nan, observed)
    observed = observed - observed[:, POINT[0], POINT[1], None, None]
    return np.fmax.reduce(np.abs(observed - (phase[second] - phase[first])), axis=0)


def test_the_result_file_has_it(stack, tmp_path):
    out, options = tmp_path / "out.zarr", Options(diagnose=True, gap_rule="none")
    setting = fringefleet.Setting(reference_point=POINT)
    fringefleet.run(Run(stack, out, options, setting, chunks=(10, 15)))
    result = xr.open_zarr(out).load()
    found = result["residual_max"]
    assert (found.dims, found.dtype) == (("y", "x"), np.float32)
    assert found.attrs["units"] == "rad"
    assert result.attrs["residual_max_of"] == "valid pairs, norm l2"
    answered = np.isfinite(result["displacement"].values).all(0)
    answered[POINT] = False
    expected = largest_residuals(xr.open_zarr(stack).load(), result)
    assert expected[answered].max() > 1  # some pairs are a cycle off
    np.testing.assert_allclose(found.values[answered], expected[answered], atol=2e-5)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(result["displacement"]).all("date"))
    assert found.values[POINT] == 0
    lazy = fringefleet.invert(fringefleet.open_stack(stack), options, reference_point=POINT)
    np.testing.assert_array_equal(lazy["residual_max"], found)
    (panel,) = (p for p in maps_figure(result).axes if p.get_title(loc="left") == "Largest residual [rad]")
    np.testing.assert_array_equal(panel.images[0].get_array().filled(np.nan), found)


def test_nobody_gets_it_who_did_not_ask(stack):
    options = Options()
    assert "residual_max" not in fringefleet.invert(fringefleet.open_stack(stack), options)
    assert is_direct(options)
    assert not is_direct(Options(diagnose=True))


def test_its_memory_is_counted(monkeypatch):
    network, options = network_by_gap(9, 1, 2), Options(diagnose=True)
    plan = plan_elimination(network)

    def measures():
        return [bytes_per_pixel(network, options), *(f(plan, options) for f in models)]

    models = compiled_bytes_per_pixel, fused_bytes_per_pixel
    found = measures()
    monkeypatch.setattr(registry, "PRODUCTS", registry.PRODUCTS[:-1])
    of_pairs = 4 * network.n_pair
    assert [more - less for more, less in zip(found, measures(), strict=True)] == [4, of_pairs, of_pairs]
