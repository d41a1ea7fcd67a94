import numpy as np
import pytest

import fringefleet
from exported import NAMES, scene
from fringefleet.errors import IdleOptionError, InputError, KindError, OptionError, StackFormatError
from fringefleet.io.writers import WRITERS, writer_named
from fringefleet.io.writers.export import export_result
from fringefleet.io.writers.selected import date_names_of, select_part
from fringefleet.io.writers.selection import ExportSelection

EVERYTHING = ("displacement", "displacement_cov", "gap_filled", "velocity", "temporal_coherence", "status")


def selected(writer="cog", names=EVERYTHING, **wanted):
    return select_part(scene("degrees", names), ExportSelection(**wanted), writer_named(writer))


def test_all_maps_and_series_are_written_unless_some_are_chosen():
    maps = ("gap_filled", "velocity", "temporal_coherence", "status")
    assert selected().names == ("displacement", *maps)
    assert selected("netcdf").names == (
        "displacement",
        *maps,
    )  # a covariance is large: it has to be asked for
    assert selected("csv").names == ("displacement", *maps[1:])
    assert selected("kmz").names == ("velocity",)
    assert selected("kmz", ("displacement", "status")).names == ("displacement",)
    assert selected("kmz", ("temporal_coherence", "status")).names == ("temporal_coherence", "status")
    assert selected(variables="status, velocity,status").names == ("status", "velocity")
    assert selected(variables=["velocity"]).names == ("velocity",)
    assert selected("zarr2", variables="displacement_cov").names == ("displacement_cov",)


def test_a_result_without_displacement_or_dates_is_written(tmp_path):
    result = scene("degrees", ("velocity",))
    assert "date" not in result.dims
    for writer in WRITERS:
        if not writer.is_fixed:
            paths = export_result(result, tmp_path / writer.name, writer.name)
            assert [path.name for path in paths] == [f"velocity{writer.suffix}"]


def test_dates_may_be_written_in_any_form_and_order():
    for given in ("20200206,2020-01-01", ["2020-02-06", "200101"], ("20200206", "20200101", "20200206")):
        assert date_names_of(selected(dates=given).result) == [NAMES[0], NAMES[2]]
    both = selected("netcdf", variables="displacement_cov", dates=NAMES[1]).result
    assert (both.sizes["date"], both.sizes["date2"]) == (1, 1)


@pytest.mark.parametrize(
    ("unit", "names", "units"),
    [("mm", ["mm", "mm2", "mm/year"], [1e3, 1e6, 1e3]), ("cm", ["cm", "cm2", "cm/year"], [1e2, 1e4, 1e2])],
)
def test_the_unit_is_that_of_everything_in_metres(unit, names, units):
    chosen = selected("netcdf", variables="displacement,displacement_cov,velocity,status", unit=unit)
    of = ["displacement", "displacement_cov", "velocity"]
    assert [chosen.result[name].attrs["units"] for name in of] == names
    assert chosen.factors == pytest.approx(dict(zip(of, units, strict=True)))
    known = scene("degrees", EVERYTHING)
    for place, tile in chosen.tiles(chosen.names):
        for name, factor in zip(of, units, strict=True):
            if name in tile:
                assert tile[name].dtype == np.float32
                expected = factor * known[name].isel(place, missing_dims="ignore")
                np.testing.assert_allclose(tile[name], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"variables": "displacment"},
            r"no such variable in the result\. Did you mean displacement\? There are",
        ),
        ({"variables": "displacement_cov"}, "over date, date2, y, x and cannot be written in this format"),
        ({"variables": " , "}, "found variables without a value"),
        ({"dates": "20200102"}, "20200102, which is none of the dates of the result: 20200101, 20200113"),
        ({"dates": "yesterday"}, "none of the dates"),
        ({"dates": ","}, "found dates without a value"),
        ({"dates": NAMES[0], "variables": "velocity"}, "no variable with dates among velocity"),
        ({"unit": "mm", "variables": "status"}, "nothing in metres among status"),
        ({"unit": "km"}, "found unit = 'km'; use one of"),
    ],
)
def test_what_is_not_there_is_refused(wanted, message):
    with pytest.raises(OptionError, match=message):
        selected(**wanted)


def test_an_empty_part_and_a_mask_that_keeps_nothing_are_refused():
    with pytest.raises(StackFormatError, match="the result is empty"):
        select_part(scene("degrees").isel(y=slice(0)), ExportSelection(), writer_named("cog"))
    with pytest.raises(InputError, match=r"keeps none of the 1,961 pixels"):
        selected(mask="temporal_coherence > 1")


def test_words_from_python_are_checked(tmp_path):
    result = scene("degrees")
    with pytest.raises(OptionError, match=r"no option 'units' of an export\. Did you mean unit\?"):
        fringefleet.export_result(result, tmp_path, "cog", units="mm")
    with pytest.raises(KindError, match="found variables = 3 of the type int"):
        fringefleet.export_result(result, tmp_path, "cog", variables=3)
    with pytest.raises(KindError, match="found mask = True"):
        fringefleet.export_result(result, tmp_path, "cog", mask=True)
    for name, value in (("variables", "displacement"), ("unit", "mm")):
        with pytest.raises(IdleOptionError, match=rf"found {name} with the format mintpy, whose variables"):
            fringefleet.export_result(result, tmp_path, "mintpy", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_mintpys_files_may_have_some_dates_only(tmp_path):
    import h5py

    paths = fringefleet.export_result(scene("degrees"), tmp_path, "mintpy", dates=NAMES[:2])
    with h5py.File(paths[0]) as file:
        assert file["date"][:].astype(str).tolist() == NAMES[:2]


def test_a_mask_compares_in_the_units_of_the_result_whatever_is_written():
    known = scene("degrees", EVERYTHING)
    chosen = selected(variables="velocity", unit="mm", mask="velocity > 0.01")
    ((_, tile),) = chosen.tiles(chosen.names)
    expected = 1000 * known["velocity"].where(known["velocity"] > 0.01)
    assert int(expected.notnull().sum()) > 100
    np.testing.assert_allclose(tile["velocity"], expected, rtol=1e-6)
