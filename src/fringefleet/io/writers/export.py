"""Export of a result in the format of another program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.errors import OptionError
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.writers import writer_named
from fringefleet.io.writers.base import Progress, no_progress


def export_result(
    result: xr.Dataset | Path | str,
    target: Path | str,
    file_format: str,
    *,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write a result in one of the formats of :data:`fringefleet.io.writers.WRITERS`.

    Parameters
    ----------
    result
        A result Dataset, whole or cut out of one, lazy or not; or the path of a result store.
    target
        File or folder to write.
    file_format
        Name of the format.
    progress
        Called after every tile with the number of tiles written and of all tiles.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OptionError
        There is no such format, or the name of the file has another suffix.
    InputError
        One of its subclasses: ``result`` cannot be written in this format, or not to this path.
    """
    writer = writer_named(file_format)
    target = checked_target(target, writer.name, writer.suffix)
    with opened(result) as data:
        return writer.write(data, target, progress=progress)


def checked_target(target: Path | str, name: str, suffix: str) -> Path:
    """Reject an invalid path, or one with the suffix of another format."""
    check_kind("target", target, *PATH)
    target = Path(target)
    if not suffix:
        check_output_name(target, "a folder", name)
    elif target.suffix != suffix:
        raise OptionError(
            f"found {target} for the format {name}; give the name of a file that ends in {suffix}."
        )
    return target


@contextmanager
def opened(result: xr.Dataset | Path | str) -> Iterator[xr.Dataset]:
    """Open a result, if it is not open yet."""
    check_kind("result", result, xr.Dataset, *PATH)
    if isinstance(result, xr.Dataset):
        yield result
        return
    with open_result(Path(result)) as found:
        yield found
