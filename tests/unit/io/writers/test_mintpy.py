import logging
import math

import h5py
import numpy as np
import pyproj
import pytest
import xarray as xr

from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.mintpy.metadata import derived_attributes
from fringefleet.io.store.result import FINGERPRINT
from fringefleet.io.writers.mintpy import export_mintpy
from fringefleet.products.provenance import PROVENANCE

DATES = np.array(["2020-01-01", "2020-01-13", "2020-02-06"], dtype="datetime64[ns]")
OPTIONS = {
    "reference_date": "2020-01-01T00:00:00",
    "weight_func": "var",
    "mask_dataset": "none",
    "mask_threshold": 0.4,
    "min_redundancy": 1.0,
    "min_norm": "velocity",
    "n_pair": 3,
    "observation": "unwrapPhase",
    "fringefleet_version": "0.1.0",
}


def make_result(y, x, **attrs):
    """A result of three dates with a pixel that has no answer, coordinates as given."""
    shape = (y.size, x.size)
    values = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    values[:, 0, 1] = np.nan
    coherence = np.full(shape, 0.75, dtype=np.float32)
    coherence[0, 1] = np.nan
    count = np.full(shape, 3, dtype=np.uint32)
    count[0, 1] = 0
    return xr.Dataset(
        {
            "displacement": (("date", "y", "x"), values),
            "temporal_coherence": (("y", "x"), coherence),
            "pair_count": (("y", "x"), count),
        },
        {
            "date": DATES,
            "perpendicular_baseline": ("date", np.array([0, 12.5, -30])),
            "y": y,
            "x": x,
        },
        OPTIONS | attrs,
    )


def radar_result(**attrs):
    axes = [xr.Variable(d, np.arange(n), {"units": "1"}) for d, n in (("y", 5), ("x", 7))]
    point = {"reference_point": [2, 3], "reference_point_y": 2, "reference_point_x": 3}
    return make_result(*axes, wavelength=0.0555, date_format="%Y%m%d", **point, **attrs)


def projected_result(**attrs):
    y = xr.Variable("y", 4_100_000 - 30.0 * (np.arange(5) + 0.5), {"units": "m"})
    x = xr.Variable("x", 500_000 + 40.0 * (np.arange(7) + 0.5), {"units": "m"})
    point = {"reference_point": [2, 3], "reference_point_y": y.values[2]}
    point["reference_point_x"] = x.values[3]
    result = make_result(y, x, wavelength=0.24, **point, **attrs)
    return result.assign_coords(spatial_ref=((), 0, pyproj.CRS.from_epsg(32614).to_cf()))


def with_covariance(result):
    """A result that has a covariance, too; not symmetric, so that a swap shows."""
    shape = (3, *result["displacement"].shape)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    values[..., 0, 1] = np.nan
    values[2, :, 3, 4] = values[:, 2, 3, 4] = np.nan  # one date is tied to no other there
    covariance = xr.DataArray(values, dims=("date", "date2", "y", "x"), attrs={"units": "m2"})
    return result.assign(displacement_cov=covariance).assign_coords(date2=("date2", DATES))


def read(path):
    with h5py.File(path, "r", locking=False) as file:
        return {name: file[name][()] for name in file}, dict(file.attrs)


def axis_of(stack, dim, size):
    """Row or column numbers, or the centres of geocoded pixels."""
    if "Y_FIRST" not in stack:
        return xr.Variable(dim, np.arange(size), {"units": "1"})
    first, step = (float(stack[f"{dim.upper()}_{part}"]) for part in ("FIRST", "STEP"))
    return xr.Variable(dim, first + (np.arange(size) + 0.5) * step, {"units": "degrees_north"})


def mintpy_result(folder, expected):
    """A result as we would make it, from what MintPy made of the same stack."""
    series, attrs = read(expected / "timeseries.h5")
    stack = read(folder)[1]
    axes = [axis_of(stack, dim, n) for dim, n in zip("yx", series["timeseries"].shape[1:], strict=True)]
    point = [int(stack["REF_Y"]), int(stack["REF_X"])]
    count = read(expected / "numInvIfgram.h5")[0]["mask"]
    coherence = read(expected / "temporalCoherence.h5")[0]["temporalCoherence"]
    days = [f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in series["date"].astype(str)]
    values = np.where(count == 0, np.nan, series["timeseries"]).astype(np.float32)
    config = {k.rpartition(".")[2]: v for k, v in attrs.items() if k.startswith("mintpy.")}
    masks = {"None": "none", "connectComponent": "connected_component"}
    options = {
        "wavelength": float(stack["WAVELENGTH"]),
        "looks": derived_attributes(stack)["looks"],
        "date_format": "%Y%m%d",
        "reference_point": point,
        "reference_point_y": float(axes[0].values[point[0]]),
        "reference_point_x": float(axes[1].values[point[1]]),
        "reference_date": f"{days[0]}T00:00:00",
        "weight_func": config["weightFunc"],
        "mask_dataset": masks.get(config["maskDataset"], config["maskDataset"]),
        "mask_threshold": 0.4,
        "min_redundancy": float(config["minRedundancy"]),
        "min_norm": "velocity" if config["minNormVelocity"] == "True" else "phase",
        "n_pair": int(config["numIfgram"]),
    }
    return xr.Dataset(
        {
            "displacement": (("date", "y", "x"), values),
            "temporal_coherence": (("y", "x"), np.where(count == 0, np.nan, coherence)),
            "pair_count": (("y", "x"), count.astype(np.uint32)),
        },
        {
            "date": np.array(days, dtype="datetime64[ns]"),
            "perpendicular_baseline": ("date", series["bperp"]),
            "y": axes[0],
            "x": axes[1],
        },
        OPTIONS | stack | options,
    )


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("mexico_city/ifgramStack.h5", "mexico_city/expected/var"),
        ("nasty_24/inputs/ifgramStack.h5", "nasty_24/expected/var_vel_cc"),
        ("nasty_24/inputs/ifgramStack.h5", "nasty_24/expected/var_vel_mr2"),
        ("nasty_24/inputs/ifgramStack.h5", "nasty_24/expected/no_pha_coh"),
    ],
)
def test_the_files_are_those_that_mintpy_writes(shared_data, tmp_path, stack, expected):
    folder = shared_data / expected
    for path in export_mintpy(mintpy_result(shared_data / stack, folder), tmp_path):
        with h5py.File(path) as ours, h5py.File(folder / path.name, locking=False) as theirs:
            assert set(ours) == set(theirs)
            assert dict(ours.attrs) == dict(theirs.attrs)
            for name in theirs:
                assert ours[name].dtype == theirs[name].dtype
                assert ours[name].chunks == theirs[name].chunks
                np.testing.assert_array_equal(ours[name][()], theirs[name][()])


def test_no_answer_becomes_zero_in_every_file(tmp_path):
    series, coherence, count = export_mintpy(radar_result(), tmp_path / "new" / "folder")
    assert not read(series)[0]["timeseries"][:, 0, 1].any()
    assert read(coherence)[0]["temporalCoherence"][0, 1] == 0
    assert read(count)[0]["mask"][0, 1] == 0
    assert read(count)[0]["mask"].sum() == 3 * 34


def test_the_other_values_are_copied(tmp_path):
    result = radar_result()
    found, _ = read(export_mintpy(result, tmp_path)[0])
    np.testing.assert_array_equal(found["timeseries"], result["displacement"].fillna(0))
    np.testing.assert_array_equal(found["bperp"], np.float32([0, 12.5, -30]))
    assert found["date"].tolist() == [b"20200101", b"20200113", b"20200206"]


@pytest.mark.parametrize("chunks", [{"date": 3, "y": 2, "x": 3}, {"date": 2, "y": 5, "x": 4}])
def test_a_store_and_a_lazy_result_give_the_same_files_tile_by_tile(tmp_path, chunks):
    result = radar_result()
    result.chunk(chunks).to_zarr(tmp_path / "result.zarr", zarr_format=3, consolidated=False)
    expected = [read(path) for path in export_mintpy(result, tmp_path / "memory")]
    for name, source in (("lazy", result.chunk(chunks)), ("store", tmp_path / "result.zarr")):
        calls = []
        paths = export_mintpy(source, tmp_path / name, progress=lambda *c, calls=calls: calls.append(c))
        sizes = {"date": 3, "y": 5, "x": 7}
        total = math.prod(math.ceil(size / chunks[dim]) for dim, size in sizes.items())
        assert calls == [(done, total) for done in range(1, total + 1)]
        for (values, attrs), path in zip(expected, paths, strict=True):
            found, found_attrs = read(path)
            assert found_attrs == attrs
            for key in values:
                np.testing.assert_array_equal(found[key], values[key])


def test_the_options_are_written_as_mintpy_spells_them(tmp_path):
    changed = {"mask_dataset": "connected_component", "min_norm": "phase", "min_redundancy": 2}
    _, attrs = read(export_mintpy(radar_result().assign_attrs(changed), tmp_path)[1])
    prefix = "mintpy.networkInversion."
    assert {k.removeprefix(prefix): v for k, v in attrs.items() if k.startswith(prefix)} == {
        "obsDatasetName": "unwrapPhase",
        "numIfgram": "3",
        "weightFunc": "var",
        "maskDataset": "connectComponent",
        "maskThreshold": "0.4",
        "minRedundancy": "2.0",
        "minNormVelocity": "False",
    }


def test_a_stack_from_elsewhere_gets_the_attributes_that_mintpy_needs(tmp_path):
    _, attrs = read(export_mintpy(projected_result(), tmp_path)[0])
    plain = {k: v for k, v in attrs.items() if not k.startswith("mintpy.")}
    assert plain == {
        "FILE_TYPE": "timeseries",
        "UNIT": "m",
        "LENGTH": "5",
        "WIDTH": "7",
        "WAVELENGTH": "0.24",
        "START_DATE": "20200101",
        "END_DATE": "20200206",
        "REF_DATE": "20200101",
        "REF_Y": "2",
        "REF_X": "3",
        "Y_FIRST": "4100000.0",
        "Y_STEP": "-30.0",
        "Y_UNIT": "meters",
        "X_FIRST": "500000.0",
        "X_STEP": "40.0",
        "X_UNIT": "meters",
        "EPSG": "32614",
        "UTM_ZONE": "14N",
    }


def test_our_own_attributes_stay_out_of_the_files(tmp_path):
    ours = dict.fromkeys(PROVENANCE, "ours") | OPTIONS | {FINGERPRINT: "0123"}
    for path in export_mintpy(radar_result().assign_attrs(ours, PLATFORM="Sen"), tmp_path):
        _, attrs = read(path)
        assert attrs["PLATFORM"] == "Sen"
        assert all(name == name.upper() or name.startswith("mintpy.") for name in attrs)


@pytest.mark.parametrize(
    ("said", "written"),
    [("5.550e-2", "5.550e-2"), ("0.24", "0.0555"), ("unknown", "0.0555"), (None, "0.0555")],
)
def test_the_wavelength_is_that_of_the_result_in_the_digits_of_the_source_if_it_is_the_same(
    tmp_path, said, written
):
    source = {} if said is None else {"WAVELENGTH": said}
    for path in export_mintpy(radar_result(**source), tmp_path):
        assert read(path)[1]["WAVELENGTH"] == written


@pytest.mark.parametrize(
    ("source", "looks", "written"),
    [
        ({"NCORRLOOKS": "38.66"}, 39, "38.66"),
        ({"NCORRLOOKS": "38.66"}, 12, "12"),
        ({"ALOOKS": "2", "RLOOKS": "8"}, 8, None),
        ({"ALOOKS": "2", "RLOOKS": "8"}, 12, "12"),
        ({}, 12, "12"),
    ],
)
def test_the_looks_are_those_of_the_result(tmp_path, source, looks, written):
    _, attrs = read(export_mintpy(radar_result(looks=looks, **source), tmp_path)[0])
    assert attrs.get("NCORRLOOKS") == written


def test_another_projection_than_that_of_the_source_replaces_it(tmp_path):
    source = {"Y_FIRST": "19.5", "Y_STEP": "-1e-3", "X_FIRST": "-99.2", "X_STEP": "1e-3", "EPSG": "4326"}
    source |= {"Y_UNIT": "degrees", "X_UNIT": "degrees"}
    _, attrs = read(export_mintpy(projected_result(**source), tmp_path)[0])
    assert (attrs["EPSG"], attrs["UTM_ZONE"]) == ("32614", "14N")
    assert (attrs["Y_UNIT"], attrs["X_UNIT"]) == ("meters", "meters")
    assert (attrs["Y_FIRST"], attrs["X_STEP"]) == ("4100000.0", "40.0")


def test_a_part_says_nothing_of_the_corners_of_the_whole(tmp_path):
    place = {"XMAX": "6", "SUBSET_YMIN": "100", "LAT_REF1": "-0.2"}
    source = radar_result(LENGTH="5", WIDTH="7", **place)
    assert place.items() <= read(export_mintpy(source, tmp_path)[0])[1].items()
    _, attrs = read(export_mintpy(source.isel(y=slice(1, 4)), tmp_path / "part")[0])
    assert not set(place) & set(attrs)


def test_without_coordinates_the_files_are_not_georeferenced(tmp_path):
    source = {"Y_FIRST": "4100000", "Y_STEP": "-30", "X_FIRST": "500000", "X_STEP": "40", "X_UNIT": "m"}
    _, attrs = read(export_mintpy(radar_result(**source), tmp_path)[0])
    assert not set(source) & set(attrs)


def test_a_part_of_a_result_says_where_it_is(tmp_path):
    source = {"Y_FIRST": "4100000", "Y_STEP": "-30", "X_FIRST": "500000", "X_STEP": "40"}
    source |= {"REF_Y": "2", "REF_X": "3", "REF_LAT": "37.0", "LENGTH": "5", "WIDTH": "7", "Y_UNIT": "metre"}
    part = projected_result(**source).isel(y=slice(1, 4), x=slice(2, 7))
    _, attrs = read(export_mintpy(part, tmp_path)[0])
    assert (attrs["LENGTH"], attrs["WIDTH"]) == ("3", "5")
    assert (float(attrs["Y_FIRST"]), float(attrs["X_FIRST"])) == (4_099_970, 500_080)
    assert (attrs["Y_STEP"], attrs["X_STEP"]) == ("-30", "40")
    assert (attrs["REF_Y"], attrs["REF_X"], attrs["REF_LAT"]) == ("1", "1", "37.0")
    assert attrs["Y_UNIT"] == "metre"
    assert not {"X_UNIT", "EPSG", "UTM_ZONE"} & attrs.keys()


def test_every_second_pixel_has_twice_the_step_and_the_right_corner(tmp_path):
    source = {"Y_FIRST": "4100000", "Y_STEP": "-30", "X_FIRST": "500000", "X_STEP": "40"}
    part = projected_result(**source).isel(y=slice(0, 5, 2), x=slice(1, 7, 2))
    _, attrs = read(export_mintpy(part, tmp_path)[0])
    assert (float(attrs["Y_STEP"]), float(attrs["X_STEP"])) == (-60, 80)
    assert float(attrs["Y_FIRST"]) == 4_100_000 - 15 + 30
    assert (attrs["REF_Y"], attrs["REF_X"]) == ("1", "1")


def test_a_part_of_a_radar_result_finds_its_reference_point(tmp_path):
    part = radar_result(REF_Y="2", REF_X="3").isel(y=slice(2, 5), x=slice(1, 2))
    part.attrs["reference_point_x"] = 1
    _, attrs = read(export_mintpy(part, tmp_path)[0])
    assert (attrs["REF_Y"], attrs["REF_X"]) == ("0", "0")
    assert "Y_FIRST" not in attrs


def test_a_part_without_the_reference_point_does_not_claim_one(tmp_path, caplog):
    source = radar_result(REF_Y="2", REF_X="3", REF_LAT="1", REF_LON="2")
    _, attrs = read(export_mintpy(source.isel(y=slice(3, 5)), tmp_path)[0])
    assert not {"REF_Y", "REF_X"} & set(attrs)
    assert (attrs["REF_LAT"], attrs["REF_LON"]) == ("1", "2")
    assert "reference point" in caplog.text


def test_another_reference_point_than_the_source_has_replaces_it(tmp_path):
    source = radar_result(REF_Y="0", REF_X="0", REF_LAT="1", REF_LON="2")
    _, attrs = read(export_mintpy(source, tmp_path)[0])
    assert (attrs["REF_Y"], attrs["REF_X"]) == ("2", "3")
    assert not {"REF_LAT", "REF_LON"} & set(attrs)


def test_another_reference_date_and_times_of_day_are_written(tmp_path):
    result = radar_result().assign_coords(date=DATES + np.timedelta64(745, "s"))
    result.attrs |= {"reference_date": "2020-01-13T00:12:25", "date_format": "%Y%m%dT%H%M%S"}
    series, coherence, _ = export_mintpy(result, tmp_path)
    values, attrs = read(series)
    assert attrs["REF_DATE"] == "20200113T001225"
    assert values["date"][0] == b"20200101T001225"
    assert "REF_DATE" not in read(coherence)[1]


def test_without_baselines_they_are_zero_and_a_warning_says_so(tmp_path, caplog):
    result = radar_result().drop_vars("perpendicular_baseline")
    with caplog.at_level(logging.WARNING):
        values, _ = read(export_mintpy(result, tmp_path)[0])
    assert values["bperp"].tolist() == [0, 0, 0]
    assert "no perpendicular_baseline" in caplog.text


def test_an_interrupted_export_leaves_the_old_files_and_no_others(tmp_path):
    (tmp_path / "timeseries.h5").write_text("old")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_mintpy(with_covariance(radar_result()), tmp_path, overwrite=True, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["timeseries.h5"]
    assert (tmp_path / "timeseries.h5").read_text() == "old"


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_file_where_the_folder_should_be_is_refused_and_kept(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"found something other than a folder at .*file"):
        export_mintpy(radar_result(), tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_where_a_file_should_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "temporalCoherence.h5").mkdir()
    with pytest.raises(InputError, match=r"found a folder .*temporalCoherence\.h5"):
        export_mintpy(radar_result(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["temporalCoherence.h5"]


def test_a_covariance_is_written_as_mintpys_file_of_it_in_square_metres(tmp_path):
    result = with_covariance(projected_result())
    paths = export_mintpy(result, tmp_path)
    names = ["timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "timeseriesDecorCov.h5"]
    assert [path.name for path in paths] == names
    found, attrs = read(paths[-1])
    assert set(found) == {"timeseries", "date"}
    assert found["timeseries"].dtype == np.float32
    np.testing.assert_array_equal(found["timeseries"], result["displacement_cov"].fillna(0))
    values, of_series = read(paths[0])
    np.testing.assert_array_equal(found["date"], values["date"])
    assert attrs == of_series | {"UNIT": "m^2"}


def test_a_covariance_changes_nothing_in_the_other_files(tmp_path):
    alone = export_mintpy(radar_result(), tmp_path / "alone")
    assert len(alone) == 3
    for path, other in zip(
        alone, export_mintpy(with_covariance(radar_result()), tmp_path / "all"), strict=False
    ):
        (values, attrs), (other_values, other_attrs) = read(path), read(other)
        assert attrs == other_attrs
        for name in values:
            np.testing.assert_array_equal(values[name], other_values[name])


@pytest.mark.parametrize("kind", ["lazy", "store", "turned", "without date2"])
def test_a_covariance_is_copied_tile_by_tile_from_anywhere(tmp_path, kind):
    result = with_covariance(radar_result())
    expected = result["displacement_cov"].fillna(0).values
    chunked = result.chunk({"date": 2, "y": 2, "x": 4})
    chunked.to_zarr(tmp_path / "result.zarr", zarr_format=3, consolidated=False)
    source, total = {
        "lazy": (chunked, 2 * 3 * 2),
        "store": (tmp_path / "result.zarr", 2 * 3 * 2),
        "turned": (result.transpose("x", "date2", "y", "date"), 3),
        "without date2": (result.drop_vars("date2"), 3),
    }[kind]
    calls = []
    path = export_mintpy(source, tmp_path / kind, progress=lambda *call: calls.append(call))[-1]
    assert calls == [(done, total) for done in range(1, total + 1)]
    np.testing.assert_array_equal(read(path)[0]["timeseries"], expected)


@pytest.mark.parametrize("kind", ["memory", "lazy", "store"])
def test_a_covariance_may_be_relative_to_another_date_than_the_series(tmp_path, kind):
    result = with_covariance(radar_result())
    cov = result["displacement_cov"].values.astype("f8")
    r = 1
    expected = cov - cov[r] - cov[:, r, None] + cov[r, r]
    result.chunk(y=2, x=4).to_zarr(tmp_path / "result.zarr", zarr_format=3, consolidated=False)
    source = {"memory": result, "lazy": result.chunk(y=2, x=4), "store": tmp_path / "result.zarr"}[kind]
    paths = export_mintpy(source, tmp_path, covariance_date="20200113")
    found, attrs = read(paths[-1])
    np.testing.assert_allclose(found["timeseries"], np.nan_to_num(expected), atol=1e-6)
    assert not found["timeseries"][r].any()
    assert not found["timeseries"][:, r].any()
    assert attrs["REF_DATE"] == "20200113"
    series, of_series = read(paths[0])
    np.testing.assert_array_equal(series["timeseries"], result["displacement"].fillna(0))
    assert of_series["REF_DATE"] == "20200101"


def test_a_covariance_relative_to_no_date_of_the_result_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"found 20200114 .* of the result: 20200101, 20200113, 20200206"):
        export_mintpy(with_covariance(radar_result()), tmp_path, covariance_date="20200114")
    assert not list(tmp_path.iterdir())


def test_a_covariance_of_other_dates_than_the_series_is_refused(tmp_path):
    result = with_covariance(radar_result())
    shifted = result.assign_coords(date2=DATES + np.timedelta64(1, "D"))
    for wrong in (result.isel(date2=[0, 1]), shifted):
        with pytest.raises(StackFormatError, match="along date2 that are not the 3"):
            export_mintpy(wrong, tmp_path)
    with pytest.raises(StackFormatError, match="displacement_cov over date, y, x; it needs date, date2"):
        export_mintpy(result.assign(displacement_cov=result["displacement"]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_result_is_refused(tmp_path):
    with pytest.raises(StackFormatError, match=r"found unwrapped_phase in the result; .* displacement"):
        export_mintpy(xr.Dataset({"unwrapped_phase": ("pair", [1.0])}), tmp_path)
    with pytest.raises(StackFormatError, match="the result is empty"):
        export_mintpy(radar_result().isel(y=slice(0, 0)), tmp_path)
    with pytest.raises(InputError, match=r"gone\.zarr: no such file"):
        export_mintpy(tmp_path / "gone.zarr", tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.h5").write_bytes(b"\x89HDF")
    for name in ("empty", "file.h5"):
        with pytest.raises(StackFormatError, match="is not a result: it is"):
            export_mintpy(tmp_path / name, tmp_path)
    assert not (tmp_path / "timeseries.h5").exists()


def test_pixels_at_unequal_distances_are_refused(tmp_path):
    with pytest.raises(StackFormatError, match="coordinate y is not regular"):
        export_mintpy(projected_result().isel(y=[0, 1, 4]), tmp_path)


@pytest.mark.parametrize(
    ("stack", "names"),
    [
        ("ifgramStack.h5", ["timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5"]),
        ("ionStack.h5", ["ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5"]),
        ("ionosphere.zarr", ["ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5"]),
        ("version_of_mine.h5", ["timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5"]),
    ],
)
def test_files_of_an_ionosphere_stack_are_named_for_it(tmp_path, stack, names):
    paths = export_mintpy(radar_result(stack=stack, observation="unwrapped_phase"), tmp_path)
    assert [path.name for path in paths] == names
    values, attrs = read(paths[0])
    assert set(values) == {"timeseries", "date", "bperp"}
    assert attrs["FILE_TYPE"] == "timeseries"
    assert attrs["mintpy.networkInversion.obsDatasetName"] == "unwrapPhase"


def test_names_may_be_chosen_and_the_covariance_follows_that_of_the_series(tmp_path):
    names = ("my series.h5", tmp_path / "elsewhere" / "quality.h5", "count.h5")
    (tmp_path / "elsewhere").mkdir()
    paths = export_mintpy(with_covariance(radar_result()), tmp_path / "out", names=names)
    folder = tmp_path / "out"
    assert paths == [
        folder / "my series.h5",
        names[1],
        folder / "count.h5",
        folder / "my seriesDecorCov.h5",
    ]
    assert set(read(paths[1])[0]) == {"temporalCoherence"}


def test_the_residual_of_an_offset_is_the_root_of_the_sum_and_no_number_where_there_is_no_answer(tmp_path):
    result = radar_result(observation="azimuth_offset").rename(temporal_coherence="residual_rms")
    _, quality, count = export_mintpy(result, tmp_path)
    residual = read(quality)[0]["residual"]
    expected = 0.75 * np.sqrt(result["pair_count"].values)
    expected[0, 1] = np.nan
    np.testing.assert_allclose(residual, expected, rtol=1e-6)
    assert read(count)[0]["mask"][0, 1] == 0
    assert read(quality)[1]["UNIT"] == "pixel"
