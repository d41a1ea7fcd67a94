"""Checks of output names, whose suffix must not be that of another format."""

from pathlib import Path

from fringefleet.errors import OptionError

_FORMATS = {
    "Zarr": (".zarr",),
    "HDF5": (".h5", ".he5", ".hdf5", ".hdf"),
    "NetCDF": (".nc", ".nc4", ".cdf"),
    "GeoTIFF": (".tif", ".tiff", ".vrt", ".cog"),
    "PNG": (".png",),
    "a picture": (".jpg", ".jpeg", ".pdf", ".svg"),
    "HTML": (".html", ".htm"),
    "JSON": (".json",),
    "text": (".txt", ".csv", ".cfg", ".toml", ".yaml", ".yml", ".log", ".xml"),
    "NumPy": (".npy", ".npz", ".mat", ".pkl"),
    "an archive": (".zip", ".gz", ".tar", ".tgz", ".bz2"),
    "a map of KML": (".kml", ".kmz"),
    "a program": (".py", ".ipynb", ".sh"),
}
_OF_SUFFIX = {suffix: name for name, suffixes in _FORMATS.items() for suffix in suffixes}


def check_output_name(path: Path, wanted: str, example: str) -> None:
    """Reject a name with the suffix of another format than the one written.

    Parameters
    ----------
    path
        Path of the output.
    wanted
        Format, as in ``_FORMATS``; "a folder" for a folder of files.
    example
        Example of a valid name.

    Raises
    ------
    OptionError
        States what is written.

    Examples
    --------
    >>> check_output_name(Path("result.v2"), "Zarr", "result.zarr")
    >>> check_output_name(Path("result.h5"), "Zarr", "result.zarr")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    fringefleet.errors.OptionError: found result.h5 as an output, a name of HDF5; ... such as result.zarr.
    """
    found = _OF_SUFFIX.get(path.suffix.lower(), wanted)
    if found != wanted:
        what = f"{wanted}, which is a folder" if wanted == "Zarr" else wanted
        raise OptionError(
            f"found {path} as an output, a name of {found}; what is written is {what}. Give a name such as "
            f"{example}."
        )
