"""Small text files next to the data, and members of archives, read up to a size limit."""

import zipfile
import zlib
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import check_plain_file

MOST_BYTES = 16 * 1024**2  # the largest that are read in full have some 100 kB


def read_text_file(path: Path, *, most: int = MOST_BYTES) -> str:
    """Read a text file; bytes that are not UTF-8 are replaced.

    Raises
    ------
    StackFormatError
        It cannot be read, or is too large for a text file.
    """
    check_plain_file(path)
    try:
        with path.open("rb") as file:
            return _decoded(file.read(most + 1), str(path), most)
    except OSError as error:
        raise StackFormatError(
            f"the file {path} cannot be read ({error}). Copy it again, or remove it."
        ) from error


def read_text_member(archive: Path, member: str, *, most: int = MOST_BYTES) -> str:
    """Read a text file in a zip archive, as :func:`read_text_file` does; no more than the limit is unpacked.

    Raises
    ------
    StackFormatError
        As for :func:`read_text_file`.
    """
    name = f"{archive}/{member}"
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
            return _decoded(file.read(most + 1), name, most)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, StackFormatError):
            raise
        raise StackFormatError(
            f"the file {name} cannot be read ({error}). Fetch the archive again."
        ) from error


def parse_xml(text: str, name: str) -> ET.Element:
    """Parse XML without a document type, hence without entities that grow.

    Raises
    ------
    StackFormatError
        It is not XML, or has a document type.
    """
    try:
        return ET.fromstring(text, ET.XMLParser(target=_PlainTree()))  # noqa: S314 - no entities
    except (ET.ParseError, ValueError, RecursionError) as error:
        raise StackFormatError(
            f"the file {name} cannot be read ({error}). Copy or create it again."
        ) from error


class _PlainTree(ET.TreeBuilder):
    """Tree of elements without a document type."""

    def doctype(self, *_what: str | None) -> NoReturn:
        """Reject it, before any entity is used."""
        raise ValueError("it has a document type, which is not read")


def _decoded(content: bytes, name: str, most: int) -> str:
    if len(content) > most:
        raise StackFormatError(
            f"the file {name} has more than {most:,} bytes, too many for such a text file. It may be "
            "damaged; "
            "copy or fetch it again."
        )
    return content.decode("utf-8", errors="replace")
