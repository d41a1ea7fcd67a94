"""Files of an export: one for each variable in a folder, or one of all; whole, or not there."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from fringefleet.io.store.atomic_files import staged_files
from fringefleet.io.store.disk import translate_disk_full
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.memory import bytes_of_export
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import PlannedFiles, folder_for

BYTES_OF_HEADER = 64 * 1024  # of a file: everything but its values
WriteFile = Callable[[Selected, Sequence[str], Path, Progress], None]


class FileFormat(NamedTuple):
    """Description of a file format."""

    suffix: str
    write: WriteFile
    growth: float = 1.0
    is_folder: bool = False
    memory: int = 0  # besides that of tiles
    place: int = 0  # bytes of a file that say where a pixel is
    whole_series: bool = False


def plan_files(selected: Selected, target: Path, how: FileFormat) -> PlannedFiles:
    """Give the files that :func:`write_files` writes."""
    files = planned_files(target, how.suffix, selected.names)
    n_pixel = selected.result.sizes["y"] * selected.result.sizes["x"]
    of_values = math.ceil(how.growth * file_bytes(selected, selected.names))
    return PlannedFiles(
        list(files),
        of_values + len(files) * (BYTES_OF_HEADER + how.place * n_pixel),
        bytes_of_export(selected, files.values(), whole_series=how.whole_series, beside=how.memory),
        are_folders=how.is_folder,
    )


def write_files(selected: Selected, target: Path, how: FileFormat, progress: Progress) -> None:
    """Write one file of all variables, or one of each in a folder.

    Parameters
    ----------
    selected
        What is written.
    target
        The file, if it ends in the suffix; else the folder.
    how
        How it is written.
    progress
        Told of the tiles of all files.
    """
    files = planned_files(target, how.suffix, selected.names)
    counts = [len(selected.tiles(names, whole_series=how.whole_series)) for names in files.values()]
    shares = divided(progress, counts)
    with complete_files(plan_files(selected, target, how)) as parts:
        for part, names, share in zip(parts, files.values(), shares, strict=True):
            how.write(selected, names, part, share)


def planned_files(target: Path, suffix: str, names: Sequence[str]) -> dict[Path, tuple[str, ...]]:
    """Name the files of variables, with the variables that are in each.

    Examples
    --------
    >>> planned_files(Path("out.nc"), ".nc", ["a", "b"])
    {PosixPath('out.nc'): ('a', 'b')}
    >>> planned_files(Path("out"), ".nc", ["a", "b"])
    {PosixPath('out/a.nc'): ('a',), PosixPath('out/b.nc'): ('b',)}
    """
    if target.suffix == suffix:
        return {target: tuple(names)}
    return {target / f"{name}{suffix}": (name,) for name in names}


@contextmanager
def complete_files(planned: PlannedFiles) -> Iterator[list[Path]]:
    """Give places to write files of one folder to; they get their names when all of them are complete.

    Raises
    ------
    InputError
        The disk has no room.
    DiskFullError
        It had, and is full now.
    """
    with (
        folder_for(planned) as folder,
        translate_disk_full(folder, lambda: planned.n_byte),
        staged_files(planned.paths) as parts,
    ):
        yield parts


def divided(progress: Progress, counts: Sequence[int]) -> list[Progress]:
    """Make of the progress of a whole that of its parts, which have so many steps each."""
    ends = np.cumsum([0, *counts]).tolist()

    def share(before: int) -> Progress:
        return lambda n_done, _: progress(before + n_done, ends[-1])

    return [share(before) for before in ends[:-1]]


def file_bytes(selected: Selected, names: Sequence[str]) -> int:
    """Bytes of variables as they are in memory."""
    return sum(selected.result[name].nbytes for name in names)


def linked(data: xr.DataArray, names: Collection[str]) -> xr.DataArray:
    """Drop the link to ancillary variables that are not written to the same file.

    Parameters
    ----------
    data
        Variable that is written.
    names
        Variables of the file.
    """
    others = str(data.attrs.get("ancillary_variables", "")).split()
    if set(others) <= set(names):
        return data
    result = data.copy(deep=False)
    result.attrs = {name: value for name, value in data.attrs.items() if name != "ancillary_variables"}
    return result
