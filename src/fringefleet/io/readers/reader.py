"""What a reader is, for the list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr


@dataclass(frozen=True)
class Reader:
    """A format that a stack can have.

    ``name``: of the format, as ``fringefleet info`` shows it. ``layout``: what to point at, for a message.
    ``recognise``: whether the path looks like it, by names only; an odd file inside is found by ``open``.
    ``open``: the stack, lazily, as :func:`fringefleet.open_stack` describes it; its ``encoding["version"]``
    is the version of its files where it is not one file. It is told whether pairs that lack a file are left
    out (``drop_incomplete``), which ``has_files_of_pairs`` says there are.
    """

    name: str
    layout: str
    recognise: Callable[[Path], bool]
    open: Callable[[Path, bool], xr.Dataset]
    has_files_of_pairs: bool = True
