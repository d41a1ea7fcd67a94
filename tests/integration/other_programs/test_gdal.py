"""GDAL 3.12 opens a result as it is, with its CRS and its grid; GDAL 3.10 cannot unpack Zarr format 3."""

import json

import numpy as np
import pytest
import xarray as xr

from integration.other_programs.environments import interpreter, run_in

DESCRIBE = """
import json, sys, warnings
import numpy as np, rasterio
warnings.simplefilter("ignore")
found = {"gdal": rasterio.__gdal_version__}
for name in sys.argv[2:]:
    with rasterio.open(f'ZARR:"{sys.argv[1]}":/{name}') as raster:
        values = raster.read()
        found[name] = {
            "crs": raster.crs.to_epsg(), "transform": raster.transform.to_gdal(),
            "nodata": str(raster.nodata),
            "shape": values.shape, "values": np.nan_to_num(values.astype(float), nan=-9e9).ravel().tolist(),
        }
print(json.dumps(found))
"""
NAMES = ("displacement", "temporal_coherence", "status")


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def described(result):
    python = interpreter("FRINGEFLEET_GDAL", "'rasterio>=1.5.2' with Python 3.12 or later")
    return json.loads(run_in(python, DESCRIBE, result, *NAMES))


def test_it_is_a_gdal_that_reads_zarr_format_3(described):
    assert tuple(map(int, described["gdal"].split(".")[:2])) >= (3, 12)


@pytest.mark.parametrize("name", NAMES)
def test_values_crs_and_grid_are_those_of_the_result(described, result, name):
    found, expected = described[name], xr.open_zarr(result)
    assert found["crs"] == 4326
    left, width, _, top, _, height = found["transform"]
    y, x = expected["y"].values, expected["x"].values
    np.testing.assert_allclose(left + width * (np.arange(len(x)) + 0.5), x, atol=1e-9)
    np.testing.assert_allclose(top + height * (np.arange(len(y)) + 0.5), y, atol=1e-9)
    values = np.nan_to_num(expected[name].values.astype(float), nan=-9e9)
    assert found["shape"] == [1, *values.shape][-3:]
    np.testing.assert_array_equal(np.reshape(found["values"], values.shape), values)
    assert found["nodata"] == ("255.0" if name == "status" else "nan")
