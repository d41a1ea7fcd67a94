"""Results to export: small, in several geometries, with pixels and dates that have no value."""

import numpy as np
import pyproj
import xarray as xr

from fringefleet.io.georeference import Raster, georeference
from fringefleet.io.grid import radar_coordinates, regular_coordinates
from fringefleet.products.registry import all_variables
from fringefleet.status import Status

DATES = np.array(["2020-01-01", "2020-01-13", "2020-02-06", "2021-03-01"], "datetime64[ns]")
NAMES = ["20200101", "20200113", "20200206", "20210301"]
# A tile is no part of the whole, and neither is a block of a GeoTIFF.
GRIDS = {
    "degrees": (Raster((19.8, -99.6), (-0.001, 0.002), (37, 53)), 4326),
    "utm": (Raster((4_100_000.0, 500_000.0), (-30.0, 40.0), (540, 70)), 32614),
    "one row": (Raster((4_100_000.0, 500_000.0), (-40.0, 40.0), (1, 77)), 32614),
    "south up": (Raster((19.8, -99.6), (0.001, 0.002), (11, 13)), 4326),
    "feet": (Raster((1_500_000.0, 6_000_000.0), (-100.0, 100.0), (20, 21)), 2229),
}


def scene(
    kind="degrees", names=("displacement", "temporal_coherence", "residual_rms", "pair_count", "status")
):
    """Make a result; ``radar`` has no place on the map."""
    if kind == "radar":
        shape = (37, 53)
        coords = radar_coordinates(shape)
    else:
        raster, code = GRIDS[kind]
        shape = raster.shape
        coords = regular_coordinates(raster, georeference(raster, crs=pyproj.CRS.from_epsg(code)))
    rng = np.random.default_rng(0)
    status = rng.choice([Status.OK, Status.LINEAR, Status.TOO_FEW_PAIRS], shape).astype(np.uint8)
    status[0, 0], status[-1, -1] = Status.REFERENCE_POINT, Status.TOO_FEW_PAIRS
    nothing = status == Status.TOO_FEW_PAIRS
    series = rng.normal(0, 0.1, (len(DATES), *shape)).astype(np.float32)
    series[1, :, 1] = np.nan  # a date that nothing ties to the others
    values = {
        "displacement": series,
        "temporal_coherence": rng.uniform(size=shape).astype(np.float32),
        "residual_rms": rng.uniform(0, 2, shape).astype(np.float32),
        "pair_count": rng.integers(1, 9, shape).astype(np.uint32),
        "status": status,
        "gap_filled": rng.integers(0, 2, series.shape).astype(np.uint8),
        "displacement_std": np.abs(series) / 10,
        "displacement_cov": rng.normal(size=(len(DATES), *series.shape)).astype(np.float32),
        "velocity": rng.normal(0, 0.02, shape).astype(np.float32),
    }
    for name in ("displacement", "temporal_coherence", "residual_rms", "displacement_std", "velocity"):
        values[name][..., nothing] = np.nan
    known = {name: (item.dims, dict(item.attrs)) for name, item in all_variables().items()}
    known["velocity"] = (("y", "x"), {"units": "m/year", "long_name": "velocity towards the satellite"})
    coords["date"] = xr.Variable("date", DATES)
    if "displacement_cov" in names:
        coords["date2"] = xr.Variable("date2", DATES)
    if not {"displacement", "gap_filled", "displacement_std"} & set(names):
        del coords["date"]
    data = {name: (known[name][0], values[name], known[name][1]) for name in names}
    attrs = {
        "reference_date": "2020-01-01T00:00:00",
        "reference_point": [0, 0],
        "observation": "unwrapped_phase",
    }
    attrs |= {"wavelength": 0.0555, "mintpy.load.x": "no name of CF"}
    return xr.Dataset(data, coords, attrs)


def stored(result, path, tile=(200, 20)):
    """Write a result as a store with tiles."""
    chunks = {"y": min(tile[0], result.sizes["y"]), "x": min(tile[1], result.sizes["x"])}
    cut = result.chunk(chunks)
    for variable in cut.variables.values():
        variable.encoding.clear()
    cut.to_zarr(path, zarr_format=3, consolidated=False)
    return path
