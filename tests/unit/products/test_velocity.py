"""Velocity in the pass of the inversion: the same maps as afterwards, and exact standard errors."""

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run
from fringefleet.engine.solver_choice import is_direct
from fringefleet.errors import IdleOptionError, InputError, OptionError, OtherOriginError
from fringefleet.plot.figures import maps_figure
from fringefleet.products.fit_attributes import Errors
from fringefleet.products.registry import variable_named, wanted_variables
from fringefleet.products.velocity import velocity_variables
from fringefleet.simulate import Scene, simulate_stack
from fringefleet.solver.time_functions import TimeFunctions

FUNCTIONS = {"periodic": (0.5,), "step": "20180401"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=12, shape=(24, 30), missing=0.3, neighbours=2), path)
    return path


def invert(stack, output, **options):
    job = Run(stack, output, Options(min_redundancy=0.0, **options), chunks=(10, 30))
    fringefleet.run(job)
    return xr.open_zarr(output).load()


def check(found, expected, rtol):
    for name in expected.data_vars:
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(expected[name]), err_msg=name)
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-9, err_msg=name)
        assert {key: found[name].attrs[key] for key in ("units", "long_name")} == {
            key: expected[name].attrs[key] for key in ("units", "long_name")
        }


@pytest.mark.parametrize("gap_rule", ["minimum-norm", "none"])
@pytest.mark.parametrize("solver", ["auto", "elimination"])
def test_the_maps_are_those_of_a_fit_to_the_result(stack, tmp_path, solver, gap_rule):
    found = invert(stack, tmp_path / "out.zarr", velocity=True, solver=solver, gap_rule=gap_rule, **FUNCTIONS)
    expected = fringefleet.velocity(found, **FUNCTIONS).compute()
    check(found, expected, 1e-5)
    assert len(np.unique(found["date_count"])) > 4
    point = tuple(found.attrs["reference_point"])
    assert found["velocity"].values[point] == found["velocity_std"].values[point] == 0
    assert found["date_count"].values[point] == 12
    for name in ("time_functions", "velocity_uncertainty", "velocity_interval", "gap_filled_dates"):
        assert found.attrs[name] == expected.attrs[name]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_func": "no"},
        {"weight_func": "coh", "norm": "huber"},
        {"solver": "elimination", "dtype": "float64"},
        {"gap_rule": "none"},
    ],
    ids=str,
)
def test_the_covariance_is_propagated_as_if_it_had_been_stored(stack, tmp_path, options):
    extra = {"velocity": True, "uncertainty": "covariance", "covariance": True, **FUNCTIONS}
    found = invert(stack, tmp_path / "out.zarr", **extra, **options)
    expected = fringefleet.velocity(found, uncertainty="covariance", **FUNCTIONS).compute()
    check(found, expected, 2e-5)
    assert np.isfinite(found["velocity_std"]).sum() > 100
    is_formal = options.get("weight_func", "var") == "var"
    assert found.attrs["velocity_interval"].startswith(
        "normal (z)" if is_formal else "Student's t with as many"
    )
    assert found.attrs["velocity_interval"] == expected.attrs["velocity_interval"]


def test_without_standard_errors_there_are_none(stack, tmp_path):
    found = invert(stack, tmp_path / "out.zarr", velocity=True, uncertainty="none")
    assert "velocity" in found
    assert "velocity_std" not in found


def test_the_lazy_form_has_them_and_a_picture_shows_them(stack, tmp_path):
    found = invert(stack, tmp_path / "out.zarr", velocity=True, **FUNCTIONS)
    opened = fringefleet.open_stack(stack, chunks=(10, 30))
    lazy = fringefleet.invert(opened, velocity=True, min_redundancy=0.0, **FUNCTIONS).compute()
    np.testing.assert_array_equal(lazy["step_20180401"], found["step_20180401"])
    (panel,) = (p for p in maps_figure(found).axes if p.get_title(loc="left") == "Step 20180401 [mm]")
    np.testing.assert_allclose(panel.images[0].get_array(), 1000 * found["step_20180401"], rtol=1e-6)


def test_a_velocity_needs_torch_only_beside_what_does():
    assert is_direct(Options(velocity=True))
    assert is_direct(Options(velocity=True, uncertainty="covariance"))
    assert not is_direct(Options(velocity=True, uncertainty="covariance", std=True))


def test_the_options_decide_which_maps_there_are():
    plain, options = Options(), Options(velocity=True, exponential="20180401 60")
    assert set(wanted_variables(options)) - set(wanted_variables(plain)) == set(
        velocity_variables(options.time_functions, Errors())
    )
    assert "exponential_20180401_tau_60_std" in wanted_variables(options)


def test_a_map_is_known_by_its_name():
    functions = TimeFunctions(4, (1, 0.3), "20180401", "20180402", "20180403 60.5", "20180403 7")
    for name, variable in velocity_variables(functions, Errors()).items():
        found = variable_named(name)
        assert found.attrs["units"] == variable.attrs["units"], name
        assert found.style == variable.style, name
        assert found.dtype == variable.dtype


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"periodic": 1},
            IdleOptionError,
            "found periodic = .1.0,., which has an effect only with velocity = Tru",
        ),
        (
            {"uncertainty": "none"},
            IdleOptionError,
            "found uncertainty = none, which has an effect only with velo",
        ),
        (
            {"velocity": True, "uncertainty": "bootstrap"},
            OptionError,
            "use one of residual, covariance, none",
        ),
        (
            {"velocity": True, "uncertainty": "covariance", "norm": "l1"},
            IdleOptionError,
            "only with norm = l2 or",
        ),
        (
            {"velocity": True, "uncertainty": "covariance", "solver": "dense"},
            IdleOptionError,
            "only with solver = auto",
        ),
        ({"velocity": True, "polynomial": 0}, OptionError, "found polynomial = 0; give 1 to 9"),
    ],
)
def test_what_means_nothing_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        Options(**options)


def test_functions_that_the_dates_cannot_tell_apart_are_refused_before_any_work(stack, tmp_path):
    with pytest.raises(InputError, match="found step = 20300101, and no date after it"):
        invert(stack, tmp_path / "out.zarr", velocity=True, step="20300101")
    assert not list(tmp_path.iterdir())


def test_other_functions_are_another_result(stack, tmp_path):
    invert(stack, tmp_path / "out.zarr", velocity=True, periodic=(0.5,))
    job = Run(
        stack,
        tmp_path / "out.zarr",
        Options(min_redundancy=0.0, velocity=True),
        existing="resume",
    )
    with pytest.raises(OtherOriginError, match=r"periodic =  \(it was 0.5\)|periodic"):
        fringefleet.run(job)
