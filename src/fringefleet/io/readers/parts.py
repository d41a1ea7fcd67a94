"""Files that a raster is made of: header, sidecars, archive, what a VRT points at and what that points at.

GDAL names the files of a raster, but not those behind a VRT that a VRT points at, nor the file of which a
source is a part (``NETCDF:"file.nc":variable``, ``/vsizip/file.zip/member``).
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

from fringefleet.io.files.version import FileVersion

_SOURCE = re.compile(r"<Source(?:Filename|Dataset)\b([^>]*)>([^<]+)</Source(?:Filename|Dataset)>")
_QUOTED = re.compile(r'^\w+:"([^"]+)"')  # a part of a file, by the name of its driver
_PART = re.compile(r"^[A-Z0-9_]+:(/[^:]+)")
_ARCHIVE = re.compile(r"^(?:/vsi\w+/)+\{?")
_DEEPEST = 8  # VRTs that point at VRTs
_MOST_TEXT = 64 * 1024**2  # [byte] of a VRT


def raster_versions(path: Path, named: Iterable[str]) -> tuple[FileVersion, ...]:
    """Find all files that a raster is made of, as they are now; the raster itself first.

    Parameters
    ----------
    path
        The raster.
    named
        What GDAL says that it is made of.
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
    """Find the file that a name of GDAL is of; None if it is of none."""
    if match := _QUOTED.match(name) or _PART.match(name):
        name = match[1]
    inside = _ARCHIVE.sub("", name)
    path = folder / inside.partition("}")[0] if inside != name else folder / name
    if path.is_file():
        return path
    if inside != name:  # a member of an archive
        return next((parent for parent in path.parents if parent.is_file()), None)
    return None
