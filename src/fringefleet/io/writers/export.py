"""Export of a result in the format of another program."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.arguments.known import check_known
from fringefleet.errors import IdleOptionError, OptionError, StackFormatError
from fringefleet.io.describe import check_finished
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_apart, check_writable
from fringefleet.io.store.result_kind import kind_of, result_name
from fringefleet.io.store.staging import check_free_space
from fringefleet.io.store.stored_mask import MASK, check_mask_current
from fringefleet.io.writers import WRITERS, writer_named
from fringefleet.io.writers.base import Progress, Writer, no_progress
from fringefleet.io.writers.selected import Selected, select_part
from fringefleet.io.writers.selection import ExportSelection
from fringefleet.io.writers.targets import PlannedFiles, check_existing
from fringefleet.option_words import option


@checked_call
def export_result(
    result: xr.Dataset | Path | str,
    target: Path | str,
    file_format: str,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
    **selection: Any,
) -> list[Path]:
    """Write a result in one of the formats of :data:`fringefleet.io.writers.WRITERS`.

    Parameters
    ----------
    result
        A result Dataset, whole or cut out of one, lazy or not; or the path of a result store.
    target
        File to write, if it ends as those of the format do; else a folder for one file of each variable.
    file_format
        Name of the format.
    overwrite
        Replace files that are there; others in the folder are kept.
    progress
        Called after every tile with the number of tiles written and of all tiles.
    **selection
        What is written, as :class:`~fringefleet.io.writers.selection.ExportSelection` has it: ``variables``
        and ``dates``, lists or texts with commas; ``mask``, an expression such as ``"temporal_coherence > 0.7
        and status == ok"``, or False for all pixels; ``unit``, one of ``"mm"``, ``"cm"``, ``"m"``.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OptionError
        There is no such format, the name of the file has another suffix, or there is nothing of the kind that
        is selected.
    OutputExistsError
        Files that would be written exist, and ``overwrite`` is false. What a killed export has left does not
        count.
    InputError
        One of its subclasses: ``result`` cannot be written in this format, or not to this path.
    MissingExtraError
        A library is not installed.

    Examples
    --------
    >>> [path.name for path in export_result("result.zarr", "maps", "netcdf", variables="displacement")]
    ['displacement.nc']
    """
    with _prepared(result, target, file_format, selection, overwrite=overwrite) as prepared:
        prepared.writer.write(prepared.selected, prepared.target, progress=progress)
        return list(prepared.planned.paths)


def plan_export(
    result: xr.Dataset | Path | str,
    target: Path | str,
    file_format: str,
    *,
    overwrite: bool = False,
    **selection: Any,
) -> PlannedFiles:
    """Predict what :func:`export_result` with the same arguments writes; refuses what it would refuse.

    Returns
    -------
    PlannedFiles
        The files, and the room and the memory that they need at most.

    Raises
    ------
    InputError
        One of its subclasses, as :func:`export_result`; or the disk has too little space.
    """
    with _prepared(result, target, file_format, selection, overwrite=overwrite) as prepared:
        check_free_space(prepared.planned.paths[0].parent, prepared.planned.n_byte)
        return prepared.planned


class _Prepared(NamedTuple):
    """An export that was checked."""

    writer: Writer
    selected: Selected
    target: Path
    planned: PlannedFiles


@contextmanager
def _prepared(
    result: xr.Dataset | Path | str,
    target: Path | str,
    file_format: str,
    selection: Mapping[str, Any],
    *,
    overwrite: bool,
) -> Iterator[_Prepared]:
    """Check everything about an export that can be known before it writes."""
    wanted = selection_of(selection)
    writer = writer_named(file_format)
    target = checked_target(target, writer)
    check_writable(target)
    writer.check_installed()
    check_selection(writer, wanted)
    with opened(result) as data:
        _check_kind_of_result(data, writer)
        path = None if isinstance(result, xr.Dataset) else Path(result)
        if path is not None:
            check_finished(path)
        selected = select_part(data, wanted, writer)
        planned = writer.plan(selected, target)
        if path is not None:
            _check_source(path, planned, selected)
        check_writable(planned.paths[0])
        check_existing(planned, overwrite=overwrite)
        yield _Prepared(writer, selected, target, planned)


def selection_of(given: Mapping[str, Any]) -> ExportSelection:
    """Make a selection of its fields by name.

    Raises
    ------
    OptionError
        It has no such field.
    """
    names = [field.name for field in fields(ExportSelection)]
    check_known(given, names, lambda name: f"found no option {name!r} of an export.")
    return ExportSelection(**given)


def check_selection(writer: Writer, wanted: ExportSelection) -> None:
    """Reject a choice that the format does not leave.

    Raises
    ------
    IdleOptionError
        Says which.
    """
    for name in ("variables", "unit"):
        if writer.is_fixed and getattr(wanted, name) is not None:
            raise IdleOptionError(
                f"found {option(name)} with the format {writer.name}, whose variables and units are fixed. "
                "Leave it out, or choose another format."
            )


def _check_kind_of_result(result: xr.Dataset, writer: Writer) -> None:
    """Reject maps of velocity for a format with fixed files, which are those of a series."""
    if writer.is_fixed and kind_of(result) == "velocity" and "velocity" in result:
        others = ", ".join(each.name for each in WRITERS if not each.is_fixed)
        raise StackFormatError(
            f"found maps of velocity in {result_name(result)}, and the format {writer.name} is for the "
            f"series of an inversion. Give another format: {others}."
        )


def checked_target(target: Path | str, writer: Writer) -> Path:
    """Reject an invalid path, or one with the suffix of another format."""
    target = Path(target)
    meant = [each.name for each in WRITERS if each.suffix and each.suffix == target.suffix and each != writer]
    if meant:
        raise OptionError(
            f"found the output {target} for {option('file_format', writer.name)}. Give "
            f"{option('file_format', meant[0])}, or another name."
        )
    if not writer.suffix or target.suffix != writer.suffix:
        example = f"{writer.name} or {writer.name}{writer.suffix}" if writer.suffix else writer.name
        check_output_name(target, "a folder", example)
    return target


def _check_source(result: Path, planned: PlannedFiles, selected: Selected) -> None:
    """Reject a result that the files would be inside of, or whose mask was made of other tiles."""
    for path in planned.paths:
        check_apart(path, result)
    if selected.rule is not None and MASK in selected.rule.names:
        check_mask_current(result)


@contextmanager
def opened(result: xr.Dataset | Path | str) -> Iterator[xr.Dataset]:
    """Open a result, if it is not open yet."""
    check_kind("result", result, xr.Dataset, *PATH)
    if isinstance(result, xr.Dataset):
        yield result
        return
    with open_result(Path(result)) as found:
        yield found
