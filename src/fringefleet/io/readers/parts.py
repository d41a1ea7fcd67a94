"""Files that a raster consists of: header, sidecars, archive, and those that a VRT refers to, recursively.

GDAL lists the files of a raster, but not those behind a VRT that a VRT refers to, nor the file that a
source is part of (``NETCDF:"file.nc":variable``, ``/vsizip/file.zip/member``).
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

from fringefleet.io.files.version import FileVersion

_SOURCE = re.compile(r"<Source(?:Filename|Dataset)\b([^>]*)>([^<]+)</Source(?:Filename|Dataset)>")
_QUOTED = re.compile(r'^\w+:"([^"]+)"')  # a part of a file, prefixed by the name of its driver
_PART = re.compile(r"^[A-Z0-9_]+:(/[^:]+)")
_ARCHIVE = re.compile(r"^(?:/vsi\w+/)+\{?")
_DEEPEST = 8  # levels of VRTs that refer to VRTs
_MOST_TEXT = 64 * 1024**2  # [byte] of a VRT


def raster_versions(path: Path, named: Iterable[str]) -> tuple[FileVersion, ...]:
    """Find the current versions of all files that a raster consists of; the raster itself first.

    Parameters
    ----------
    path
        Path of the raster.
    named
        Files that GDAL lists.
    """
    found = dict.fromkeys([path.absolute()])
    for name in named:
        found.update(dict.fromkeys(_files_behind(name, path.absolute().parent, _DEEPEST)))
    return tuple(FileVersion.of(file) for file in found)


def _files_behind(name: str, folder: Path, depth: int) -> Iterator[Path]:
    file = _on_disk(name, folder)
    if file is None:
        return
    yield file
    if file.suffix.lower() == ".vrt" and depth and file.stat().st_size <= _MOST_TEXT:
        for attributes, source in _SOURCE.findall(file.read_text(errors="replace")):
            base = file.parent if 'relativeToVRT="1"' in attributes else Path.cwd()
            yield from _files_behind(unescape(source).strip(), base, depth - 1)


def _on_disk(name: str, folder: Path) -> Path | None:
    """Return the file that a GDAL name refers to; None if it refers to none."""
    if match := _QUOTED.match(name) or _PART.match(name):
        name = match[1]
    inside = _ARCHIVE.sub("", name)
    path = folder / inside.partition("}")[0] if inside != name else folder / name
    if path.is_file():
        return path
    if inside != name:  # a member of an archive
        return next((parent for parent in path.parents if parent.is_file()), None)
    return None
