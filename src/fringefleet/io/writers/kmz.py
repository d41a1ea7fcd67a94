"""Write a map of a result as KMZ: a picture that Google Earth and GIS lay over the ground, with a legend.

It shows the velocity, or the displacement at the last date where there is none, or what is chosen. The
picture has at most 2048 pixels a side, of which every n-th of the result is taken, in longitude and latitude.

References
----------
OGC 12-007r2: KML 2.3, ``GroundOverlay``, ``ScreenOverlay``.
"""

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import Affine
from rasterio.warp import Resampling, calculate_default_transform, reproject

from fringefleet.errors import OptionError
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import complete_files, divided, planned_files
from fringefleet.io.writers.memory import bytes_of_export
from fringefleet.io.writers.scene import MapPlace, place_of
from fringefleet.io.writers.selected import Selected, date_names_of, rule_text
from fringefleet.io.writers.targets import PlannedFiles
from fringefleet.option_words import option
from fringefleet.products.appearance import Appearance, appearance_of, colour_limits
from fringefleet.products.units import UnitChange

_SUFFIX = ".kmz"
_LARGEST_SIDE = 2048  # [pixel] of the picture
_BYTES_OF_PIXEL = 8  # in the file, at most, with the legend
_OF_MATPLOTLIB, _MEMORY_OF_PIXEL = 80 * 1024**2, 96  # [byte]; colours in float64, and copies
_KML = "http://www.opengis.net/kml/2.2"
_TIME = (1980, 1, 1, 0, 0, 0)  # of the parts of an archive: the first that it can have
_LEGEND = {"overlayXY": ("0", "0"), "screenXY": ("0.02", "0.06")}


class _Picture(NamedTuple):
    """Values in longitude and latitude, (row, column), and the edges west, south, east, north [degree]."""

    values: NDArray[np.float32]
    edges: tuple[float, float, float, float]


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the overlays that would be written."""
    files = planned_files(target, _SUFFIX, selected.names)
    if len(files) < len(selected.names):
        raise OptionError(
            f"found {target} for {len(selected.names)} variables, which have a file each. Give a folder, or "
            f"{option('variables', 'NAME')} with one of {', '.join(selected.names)}."
        )
    thinned = _thinned(selected)
    n_pixel = math.prod(place_of(thinned.result, "kmz").shape)
    beside = _OF_MATPLOTLIB + _MEMORY_OF_PIXEL * n_pixel
    memory = bytes_of_export(thinned, [[name] for name in selected.names], beside=beside)
    return PlannedFiles(list(files), _BYTES_OF_PIXEL * n_pixel * len(files), memory)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the overlays of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    thinned = _thinned(selected)
    place = place_of(thinned.result, "kmz")
    shares = divided(progress, [len(thinned.tiles([name])) for name in selected.names])
    with complete_files(plan_result(selected, target)) as parts:
        for part, name, share in zip(parts, selected.names, shares, strict=True):
            picture = _in_degrees(_read(thinned, name, place, share), place)
            _write_archive(thinned, name, picture, part)


def _thinned(selected: Selected) -> Selected:
    """Take the last date, and so few rows and columns that the picture is no larger than it may be."""
    result = selected.result
    if "date" in result.dims:
        result = result.isel(date=[-1])
    steps = {dim: -(-result.sizes[dim] // _LARGEST_SIDE) for dim in ("y", "x")}
    return replace(
        selected, result=result.isel({dim: slice(None, None, step) for dim, step in steps.items()})
    )


def _read(selected: Selected, name: str, place: MapPlace, progress: Progress) -> NDArray[np.float32]:
    """Read a map with its north up, NaN where there is no data."""
    found = np.full(place.shape, np.nan, np.float32)
    no_data = selected.no_data(name)
    for at, tile in selected.tiles([name], progress):
        values = tile[name].transpose(..., "y", "x").values.reshape(tile.sizes["y"], tile.sizes["x"])
        known = np.isfinite(values) if no_data is None else np.isfinite(values) & (values != no_data)
        found[at["y"], at["x"]] = np.where(known, values, np.nan)
    rows, columns = (slice(None, None, -1 if flipped else 1) for flipped in place.is_flipped)
    return found[rows, columns]


def _in_degrees(values: NDArray[np.float32], place: MapPlace) -> _Picture:
    """Lay a map out in longitude and latitude; every pixel has the value of the nearest one."""
    left, dx, _, top, _, dy = place.geotransform
    n_row, n_column = values.shape
    edges = (left, top + dy * n_row, left + dx * n_column, top)
    if not place.crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        crs = place.crs.to_wkt()
        to, width, height = calculate_default_transform(crs, "EPSG:4326", n_column, n_row, *edges)
        there = np.full((height, width), np.nan, np.float32)
        reproject(
            values,
            there,
            src_transform=Affine.from_gdal(*place.geotransform),
            src_crs=crs,
            dst_transform=to,
            dst_crs="EPSG:4326",
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=Resampling.nearest,
        )
        values, edges = there, (to.c, to.f + to.e * height, to.c + to.a * width, to.f)
    return _Picture(values, edges)


def _write_archive(selected: Selected, name: str, picture: _Picture, path: Path) -> None:
    look = _appearance_of(selected, name)
    values = look.conversion.factor * picture.values
    limits = colour_limits(values, look.limits)
    overlay, legend = path.with_suffix(".overlay.png"), path.with_suffix(".legend.png")
    colours = mpl.colormaps[look.colours].with_extremes(bad=(0, 0, 0, 0))
    imsave(overlay, colours(Normalize(*limits)(np.ma.masked_invalid(values)), bytes=True))
    _draw_legend(look, limits, legend)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "doc.kml", _document(selected, name, look, picture.edges))
        _add(archive, "overlay.png", overlay.read_bytes())
        _add(archive, "legend.png", legend.read_bytes())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)


def _appearance_of(selected: Selected, name: str) -> Appearance:
    """Find how a variable is drawn: in the unit that is asked for, or else in the usual one."""
    data = selected.result[name]
    look = appearance_of(name, data.attrs, data.dtype.kind)
    if name in selected.factors:
        look = look._replace(conversion=UnitChange(data.attrs["units"], 1.0))
    at = f", {date_names_of(selected.result)[-1]}" if "date" in data.dims else ""
    return look._replace(title=look.title + at)


def _draw_legend(look: Appearance, limits: tuple[float, float], path: Path) -> None:
    figure = Figure(figsize=(3.6, 1.0 if look.ends else 0.9), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=look.colours, aspect="auto", extent=(*limits, 0.0, 1.0))
    axes.set_yticks([])
    axes.set_title(look.label, fontsize=9)
    axes.tick_params(labelsize=8)
    for word, place, side in zip(look.ends or (), (0, 1), ("left", "right"), strict=False):
        axes.text(
            place,
            0.5,
            word,
            ha=side,
            va="center",
            fontsize=7,
            color="white",
            transform=axes.transAxes,
        )
    FigureCanvasAgg(figure).print_figure(path, dpi=100)


def _document(
    selected: Selected, name: str, look: Appearance, edges: tuple[float, float, float, float]
) -> bytes:
    """Write the text of the archive: a picture on the ground, and a legend on the screen."""
    root = ET.Element("kml", xmlns=_KML)
    document = ET.SubElement(root, "Document")
    _text(document, "name", look.label)
    _text(document, "description", f"{name}, {rule_text(selected) or 'all pixels'}")
    ground = ET.SubElement(document, "GroundOverlay")
    _text(ground, "name", look.title)
    _text(ET.SubElement(ground, "Icon"), "href", "overlay.png")
    box = ET.SubElement(ground, "LatLonBox")
    west, south, east, north = edges
    for side, degrees in (("north", north), ("south", south), ("east", east), ("west", west)):
        _text(box, side, repr(float(degrees)))
    screen = ET.SubElement(document, "ScreenOverlay")
    _text(screen, "name", "Legend")
    _text(ET.SubElement(screen, "Icon"), "href", "legend.png")
    for place, (x, y) in _LEGEND.items():
        ET.SubElement(screen, place, x=x, y=y, xunits="fraction", yunits="fraction")
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text
