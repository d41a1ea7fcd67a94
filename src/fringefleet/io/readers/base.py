"""Record of a reader: one format of a stack."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr


@dataclass(frozen=True)
class Reader:
    """A format that a stack can have.

    Attributes
    ----------
    name
        One word in lower case, by which ``--reader`` and ``open_stack(reader=...)`` choose it.
    title
        Name of the format in messages and tables.
    layout
        What to point at, for a message.
    find_evidence
        What of a path shows that it is of this format, in a few words, as a rule the name of a file; None if
        nothing does. Decided by names, or the names inside an HDF5 file; what is odd in a file is found by
        ``open``. All readers are asked, so it has to be what no other format has.
    open
        The stack, lazily, as :func:`fringefleet.open_stack` describes it; its ``encoding["version"]`` is the
        :class:`~fringefleet.io.files.version.FilesVersion` of all files that it is read from. The second
        argument says whether pairs that lack a file are left out (``drop_incomplete``).
    has_files_of_pairs
        Whether pairs have files of their own, so that some may lack one.
    find_if_named
        Weaker evidence, which is enough when the user has named the reader; None: there is none.
    """

    name: str
    title: str
    layout: str
    find_evidence: Callable[[Path], str | None]
    open: Callable[[Path, bool], xr.Dataset]
    has_files_of_pairs: bool = True
    find_if_named: Callable[[Path], str | None] | None = None


def name_below(found: Path | None, folder: Path) -> str | None:
    """Name a file that was found by its path below the folder; None for None."""
    return None if found is None else found.relative_to(folder).as_posix()
