"""Write a result as Cloud-Optimized GeoTIFFs: one for each map, and one for each date of a series.

GDAL's driver makes them: tiles of 512 pixels, overviews by the average (of codes the nearest), compressed by
Deflate after a predictor. A band has the date as its description, its unit, and NaN where there is no data.
Named as a file, a series gets a band for each date.

References
----------
OGC 21-026: Cloud Optimized GeoTIFF. GDAL: driver ``COG``.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fringefleet.errors import OptionError
from fringefleet.io.grid import REFERENCE_PLACES
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import complete_files, divided, file_bytes
from fringefleet.io.writers.memory import bytes_of_export
from fringefleet.io.writers.raw_images import Band, RawImages, gdal_type
from fringefleet.io.writers.scene import MapPlace, place_of
from fringefleet.io.writers.selected import Selected, date_names_of, rule_text
from fringefleet.io.writers.targets import PlannedFiles
from fringefleet.io.writers.translate import Translation
from fringefleet.io.writers.translation import Translators, n_translator, translators
from fringefleet.option_words import option
from fringefleet.products.fit_attributes import FIT_ATTRIBUTES

_SUFFIX = ".tif"
_OPTIONS = {
    "COMPRESS": "DEFLATE",
    "LEVEL": "1",
    "PREDICTOR": "YES",
    "BLOCKSIZE": "512",
    "BIGTIFF": "IF_SAFER",
}
_OF_GDAL, _OF_PROCESS = 56 * 1024**2, 144 * 1024**2  # [byte] in this process, and in each that translates
_WITH_OVERVIEWS = 1.4  # bytes of a file by those of its values, at most
_TAGS = (
    *("title", "reference_date", "reference_point", *REFERENCE_PLACES, "rereferenced"),
    *FIT_ATTRIBUTES,
)
_KINDS = ("long_name", "units", "standard_name", "flag_values", "flag_meanings")


class _Image(NamedTuple):
    """A file, its variable, and the bands in it."""

    path: Path
    name: str
    bands: tuple[Band, ...]


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the images that would be written."""
    place_of(selected.result, "cog")
    paths = [image.path for image in _images(selected, target)]
    for name in selected.names:
        gdal_type(selected.result[name].dtype)
    spool = max(file_bytes(selected, [name]) for name in selected.names)
    n_byte = spool + math.ceil(_WITH_OVERVIEWS * file_bytes(selected, selected.names))
    n_value = sum(selected.result[name].size for name in selected.names)
    beside = _OF_GDAL + _OF_PROCESS * n_translator(n_value, len(paths))
    memory = bytes_of_export(selected, [[name] for name in selected.names], beside=beside)
    return PlannedFiles(paths, n_byte, memory, related=_others_of_series(selected, target, paths))


def _others_of_series(selected: Selected, target: Path, written: Sequence[Path]) -> list[Path]:
    """Find images of other dates in the folder, which look like a part of the series that is written."""
    if target.suffix == _SUFFIX:
        return []
    series = [re.escape(name) for name in selected.names if "date" in selected.result[name].dims]
    looks_like = re.compile(rf"({'|'.join(series)})_\d{{8}}(T\d+)?{re.escape(_SUFFIX)}")
    there = sorted(target.glob(f"*{_SUFFIX}")) if series else []
    return [path for path in there if looks_like.fullmatch(path.name) and path not in written]


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the images of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    place = place_of(selected.result, "cog")
    images = _images(selected, target)
    of_names = {name: [image for image in images if image.name == name] for name in selected.names}
    counts = [n for name in of_names for n in (len(selected.tiles([name])), len(of_names[name]))]
    shares = iter(divided(progress, counts))
    n_value = sum(selected.result[name].size for name in selected.names)
    with (
        complete_files(plan_result(selected, target)) as parts,
        translators(n_value, len(images)) as processes,
    ):
        place_for = dict(zip((image.path for image in images), parts, strict=True))
        for name, of_name in of_names.items():
            written = [image._replace(path=place_for[image.path]) for image in of_name]
            _write_variable(selected, name, written, place, processes, (next(shares), next(shares)))


def _images(selected: Selected, target: Path) -> list[_Image]:
    if target.suffix == _SUFFIX:
        if len(selected.names) > 1:
            raise OptionError(
                f"found {target} for {len(selected.names)} variables, which have a GeoTIFF each. Give a "
                f"folder, or {option('variables', 'NAME')} with one of {', '.join(selected.names)}."
            )
        return [_Image(target, selected.names[0], tuple(_bands(selected, selected.names[0])))]
    return [image for name in selected.names for image in _images_of(selected, name, target)]


def _images_of(selected: Selected, name: str, folder: Path) -> Iterator[_Image]:
    for band in _bands(selected, name):
        is_series = "date" in selected.result[name].dims
        stem = f"{name}_{band.description}" if is_series else name
        yield _Image(folder / f"{stem}{_SUFFIX}", name, (band,))


def _bands(selected: Selected, name: str) -> Iterator[Band]:
    data = selected.result[name]
    said = {key: _as_text(data.attrs[key]) for key in _KINDS if key in data.attrs}
    said["variable"] = name
    if "date" not in data.dims:
        yield Band(0, name, said)
        return
    times = np.datetime_as_string(data["date"].values, unit="s")
    for number, (short, time) in enumerate(zip(date_names_of(selected.result), times, strict=True)):
        yield Band(number, short, said | {"date": str(time)})


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else " ".join(map(str, np.ravel(np.asarray(value)).tolist()))


def _write_variable(
    selected: Selected,
    name: str,
    images: list[_Image],
    place: MapPlace,
    processes: Translators,
    progress: tuple[Progress, Progress],
) -> None:
    """Put the values of a variable into the order of images, and make the files of them."""
    data, folder = selected.result[name], images[0].path.parent
    raw = RawImages(folder / f"{name}.raw", place, data.dtype)
    try:
        for at, tile in selected.tiles([name], progress[0]):
            values = tile[name].transpose(..., "y", "x").values
            is_series = values.ndim == 3
            raw.write(values if is_series else values[None], at["date"].start * is_series, at["y"], at["x"])
        wanted = [_translation(selected, image, raw) for image in images]
        for n_done in processes.run(wanted):
            progress[1](n_done, len(wanted))
    finally:
        raw.close()


def _translation(selected: Selected, image: _Image, raw: RawImages) -> Translation:
    source = image.path.with_suffix(".vrt")
    data = selected.result[image.name]
    raw.describe(
        source,
        image.bands,
        unit=str(data.attrs.get("units", "")),
        no_data=selected.no_data(image.name),
        metadata=_metadata(selected),
    )
    resampling = "AVERAGE" if data.dtype.kind == "f" else "NEAREST"
    options = _OPTIONS | {"OVERVIEW_RESAMPLING": resampling}
    return Translation(str(source), str(image.path), "COG", options)


def _metadata(selected: Selected) -> dict[str, str]:
    attrs = selected.result.attrs
    found = {key: _as_text(attrs[key]) for key in _TAGS if key in attrs}
    rule = rule_text(selected)
    found |= {} if rule is None else {"mask": rule}
    return found | {"AREA_OR_POINT": "Area"}
