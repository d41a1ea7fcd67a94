"""Tables of pixels: CSV and GeoPackage, read again by other programs."""

import shutil
import sqlite3
import struct
import subprocess
from contextlib import closing

import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest

from exported import GRIDS, NAMES, scene, stored
from fringefleet.errors import InputError, MissingExtraError
from fringefleet.io.writers import base, points
from fringefleet.io.writers.export import export_result

COLUMNS = [f"displacement_{name}" for name in NAMES]


def expected_rows(result, names):
    """Rows by row and column of the pixel, for those that have a value."""
    floats = [result[name].values.reshape(-1, *result["status"].shape) for name in names if name != "status"]
    known = np.any([np.isfinite(values).any(0) for values in floats], 0)
    return np.argwhere(known)


def read_gpkg(path):
    """Read a GeoPackage without GDAL: SQLite, and well-known binary after the header of the format."""
    with closing(sqlite3.connect(path)) as file:
        (code,) = file.execute(
            "SELECT organization_coordsys_id FROM gpkg_spatial_ref_sys AS s JOIN "
            "gpkg_geometry_columns AS g ON s.srs_id = g.srs_id"
        ).fetchone()
        table = pd.read_sql_query("SELECT * FROM result ORDER BY fid", file)
    shapes = [
        struct.unpack("<2sBBi", blob[:8]) + struct.unpack("<BIdd", blob[-21:]) for blob in table["geom"]
    ]
    assert {shape[0] for shape in shapes} == {b"GP"}
    assert {shape[5] for shape in shapes} == {1}  # points
    return code, table.assign(x=[s[-2] for s in shapes], y=[s[-1] for s in shapes])


def check(table, result, names, *, factor=1.0):
    rows = expected_rows(result, names)
    assert len(table) == len(rows)
    i, j = rows.T
    order = np.lexsort((table["x"], -table["y"]))
    table = table.iloc[order].reset_index(drop=True)
    places = np.lexsort((result["x"].values[j], -result["y"].values[i]))
    i, j = i[places], j[places]
    np.testing.assert_allclose(table["x"], result["x"].values[j], rtol=1e-13)
    np.testing.assert_allclose(table["y"], result["y"].values[i], rtol=1e-13)
    for column, name in zip(COLUMNS, result["displacement"], strict=True):
        np.testing.assert_allclose(table[column], factor * name.values[i, j], rtol=1e-6)
    for name in set(names) - {"displacement"}:
        np.testing.assert_allclose(table[name], result[name].values[i, j], rtol=1e-6)


NAMED = ("displacement", "temporal_coherence", "residual_rms", "pair_count", "status")


@pytest.mark.parametrize("kind", [*GRIDS, "radar"])
def test_a_line_of_text_for_each_pixel_that_has_a_value(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(points, "_ROWS", 100)
    result = scene(
        kind, ("displacement", "gap_filled", "temporal_coherence", "residual_rms", "pair_count", "status")
    )
    path = tmp_path / "all.csv"
    export_result(stored(result, tmp_path / "r.zarr"), path, "csv", unit="mm")
    table = pd.read_csv(path)
    titles = [f"{name} [mm]" for name in COLUMNS]
    assert set(titles) | {"residual_rms [rad]"} <= set(table.columns)
    assert not [name for name in table.columns if name.startswith("gap_filled")]
    names = {
        "radar": ["column", "row"],
        "degrees": ["longitude", "latitude"],
        "south up": ["longitude", "latitude"],
    }
    first = names.get(kind, ["x", "y", "longitude", "latitude"])
    assert table.columns[: len(first)].tolist() == first
    if len(first) == 4:
        back = pyproj.Transformer.from_crs(4326, GRIDS[kind][1], always_xy=True)
        x, y = back.transform(table["longitude"], table["latitude"])
        np.testing.assert_allclose(x, table["x"], atol=1e-3)
        np.testing.assert_allclose(y, table["y"], atol=1e-3)
    plain = table.rename(columns=lambda name: name.partition(" ")[0])
    plain = plain.rename(columns=dict(zip(first[:2], ["x", "y"], strict=True)))
    check(plain, result.drop_vars("gap_filled"), [n for n in NAMED if n != "pair_count"], factor=1000)


@pytest.mark.parametrize("kind", GRIDS)
def test_a_geopackage_has_a_point_for_each_pixel_that_has_a_value(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(points, "_ROWS", 100)
    result = scene(kind, NAMED)
    path = tmp_path / "all.gpkg"
    export_result(stored(result, tmp_path / "r.zarr"), path, "geopackage", unit="cm")
    code, table = read_gpkg(path)
    assert code == GRIDS[kind][1]
    check(table, result, [n for n in NAMED if n != "pair_count"], factor=100)
    info = pyogrio.read_info(path)
    assert (info["geometry_type"], info["features"]) == ("Point", len(table))
    units = "; ".join(f"{name}: cm" for name in COLUMNS) + "; residual_rms: rad"
    assert info["layer_metadata"] == {"units": units}
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (10300,)  # GDAL 3.6 warns of later ones
    assert pyproj.CRS(info["crs"]).to_epsg() == code


def test_ogr_of_the_system_reads_both(tmp_path):
    ogrinfo = shutil.which("ogrinfo")
    if ogrinfo is None:
        pytest.skip("ogrinfo is not installed (Debian: gdal-bin)")
    result = scene("utm", NAMED)
    n_pixel = len(expected_rows(result, ["displacement"]))
    for file_format, name in (("geopackage", "all.gpkg"), ("csv", "all.csv")):
        export_result(result, tmp_path / name, file_format)
        done = subprocess.run(
            [ogrinfo, "-so", "-al", tmp_path / name], capture_output=True, text=True, check=True
        )
        assert f"Feature Count: {n_pixel}" in done.stdout
    done = subprocess.run(
        [
            ogrinfo,
            "-q",
            tmp_path / "all.gpkg",
            "-sql",
            "SELECT AVG(displacement_20200206) AS mean FROM result",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    mean = float(done.stdout.split("mean (Real) =")[1].split()[0])
    assert mean == pytest.approx(float(result["displacement"][2].mean()), abs=1e-7)


@pytest.mark.parametrize(("file_format", "suffix"), [("csv", ".csv"), ("geopackage", ".gpkg")])
def test_pixels_that_are_left_out_have_no_row_and_codes_alone_are_rows(tmp_path, file_format, suffix):
    result = scene("utm", NAMED)
    for names in ("status,pair_count", "displacement"):
        path = tmp_path / f"{names[:6]}{suffix}"
        rule = "pair_count > 4 and status != too_few_pairs"
        export_result(result, path, file_format, variables=names, mask=rule)
        table = pd.read_csv(path) if suffix == ".csv" else pd.DataFrame(read_gpkg(path)[1])
        assert len(table) == int(((result["pair_count"] > 4) & (result["status"] != 4)).sum())
    paths = export_result(
        result, tmp_path / "out", file_format, variables="status,displacement", dates=NAMES[0]
    )
    assert [path.name for path in paths] == [f"status{suffix}", f"displacement{suffix}"]
    table = pd.read_csv(paths[0]) if suffix == ".csv" else read_gpkg(paths[0])[1]
    assert len(table) == result["status"].size


def test_a_series_that_is_stored_date_by_date_is_a_row_all_the_same(tmp_path):
    result = scene("degrees", ("displacement", "status"))
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    calls = []
    export_result(result, whole, "csv")
    export_result(result.chunk(date=1, y=20), cut, "csv", progress=lambda *n: calls.append(n))
    assert calls == [(1, 2), (2, 2)]
    one, other = (pd.read_csv(path).sort_values(["latitude", "longitude"]) for path in (whole, cut))
    np.testing.assert_array_equal(one, other)


def test_nothing_to_write_no_place_and_no_library_are_said(tmp_path, monkeypatch):
    nothing = scene("degrees", ("displacement",)).isel(date=[1], x=[1])
    for file_format, name in (("csv", "a.csv"), ("geopackage", "a.gpkg")):
        with pytest.raises(InputError, match="no pixel with a value of displacement"):
            export_result(nothing.assign_attrs(X_STEP="0.002"), tmp_path / "new" / name, file_format)
    with pytest.raises(InputError, match=r"in radar geometry.* geopackage needs a place on the map"):
        export_result(scene("radar"), tmp_path / "a.gpkg", "geopackage")
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    with pytest.raises(
        MissingExtraError, match=r"pyogrio is not installed .* pip install \"fringefleet\[export\]\""
    ):
        export_result(scene("utm"), tmp_path / "a.gpkg", "geopackage")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
