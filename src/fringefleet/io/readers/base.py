"""Record of a reader: one format of a stack."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr


@dataclass(frozen=True)
class Reader:
    """Format that a stack can have.

    Attributes
    ----------
    name
        One word in lower case, by which ``--reader`` and ``open_stack(reader=...)`` choose it.
    title
        Name of the format in messages and tables.
    layout
        Path that the user has to give, for a message.
    find_evidence
        Function that returns the evidence for this format in a path, in a few words, usually the name of a
        file; None if there is none. Based on names, or the names inside an HDF5 file; errors in a file are
        found by ``open``. All readers are asked, so the evidence must be specific to the format.
    open
        Function that opens the stack lazily, as described in :func:`fringefleet.open_stack`; its
        ``encoding["version"]`` is the :class:`~fringefleet.io.files.version.FilesVersion` of its files. The
        second argument: whether pairs that lack a file are omitted (``drop_incomplete``).
    has_files_of_pairs
        Whether pairs have separate files, so that some may lack one.
    find_if_named
        Weaker evidence that suffices when the user names the reader; None: there is none.
    """

    name: str
    title: str
    layout: str
    find_evidence: Callable[[Path], str | None]
    open: Callable[[Path, bool], xr.Dataset]
    has_files_of_pairs: bool = True
    find_if_named: Callable[[Path], str | None] | None = None


def name_below(found: Path | None, folder: Path) -> str | None:
    """Return the path of a file relative to the folder; None for None."""
    return None if found is None else found.relative_to(folder).as_posix()
