"""A band of a raster that GDAL reads, GeoTIFFs above all, also inside a zip archive.

Rasterio is imported when the first file is opened: it takes a while, and most commands need none.
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

# Do not list the folder at each opening, for files beside the image that would change what it means; where
# there are some, look for them by their names.
_ENVIRONMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_WITH_SIDECARS = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
_SIDECARS = (".msk", ".aux.xml")  # a mask, and what GDAL cannot write into the file itself
# A VRT may name anything: nothing is fetched from a network, and nothing in it is run.
_SEALED = {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none", "GDAL_VRT_ENABLE_PYTHON": "NO"}
_FILTERS = Lock()


@dataclass(frozen=True)
class RasterFile:
    """A raster on disk: a file of its own, or the ``member`` of a zip archive."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        """Name it for a message."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    @property
    def gdal_name(self) -> str:
        """Name by which GDAL opens it; an archive is read without being unpacked."""
        path = self.path.absolute()
        return str(path) if self.member is None else f"/vsizip/{{{path}}}/{self.member}"

    def sibling(self, ending: str, new_ending: str) -> Self:
        """Name the file of the same product that ends otherwise."""
        if self.member is None:
            return type(self)(self.path.with_name(self.path.name.removesuffix(ending) + new_ending))
        return type(self)(self.path, self.member.removesuffix(ending) + new_ending)


@dataclass(frozen=True)
class RasterImage:
    """The only band of a raster; see :class:`~fringefleet.io.readers.pair_images.Image`."""

    versions: tuple[FileVersion, ...]
    name: str  # of the file, as GDAL opens it
    scale: float = 1.0  # what a stored number is multiplied with
    has_sidecar: bool = False

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window; NaN where the file, or one beside it, says that there is no data.

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
        From 1.
    window
        Rows and columns.
    nodata
        What stands for missing pixels beside what the raster says itself.
    """
    from rasterio.enums import MaskFlags  # noqa: PLC0415 - takes long

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
    for number in _alpha_bands(raster):  # GDAL takes it for a mask of bytes only
        values[raster.read(number, window=place) == 0] = np.nan
    return values


def open_raster(file: RasterFile, *, byte_scale: float = 1.0) -> Layer:
    """Look at a raster of one band; no pixel is read.

    Parameters
    ----------
    byte_scale
        What a number is multiplied with where numbers are stored as bytes (0 to 255).

    Raises
    ------
    StackFormatError
        The file is not there or no raster, has another number of bands, complex numbers, or a grid that does
        not run along its axes.
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
    """Find the files beside a raster that say more of it; an archive has none."""
    if file.member is not None:
        return []
    beside = (file.path.with_name(file.path.name + ending) for ending in _SIDECARS)
    return [FileVersion.of(path) for path in beside if path.is_file()]


def _alpha_bands(raster: Any) -> list[int]:
    """Number the bands that say how much of a pixel is there, from 1."""
    return [number for number, colour in enumerate(raster.colorinterp, start=1) if colour.name == "alpha"]


@contextmanager
def opened_raster(name: str, options: Mapping[str, str] = _ENVIRONMENT) -> Iterator[Any]:
    """Open a raster with rasterio and close it after use; whatever goes wrong inside names the file.

    Parameters
    ----------
    name
        As GDAL opens it.
    options
        GDAL's configuration.

    Raises
    ------
    StackFormatError
        It cannot be opened, or not be read while it is open.
    """
    import rasterio  # noqa: PLC0415 - takes long
    from rasterio.errors import NotGeoreferencedWarning, RasterioError  # noqa: PLC0415

    _ignore(NotGeoreferencedWarning)  # a grid in radar geometry
    with readable(f"the file {name}"):
        check_plain_file(Path(name))  # a member of an archive is none of this name
        try:
            with rasterio.Env(**_SEALED, **options), rasterio.open(name) as raster:
                yield raster
        except (RasterioError, OSError) as error:
            raise StackFormatError(
                f"the file {name} cannot be read ({error.__cause__ or error}). It may be truncated, or still "
                "be written; copy or fetch it again."
            ) from error


def _ignore(category: type[Warning]) -> None:
    """Silence a warning for good: ``warnings.catch_warnings`` would undo what other threads do meanwhile."""
    with _FILTERS:
        if ("ignore", None, category, None, 0) not in warnings.filters:
            warnings.simplefilter("ignore", category)


def band_unit(raster: Any, band: int) -> str | None:
    """Find what a band of an open raster says of its unit; tags of the file count for its only band."""
    unit = declared_unit({"units": raster.units[band - 1]} | raster.tags(band))
    return unit if unit is not None or raster.count > 1 else declared_unit(raster.tags())


def raster_grid(raster: Any, name: str) -> Grid:
    """Say where the pixels of an open raster are.

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
            "are needed, and no pixel of 0. Its header is damaged: copy or fetch it again."
        )
    crs = raster.crs.to_wkt() if raster.crs else None
    return Grid(shape, (at.f, at.c), (at.e, at.a), crs)
