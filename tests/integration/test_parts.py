"""A part of a scene: what a run and the lazy form make of it is what they make of the whole, cut."""

import json

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Selection, Setting
from fringefleet.errors import OutputExistsError
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy

SCENE = Scene(n_date=8, shape=(40, 50), missing=0.2, unwrapping_errors=0.1, seed=2)
POINT = SCENE.reference_point  # row 35, column 5
OUTSIDE = (slice(3, 30), slice(11, 46))
INSIDE = (slice(30, 40), slice(2, 40))
OPTIONS = {
    "l2": Options(),
    "unweighted": Options(weight_func="no"),
    "huber": Options(norm="huber"),
    "masked": Options(mask_dataset="coherence", mask_threshold=0.5, gap_rule="linear"),
    "std": Options(std=True, diagnose=True),
    "dem": Options(dem_error=True),
}
OTHER_SOLVERS = {
    "eager": Options(solver="elimination"),
    "eager huber": Options(solver="elimination", norm="huber"),
    "covariance": Options(covariance=True),
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    simulate_stack(SCENE, folder / "stack.zarr")
    source = xr.open_zarr(folder / "stack.zarr", consolidated=False, chunks=None).load()
    write_mintpy(source, folder / "stack.h5")
    return {"zarr": folder / "stack.zarr", "hdf5": folder / "stack.h5"}


def same(part, expected, tolerance=0.0):
    """Compare all variables of a part; the tolerance is a phase [rad]."""
    assert set(part.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        if tolerance and expected[name].dtype.kind == "f":
            scale = SCALE.get(name, 1.0)
            np.testing.assert_allclose(part[name], expected[name], rtol=1e-5, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(part[name], expected[name], err_msg=name)
    np.testing.assert_array_equal(part["y"], expected["y"])
    np.testing.assert_array_equal(part["x"], expected["x"])


METRES = 0.05546576 / (4 * np.pi)  # of a radian
SCALE = {"displacement": METRES, "displacement_cov": METRES, "displacement_std": METRES}


def cut(result, rows, columns):
    names = [name for name in result.data_vars if "pair" not in result[name].dims]  # of a table of all pixels
    return result[names].isel(y=rows, x=columns)


@pytest.mark.parametrize("window", [OUTSIDE, INSIDE])
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_run_of_a_part_is_the_part_of_the_run_bit_for_bit(stacks, tmp_path, kind, options, window):
    rows, columns = window
    job = Run(stacks[kind], tmp_path / "whole.zarr", OPTIONS[options], chunks=(16, 16))
    fringefleet.run(job)
    selection = Selection(rows=(rows.start, rows.stop), columns=(columns.start, columns.stop))
    fringefleet.run(
        Run(stacks[kind], tmp_path / "part.zarr", OPTIONS[options], chunks=(9, 17), selection=selection)
    )
    whole, part = (xr.open_zarr(tmp_path / name).load() for name in ("whole.zarr", "part.zarr"))
    same(cut(part, slice(None), slice(None)), cut(whole, rows, columns))
    is_point = part["status"] == fringefleet.Status.REFERENCE_POINT
    assert int(is_point.sum()) == (1 if window is INSIDE else 0)
    assert part.attrs["selected_rows"] == [rows.start, rows.stop]
    assert part.attrs["reference_point_y"] == whole.attrs["reference_point_y"]
    if window is INSIDE:
        assert part.attrs["reference_point"] == [POINT[0] - rows.start, POINT[1] - columns.start]
    else:
        assert "reference_point" not in part.attrs


@pytest.mark.parametrize("options", OTHER_SOLVERS)
def test_other_solvers_agree_to_a_microradian(stacks, tmp_path, options):
    whole = fringefleet.invert(fringefleet.open_stack(stacks["zarr"]), OTHER_SOLVERS[options]).compute()
    rows, columns = OUTSIDE
    selection = Selection(rows=(rows.start, rows.stop), columns=(columns.start, columns.stop))
    fringefleet.run(Run(stacks["zarr"], tmp_path / "part.zarr", OTHER_SOLVERS[options], selection=selection))
    part = xr.open_zarr(tmp_path / "part.zarr").load()
    same(part, cut(whole, rows, columns), tolerance=1e-6)


def test_maps_and_the_geometry_are_of_the_whole_scene(stacks, tmp_path):
    generator = np.random.default_rng(0)
    water, geometry = generator.random((40, 50)) < 0.7, generator.uniform(5e5, 6e5, (40, 50))
    setting, options = Setting(water_mask=water, geometry=geometry), Options(dem_error=True)
    fringefleet.run(Run(stacks["zarr"], tmp_path / "whole.zarr", options, setting))
    selection = Selection(rows=(3, 30), columns=(11, 46))
    fringefleet.run(Run(stacks["zarr"], tmp_path / "part.zarr", options, setting, selection=selection))
    whole, part = (xr.open_zarr(tmp_path / name).load() for name in ("whole.zarr", "part.zarr"))
    same(part, cut(whole, *OUTSIDE))


def test_selected_pairs_are_those_of_a_stack_without_the_others(stacks, tmp_path):
    selection = Selection(start_date="20180118", exclude_dates="20180223", max_temporal_baseline=30)
    fringefleet.run(Run(stacks["hdf5"], tmp_path / "part.zarr", selection=selection))
    stack = fringefleet.open_stack(stacks["hdf5"])
    days = [stack[name].values.astype("datetime64[D]") for name in ("reference_date", "secondary_date")]
    excluded = np.array(["2018-01-06", "2018-02-23"], "datetime64[D]")
    kept = ~np.isin(days, excluded).any(0) & (days[1] - days[0] <= np.timedelta64(30, "D"))
    assert 0 < kept.sum() < len(kept)
    expected = fringefleet.invert(stack.isel(pair=kept)).compute()
    part = xr.open_zarr(tmp_path / "part.zarr").load()
    same(part, expected)
    np.testing.assert_array_equal(part["date"], expected["date"])
    assert part.attrs["selected_exclude_dates"] == "20180223"


def test_a_part_is_resumed_and_another_part_is_refused_by_the_name_of_the_option(stacks, tmp_path):
    job = Run(stacks["zarr"], tmp_path / "part.zarr", chunks=(16, 16), selection=Selection(rows=(3, 30)))
    fringefleet.run(job)
    report = json.loads((tmp_path / "part.zarr.report.json").read_text())
    assert report["selection"] == {"rows": [3, 30]}
    again = fringefleet.run(Run(**vars(job) | {"existing": "resume"}))
    assert again.n_resumed == again.n_tile == 8
    other = Run(**vars(job) | {"existing": "resume", "selection": Selection(rows=(4, 30))})
    with pytest.raises(OutputExistsError, match=r"found rows = 4 30 \(it was 3 30\)"):
        fringefleet.run(other)
    whole = Run(**vars(job) | {"existing": "resume", "selection": Selection()})
    with pytest.raises(OutputExistsError, match=r"found rows = none \(it was 3 30\)"):
        fringefleet.run(whole)
