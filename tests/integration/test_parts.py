"""A part of a scene: what a run and the lazy form make of it is what they make of the whole, cut."""

import json

import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Selection, Setting
from fringefleet.errors import OutputExistsError, ReferencePointError, StackFormatError
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy
from long_cases import mostly_long

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


@pytest.mark.parametrize(
    ("options", "kind", "window"),
    mostly_long(
        [
            *(("l2", "zarr", OUTSIDE), ("huber", "hdf5", INSIDE), ("dem", "zarr", OUTSIDE)),
            *(("l2", "hdf5", INSIDE), ("huber", "zarr", OUTSIDE), ("dem", "hdf5", INSIDE)),
        ],
        3,
    ),
)
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


@pytest.mark.parametrize(("kind", "window"), [("hdf5", OUTSIDE), ("zarr", INSIDE)])
@pytest.mark.parametrize("options", OPTIONS)
def test_the_lazy_form_of_a_crop_is_the_crop_of_the_whole_bit_for_bit(stacks, kind, options, window):
    stack = fringefleet.open_stack(stacks[kind], chunks=(16, 16))
    whole = fringefleet.invert(stack, OPTIONS[options]).compute()
    rows, columns = window
    part = fringefleet.invert(stack.isel(y=rows, x=columns), OPTIONS[options]).compute()
    same(part, cut(whole, rows, columns))
    if kind == "zarr":
        y, x = stack["y"].values, stack["x"].values
        by_place = stack.sel(y=slice(y[rows.start], y[rows.stop - 1]), x=slice(x[columns.start], None))
        part = fringefleet.invert(by_place, OPTIONS[options]).compute()
        same(part, cut(whole, rows, slice(columns.start, None)))


@pytest.mark.parametrize("options", OTHER_SOLVERS)
def test_crops_by_other_solvers_agree_to_a_microradian(stacks, options):
    stack = fringefleet.open_stack(stacks["zarr"])
    whole = fringefleet.invert(stack, OTHER_SOLVERS[options]).compute()
    part = fringefleet.invert(stack.isel(y=OUTSIDE[0], x=OUTSIDE[1]), OTHER_SOLVERS[options]).compute()
    same(part, cut(whole, *OUTSIDE), tolerance=1e-6)


@pytest.mark.parametrize(
    ("y", "x"), [(slice(2, 3), slice(3, 4)), (slice(0, 35, 3), slice(7, None)), (slice(None, None, -1), 9)]
)
def test_any_pixels_of_a_stack_are_inverted(stacks, y, x):
    stack = fringefleet.open_stack(stacks["zarr"])
    whole = fringefleet.invert(stack).compute()
    x = slice(x, x + 1) if isinstance(x, int) else x
    same(fringefleet.invert(stack.isel(y=y, x=x)).compute(), cut(whole, y, x))


def test_a_part_that_was_stored_without_the_point_has_its_phases(stacks, tmp_path):
    stack = fringefleet.open_stack(stacks["zarr"])
    whole = fringefleet.invert(stack).compute()
    part = stack.isel(y=OUTSIDE[0], x=OUTSIDE[1])
    part.drop_encoding().to_zarr(tmp_path / "xarray.zarr", consolidated=False)
    fringefleet.convert_stack(part, tmp_path / "ours.zarr")
    part.drop_encoding().to_netcdf(tmp_path / "part.nc", engine="h5netcdf")
    for name in ("xarray.zarr", "ours.zarr", "part.nc"):
        fringefleet.run(Run(tmp_path / name, tmp_path / "result.zarr", existing="overwrite"))
        same(xr.open_zarr(tmp_path / "result.zarr").load(), cut(whole, *OUTSIDE))


def test_pairs_without_data_at_a_point_outside_are_found_and_left_out(stacks):
    stack = fringefleet.open_stack(stacks["zarr"]).load()
    stack["unwrapped_phase"][{"pair": 3, "y": POINT[0], "x": POINT[1]}] = np.nan
    whole = fringefleet.invert(stack, drop_unreferenced=True)
    part = stack.isel(y=OUTSIDE[0], x=OUTSIDE[1])
    part["reference_phase"] = part["reference_phase"].where(np.arange(part.sizes["pair"]) != 3)
    with pytest.raises(ReferencePointError, match=r"found no data .* in 1 of 18 pairs"):
        fringefleet.invert(part)
    same(fringefleet.invert(part, drop_unreferenced=True).compute(), cut(whole.compute(), *OUTSIDE))


def test_a_part_without_the_point_and_its_phases_is_refused(stacks):
    part = fringefleet.open_stack(stacks["zarr"]).isel(y=OUTSIDE[0], x=OUTSIDE[1])
    with pytest.raises(ReferencePointError, match=r"the reference point at y = .* is not in this scene"):
        fringefleet.invert(part.drop_vars("reference_phase"))


def complete_pixel(stack):
    """Find a pixel that all pairs observe, near the middle."""
    phase = stack["unwrapped_phase"].values
    rows, columns = np.nonzero((np.isfinite(phase) & (phase != 0)).all(0))
    nearest = np.hypot(rows - 20, columns - 30).argmin()
    return int(rows[nearest]), int(columns[nearest])


def test_a_reference_point_by_latitude_and_longitude_is_the_pixel_that_it_lies_in(stacks, tmp_path):
    stack = fringefleet.open_stack(stacks["zarr"])
    y, x = stack["y"].values, stack["x"].values
    step = float(x[1] - x[0])
    point = complete_pixel(stack)
    lalo = float(y[point[0]] + 0.4 * step), float(x[point[1]] - 0.4 * step)
    expected = fringefleet.invert(stack, reference_point=point).compute()
    same(fringefleet.invert(stack, reference_lalo=lalo).compute(), expected)
    setting, selection = Setting(reference_lalo=lalo), Selection(rows=(3, 15))
    fringefleet.run(Run(stacks["zarr"], tmp_path / "part.zarr", setting=setting, selection=selection))
    part = xr.open_zarr(tmp_path / "part.zarr").load()
    same(part, cut(expected, slice(3, 15), slice(None)))
    assert (part.attrs["reference_point_y"], part.attrs["reference_point_x"]) == (y[point[0]], x[point[1]])
    with pytest.raises(ReferencePointError, match=r"reference_lalo = \(10, 20\), outside of the scene"):
        fringefleet.invert(stack, reference_lalo=(10.0, 20.0))
    radar = stack.drop_vars(["y", "x", "spatial_ref"])
    with pytest.raises(StackFormatError, match=r"reference_lalo for a scene in radar .* give row and column"):
        fringefleet.invert(radar, reference_lalo=lalo)


def test_a_window_shifts_every_date_and_leaves_no_pixel_zero_by_definition(stacks):
    stack = fringefleet.open_stack(stacks["zarr"])
    point = complete_pixel(stack)
    whole = fringefleet.invert(stack, reference_point=point, weight_func="no").compute()
    result = fringefleet.invert(stack, reference_point=point, reference_window=5, weight_func="no").compute()
    assert not (result["status"] == fringefleet.Status.REFERENCE_POINT).any()
    assert result.attrs["reference_window"] == 5
    assert result.attrs["reference_point"] == list(point)
    complete = (whole["pair_count"] == 18) & (whole["status"] == 0)
    shift = (result["displacement"] - whole["displacement"]).where(complete).values.reshape(8, -1)
    assert np.nanmax(np.abs(shift[-1])) > 1e-5
    np.testing.assert_allclose(np.nanmin(shift, 1), np.nanmax(shift, 1), atol=1e-7)
