"""Images of one variable as plain numbers in a file, which GDAL opens by a text beside it, band by band.

A result has all dates of a tile together, an image all tiles of a date. The numbers are put into their order
on the disk, so that memory need not hold more than a tile. GDAL's VRT says where each band begins, and all
that is to be said of it; whatever format is made of it copies that.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import OptionError
from fringefleet.io.writers.scene import MapPlace

_TYPES = {
    "f4": "Float32",
    "f8": "Float64",
    "u1": "Byte",
    "u2": "UInt16",
    "u4": "UInt32",
    "i2": "Int16",
    "i4": "Int32",
}


class Band(NamedTuple):
    """One band of an image: its number in the file, and what is said of it."""

    number: int
    description: str
    metadata: Mapping[str, str]


class RawImages:
    """All images of a variable in a file, to be written tile by tile.

    Parameters
    ----------
    path
        The file.
    place
        Of the pixels.
    dtype
        Of the numbers.
    """

    def __init__(self, path: Path, place: MapPlace, dtype: np.dtype[Any]) -> None:
        self.path, self.place, self._dtype = path, place, dtype
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def close(self) -> None:
        """Close the file, and remove it."""
        os.close(self._file)
        with suppress(FileNotFoundError):
            self.path.unlink()

    def write(self, values: NDArray[Any], first: int, y: slice, x: slice) -> None:
        """Write the pixels of a tile, (image, y, x), beginning with the image of a number."""
        n_row, n_column = self.place.shape
        top, left = y.start, x.start
        if self.place.is_flipped[0]:
            values, top = values[:, ::-1], n_row - y.stop
        if self.place.is_flipped[1]:
            values, left = values[..., ::-1], n_column - x.stop
        values = np.ascontiguousarray(values, self._dtype.newbyteorder("<"))
        data = memoryview(values.reshape(-1).view(np.uint8).data)
        size = self._dtype.itemsize
        n_image, n_part, n_byte = len(values), values.shape[1], size * values.shape[2]
        if values.shape[2] == n_column:  # whole rows lie side by side
            n_part, n_byte = 1, n_byte * n_part
        for number in range(n_image):
            at = ((first + number) * n_row + top) * n_column + left
            for part in range(n_part):
                start = (number * n_part + part) * n_byte
                self._write_at(data[start : start + n_byte], (at + part * n_column) * size)

    def _write_at(self, part: memoryview, at: int) -> None:
        n_byte = os.pwrite(self._file, part, at)
        if n_byte < len(part):
            self._write_at(part[n_byte:], at + n_byte)

    def describe(
        self,
        path: Path,
        bands: Sequence[Band],
        *,
        unit: str,
        no_data: float | int | None,
        metadata: Mapping[str, str],
    ) -> None:
        """Write the text by which GDAL opens some of the images as the bands of one dataset.

        Parameters
        ----------
        path
            The text; in the folder of the numbers.
        bands
            Images that it has.
        unit, no_data
            Of the numbers; None: all of them are values.
        metadata
            Of the dataset.
        """
        n_row, n_column = self.place.shape
        root = ET.Element("VRTDataset", rasterXSize=str(n_column), rasterYSize=str(n_row))
        _add(root, "SRS", self.place.crs.to_wkt())
        _add(root, "GeoTransform", ", ".join(repr(number) for number in self.place.geotransform))
        _add_metadata(root, metadata)
        for n_band, band in enumerate(bands, start=1):
            self._add_band(root, n_band, band, unit, no_data)
        ET.ElementTree(root).write(path, encoding="unicode")

    def _add_band(
        self, root: ET.Element, n_band: int, band: Band, unit: str, no_data: float | int | None
    ) -> None:
        n_row, n_column = self.place.shape
        size = self._dtype.itemsize
        kind = {"dataType": gdal_type(self._dtype), "band": str(n_band), "subClass": "VRTRawRasterBand"}
        element = ET.SubElement(root, "VRTRasterBand", kind)
        _add_metadata(element, band.metadata)
        facts = {"Description": band.description, "UnitType": unit, "Offset": "0", "Scale": "1"}
        if no_data is not None:
            facts["NoDataValue"] = str(no_data)
        facts |= {
            "ImageOffset": str(band.number * n_row * n_column * size),
            "PixelOffset": str(size),
            "LineOffset": str(n_column * size),
            "ByteOrder": "LSB",
        }
        _add(element, "SourceFilename", self.path.name, relativeToVRT="1")
        for name, text in facts.items():
            _add(element, name, text)


def gdal_type(dtype: np.dtype[Any]) -> str:
    """Name a type of numbers as GDAL does.

    Raises
    ------
    OptionError
        It has none, or none that other programs read.
    """
    found = _TYPES.get(dtype.str[1:])
    if found is None:
        raise OptionError(
            f"found numbers of the type {dtype}, which no GeoTIFF has; leave the variable out of variables."
        )
    return found


def _add(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = text


def _add_metadata(parent: ET.Element, metadata: Mapping[str, str]) -> None:
    group = ET.SubElement(parent, "Metadata")
    for key, text in metadata.items():
        _add(group, "MDI", text, key=key)
