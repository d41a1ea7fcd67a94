import io
import json
import shutil
import subprocess
import zipfile
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
import rasterio
from matplotlib.image import imread
from pyproj import Transformer

from exported import GRIDS, scene, stored
from fringefleet.errors import InputError, OptionError
from fringefleet.io.writers import kmz
from fringefleet.io.writers.export import export_result

KML = {"": "http://www.opengis.net/kml/2.2"}

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def opened(path):
    """Unzip a file: its document, the picture (row, column, RGBA), and its edges."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["doc.kml", "overlay.png", "legend.png"]
        document = ET.fromstring(archive.read("doc.kml")).find("Document", KML)
        picture = imread(io.BytesIO(archive.read("overlay.png")))
        legend = imread(io.BytesIO(archive.read("legend.png")))
    assert document.find("GroundOverlay/Icon/href", KML).text == "overlay.png"
    assert document.find("ScreenOverlay/Icon/href", KML).text == "legend.png"
    assert legend.shape[1] > 2 * legend.shape[0]
    box = document.find("GroundOverlay/LatLonBox", KML)
    edges = {side: float(box.find(side, KML).text) for side in ("west", "south", "east", "north")}
    return document, picture, edges


@pytest.mark.parametrize("kind", ["degrees", "south up"])
def test_a_pixel_has_the_colour_of_its_value_at_its_place(tmp_path, kind):
    result = scene(kind, ("displacement", "velocity", "status"))
    (path,) = export_result(stored(result, tmp_path / "r.zarr"), tmp_path / "out", "kmz")
    assert path == tmp_path / "out" / "velocity.kmz"
    document, picture, edges = opened(path)
    raster = GRIDS[kind][0]
    south, north = sorted((raster.corner[0], raster.corner[0] + raster.step[0] * raster.shape[0]))
    assert edges == pytest.approx(
        {"west": -99.6, "east": -99.6 + 0.002 * raster.shape[1], "south": south, "north": north}, abs=1e-9
    )
    values = result["velocity"].sortby("y", ascending=False).values
    np.testing.assert_array_equal(picture[..., 3] > 0, np.isfinite(values))
    most = np.percentile(np.abs(values[np.isfinite(values)]), 99.8)
    colours = mpl.colormaps["RdBu"]((values + most) / (2 * most))
    known = np.isfinite(values)
    np.testing.assert_allclose(picture[known], colours[known], atol=0.01)
    assert "[mm/year]" in document.find("name", KML).text


def test_a_projected_scene_is_laid_out_in_degrees(tmp_path):
    result = scene("utm", ("velocity",))
    result["velocity"][:] = np.nan
    result["velocity"][100:110, 20:30] = 0.02
    export_result(result, tmp_path / "a.kmz", "kmz", unit="mm")
    document, picture, edges = opened(tmp_path / "a.kmz")
    rows, columns = np.nonzero(picture[..., 3])
    north = edges["north"] - (rows.mean() + 0.5) / picture.shape[0] * (edges["north"] - edges["south"])
    east = edges["west"] + (columns.mean() + 0.5) / picture.shape[1] * (edges["east"] - edges["west"])
    lon, lat = Transformer.from_crs(32614, 4326, always_xy=True).transform(
        500_000 + 40 * 25, 4_100_000 - 30 * 105
    )
    assert (east, north) == pytest.approx((lon, lat), abs=1.5e-4)  # [degree]; less than half a pixel
    assert "[mm/year]" in document.find("name", KML).text


def test_without_a_velocity_it_shows_the_last_displacement_that_is_chosen(tmp_path):
    result = scene("degrees", ("displacement", "temporal_coherence", "status"))
    rule = "temporal_coherence > 0.5"
    export_result(result, tmp_path / "a.kmz", "kmz", dates="20200113,20200206", mask=rule)
    document, picture, _ = opened(tmp_path / "a.kmz")
    assert document.find("name", KML).text == "Line-of-sight displacement, 20200206 [cm]"
    assert rule in document.find("description", KML).text
    known = np.isfinite(result["displacement"][2].where(result["temporal_coherence"] > 0.5))
    np.testing.assert_array_equal(picture[..., 3] > 0, known)


def test_the_mask_of_the_result_that_a_velocity_was_fitted_to_is_told(tmp_path):
    result = scene("degrees", ("velocity", "temporal_coherence")).assign_attrs(mask_rule="pair_count > 3")
    export_result(result, tmp_path / "a.kmz", "kmz")
    export_result(result, tmp_path / "b.kmz", "kmz", mask="temporal_coherence > 0.5")
    told = [opened(tmp_path / name)[0].find("description", KML).text for name in ("a.kmz", "b.kmz")]
    assert told == ["velocity, pair_count > 3", "velocity, (pair_count > 3) and (temporal_coherence > 0.5)"]
    (path,) = export_result(result, tmp_path, "cog", variables="velocity")
    with rasterio.open(path) as file:
        assert file.tags()["mask"] == "pair_count > 3"


def test_a_large_scene_is_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr(kmz, "_LARGEST_SIDE", 10)
    result = scene("degrees", ("velocity", "displacement"))
    export_result(stored(result, tmp_path / "r.zarr"), tmp_path / "a.kmz", "kmz")
    _, picture, edges = opened(tmp_path / "a.kmz")
    thin = result["velocity"][::4, ::6]
    np.testing.assert_array_equal(picture[..., 3] > 0, np.isfinite(thin.values))
    first = edges["west"] + 0.5 / picture.shape[1] * (edges["east"] - edges["west"])
    assert first == pytest.approx(float(thin["x"][0]), abs=1e-9)


def test_gdal_of_the_system_reads_it(tmp_path):
    gdalinfo = shutil.which("gdalinfo")
    if gdalinfo is None:
        pytest.skip("gdalinfo is not installed (Debian: gdal-bin)")
    export_result(scene("degrees", ("velocity",)), tmp_path / "a.kmz", "kmz")
    done = subprocess.run([gdalinfo, "-json", tmp_path / "a.kmz"], capture_output=True, check=True)
    said = json.loads(done.stdout)
    assert said["size"] == [53, 37]
    assert said["geoTransform"] == pytest.approx([-99.6, 0.002, 0, 19.8, 0, -0.001], abs=1e-9)


def test_one_map_is_one_file_and_radar_geometry_is_refused(tmp_path):
    result = scene("degrees", ("displacement", "temporal_coherence", "pair_count"))
    paths = export_result(result, tmp_path, "kmz", variables="temporal_coherence,pair_count")
    assert [path.name for path in paths] == ["temporal_coherence.kmz", "pair_count.kmz"]
    with pytest.raises(OptionError, match=r"a\.kmz for 2 variables, which have a file each"):
        export_result(result, tmp_path / "a.kmz", "kmz", variables="temporal_coherence,pair_count")
    with pytest.raises(InputError, match=r"in radar geometry.* kmz needs a place on the map"):
        export_result(scene("radar"), tmp_path / "b.kmz", "kmz")
