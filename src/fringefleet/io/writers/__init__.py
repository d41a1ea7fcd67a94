"""Writers of results in the formats of other programs, in an ordered list."""

from fringefleet.arguments.known import check_known
from fringefleet.io.writers.base import ALL_DIMS, Writer

_MODULES = "fringefleet.io.writers"

WRITERS: tuple[Writer, ...] = (
    Writer(
        "mintpy",
        "timeseries.h5, temporalCoherence.h5 and numInvIfgram.h5.",
        "",
        f"{_MODULES}.mintpy",
        is_fixed=True,
    ),
    Writer("cog", "Cloud-Optimized GeoTIFFs, one for each map and date.", ".tif", f"{_MODULES}.cog"),
    Writer(
        "netcdf",
        "NetCDF-4 by the CF conventions.",
        ".nc",
        f"{_MODULES}.netcdf",
        dims=ALL_DIMS,
    ),
    Writer(
        "zarr2",
        "a store of Zarr format 2.",
        ".zarr",
        f"{_MODULES}.zarr2",
        dims=ALL_DIMS,
    ),
    Writer(
        "kmz",
        "a map of the velocity, or the last displacement, for Google Earth.",
        ".kmz",
        f"{_MODULES}.kmz",
        needs=("matplotlib", "export"),
        first_of=("velocity", "displacement"),
    ),
    Writer(
        "csv",
        "text with a line for each pixel.",
        ".csv",
        f"{_MODULES}.csv_table",
        is_table=True,
    ),
    Writer(
        "geopackage",
        "points for GIS.",
        ".gpkg",
        f"{_MODULES}.geopackage",
        needs=("pyogrio", "export"),
        is_table=True,
    ),
)


def writer_named(name: str) -> Writer:
    """Return the writer with a name.

    Raises
    ------
    OptionError
        There is no writer of this name.
    """
    found = {writer.name: writer for writer in WRITERS}
    check_known([name], found, lambda name: f"found no format {name!r}.")
    return found[name]
