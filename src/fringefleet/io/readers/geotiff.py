"""Band of a raster that GDAL reads, above all GeoTIFFs, also inside a zip archive.

Rasterio is imported when the first file is opened: it is slow, and most commands do not need it.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.files.folder import check_plain_file
from fringefleet.io.files.version import FileVersion
from fringefleet.io.lazy.no_data import declared
from fringefleet.io.quantities import declared_unit
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.pair_images import Layer

# Do not list the folder at each opening, for files next to the image that would change its meaning; where
# there are some, look for them by their names.
_ENVIRONMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_WITH_SIDECARS = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
_SIDECARS = (".msk", ".aux.xml")  # a mask, and metadata that GDAL cannot write into the file itself
# A VRT may name anything: nothing is fetched from a network, and nothing in it is executed.
_SEALED = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none", "GDAL_VRT_ENABLE_PYTHON": "NO"}
_FILTERS = Lock()


@dataclass(frozen=True)
class RasterFile:
    """Raster on disk: a separate file, or the ``member`` of a zip archive."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        """Return the name for a message."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    @property
    def gdal_name(self) -> str:
        """Name by which GDAL opens it; an archive is read without unpacking it."""
        path = self.path.absolute()
        return str(path) if self.member is None else f"/vsizip/{{{path}}}/{self.member}"

    def sibling(self, ending: str, new_ending: str) -> Self:
        """Return the file of the same product with another ending."""
        if self.member is None:
            return type(self)(self.path.with_name(self.path.name.removesuffix(ending) + new_ending))
        return type(self)(self.path, self.member.removesuffix(ending) + new_ending)


@dataclass(frozen=True)
class RasterImage:
    """Only band of a raster; see :class:`~fringefleet.io.readers.pair_images.Image`."""

    versions: tuple[FileVersion, ...]
    name: str  # of the file, as GDAL opens it
    scale: float = 1.0  # factor of a stored value
    has_sidecar: bool = False

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window; NaN where the file, or one next to it, declares no data.

        Raises
        ------
        StackFormatError
            The window cannot be read: a truncated or damaged file.
        """
        with opened_raster(self.name, _WITH_SIDECARS if self.has_sidecar else _ENVIRONMENT) as raster:
            values = read_band(raster, 1, (rows, columns))
        if self.scale != 1:
            values *= np.float32(self.scale)
        return values


def read_band(
    raster: Any, band: int, window: tuple[slice, slice], nodata: float | None = None
) -> NDArray[np.float32]:
    """Read rows and columns of a band of an open raster; NaN where it declares no data.

    Parameters
    ----------
    raster
        Open in rasterio.
    band
        Index from 1.
    window
        Rows and columns.
    nodata
        Value of missing pixels, in addition to the declarations of the raster.
    """
    from rasterio.enums import MaskFlags  # noqa: PLC0415 - slow

    place = tuple((part.start, part.stop) for part in window)
    stored = raster.read(band, window=place)
    said = raster.tags(band) | {
        "scale_factor": raster.scales[band - 1],
        "add_offset": raster.offsets[band - 1],
    }
    how = declared(said, stored.dtype, fills=[nodata, raster.nodatavals[band - 1]])
    values: NDArray[np.float32] = how.decode(stored, np.float32)
    if MaskFlags.per_dataset in raster.mask_flag_enums[band - 1]:
        values[raster.read_masks(band, window=place) == 0] = np.nan
    for number in _alpha_bands(raster):  # GDAL uses it as a mask for bytes only
        values[raster.read(number, window=place) == 0] = np.nan
    return values


def open_raster(file: RasterFile, *, byte_scale: float = 1.0) -> Layer:
    """Open a raster of one band without reading pixels.

    Parameters
    ----------
    byte_scale
        Factor of values that are stored as bytes (0 to 255).

    Raises
    ------
    StackFormatError
        The file is missing or not a raster, has another number of bands, complex numbers, or a grid that is
        not aligned with its axes.
    """
    try:
        versions = FileVersion.of(file.path), *_sidecars(file)
    except OSError as error:
        raise StackFormatError(f"the file {file} cannot be read ({error}); fetch it again.") from error
    has_sidecar = len(versions) > 1
    with opened_raster(file.gdal_name, _WITH_SIDECARS if has_sidecar else _ENVIRONMENT) as raster:
        if raster.count - len(_alpha_bands(raster)) != 1:
            raise StackFormatError(f"found {raster.count} bands in {file}; one is needed. Fetch it again.")
        if np.dtype(raster.dtypes[0]).kind not in "iuf":
            raise StackFormatError(
                f"found numbers of the type {raster.dtypes[0]} in {file}; real ones are needed. "
                "Fetch it again."
            )
        grid = raster_grid(raster, str(file))
        scale = byte_scale if raster.dtypes[0] == "uint8" else 1.0
        block = raster.block_shapes[0]
        unit, stored = band_unit(raster, 1), raster.dtypes[0]
    image = RasterImage(versions, file.gdal_name, scale, has_sidecar)
    return Layer(str(file), image, grid, (block[0], block[1]), unit, stored)


def _sidecars(file: RasterFile) -> list[FileVersion]:
    """Find the files next to a raster that belong to it; an archive has none."""
    if file.member is not None:
        return []
    beside = (file.path.with_name(file.path.name + ending) for ending in _SIDECARS)
    return [FileVersion.of(path) for path in beside if path.is_file()]


def _alpha_bands(raster: Any) -> list[int]:
    """Return the indices of the alpha bands, from 1."""
    return [number for number, colour in enumerate(raster.colorinterp, start=1) if colour.name == "alpha"]


@contextmanager
def opened_raster(name: str, options: Mapping[str, str] = _ENVIRONMENT) -> Iterator[Any]:
    """Open a raster with rasterio and close it after use; all errors inside name the file.

    Parameters
    ----------
    name
        Name by which GDAL opens it.
    options
        Configuration of GDAL.

    Raises
    ------
    StackFormatError
        It cannot be opened, or read while it is open.
    """
    import rasterio  # noqa: PLC0415 - slow
    from rasterio.errors import NotGeoreferencedWarning, RasterioError  # noqa: PLC0415

    _ignore(NotGeoreferencedWarning)  # a grid in radar geometry
    with readable(f"the file {name}"):
        check_plain_file(Path(name))  # no file has the name of an archive member
        try:
            with rasterio.Env(**_SEALED, **options), rasterio.open(name) as raster:
                yield raster
        except (RasterioError, OSError) as error:
            raise StackFormatError(
                f"the file {name} cannot be read ({error.__cause__ or error}). It may be truncated, or still "
                "being written; copy or fetch it again."
            ) from error


def _ignore(category: type[Warning]) -> None:
    """Silence a warning permanently: ``warnings.catch_warnings`` would undo changes by other threads."""
    with _FILTERS:
        if ("ignore", None, category, None, 0) not in warnings.filters:
            warnings.simplefilter("ignore", category)


def band_unit(raster: Any, band: int) -> str | None:
    """Return the unit that a band of an open raster declares; tags of the file count for its only band."""
    unit = declared_unit({"units": raster.units[band - 1]} | raster.tags(band))
    return unit if unit is not None or raster.count > 1 else declared_unit(raster.tags())


def raster_grid(raster: Any, name: str) -> Grid:
    """Return the grid of an open raster.

    Raises
    ------
    StackFormatError
        Its axes are not those of the map.
    """
    shape = (raster.height, raster.width)
    at = raster.transform
    if at.is_identity:
        return Grid(shape)
    if at.b or at.d:
        raise StackFormatError(f"the grid of {name} is rotated; its axes must be those of the map. Warp it.")
    if not np.isfinite(at[:6]).all() or not at.a or not at.e:
        raise StackFormatError(
            f"the grid of {name} has pixels of {at.e} x {at.a} from y = {at.f}, x = {at.c}; finite numbers "
            "are needed, and no pixel size of 0. Its header is damaged: copy or fetch it again."
        )
    crs = raster.crs.to_wkt() if raster.crs else None
    return Grid(shape, (at.f, at.c), (at.e, at.a), crs)
