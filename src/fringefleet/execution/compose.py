"""Composition of the options of a run: given options take precedence over a file such as a template."""

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fringefleet.arguments.declaration import needs_of
from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.known import check_known
from fringefleet.arguments.needs import defaults_of, without_effect
from fringefleet.arguments.together import together
from fringefleet.errors import IdleOptionError, OptionError
from fringefleet.execution.job import PARTS_OF_RUN, Run
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting, check_setting
from fringefleet.execution.velocity_job import PARTS_OF_FIT, VelocityRun
from fringefleet.io.mintpy.names import our_name
from fringefleet.option_words import option
from fringefleet.options import Options

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

_One = TypeVar("_One", bound="DataclassInstance")
_Other = TypeVar("_Other", bound="DataclassInstance")
_Job = TypeVar("_Job", Run, VelocityRun)

_PARTS = {Run: PARTS_OF_RUN, VelocityRun: PARTS_OF_FIT}
_NEEDS = (*needs_of(Options), *needs_of(Setting))
_IN_XARRAY = dict.fromkeys([field.name for field in fields(Selection)], "isel(pair=keep)")
_IN_XARRAY |= {"bbox": "sel(y=slice(north, south), x=slice(west, east))"}
_IN_XARRAY |= {"rows": "isel(y=slice(0, 100))", "columns": "isel(x=slice(0, 100))"}
_WORDS_FOR_NONE = ("no", "none", "false")
_NOTHING: Mapping[str, Any] = {}
_MEASURED_BY = {"mask_threshold": ("mask_dataset",)}  # options whose valid range depends on another option


def part_of(named: Mapping[str, Any], *kinds: Any) -> dict[str, Any]:
    """Return the values that are fields of these classes."""
    names = {field.name for kind in kinds for field in fields(kind)}
    return {name: value for name, value in named.items() if name in names}


def with_changes(one: _One, other: _Other, changes: Mapping[str, Any]) -> tuple[_One, _Other]:
    """Replace single fields of two dataclasses, whichever they belong to.

    Raises
    ------
    OptionError
        Neither has such a field, or a value cannot be used.
    """
    _check_fields_known(changes, one, other)
    return replace(one, **part_of(changes, one)), replace(other, **part_of(changes, other))


def _check_fields_known(named: Mapping[str, Any], *parts: Any, also: Iterable[str] = ()) -> None:
    names = sorted({*also, *(field.name for part in parts for field in fields(part))})
    for name in named:
        if name not in names and (hint := _hint_for(name, names)):
            raise OptionError(f"unknown option {name}. {hint}")
    check_known(named, names, lambda name: f"unknown option {name}.")


def _hint_for(name: str, names: Collection[str]) -> str:
    """Return the way to a thing that has another name in Python, or another place; empty if there is none."""
    if name in ("overwrite", "resume") and "existing" in names:
        return f"Give {option('existing', name)}."
    if name in _IN_XARRAY:
        return f"It is for runs; a Dataset is cut by xarray, as in stack.{_IN_XARRAY[name]}."
    return ""


def job_of(kind: type[_Job], source: Any, output: Any, named: Mapping[str, Any]) -> _Job:
    """Give a run as it is, or compose one of paths and of fields of the run and its parts by name.

    Parameters
    ----------
    kind
        :class:`Run` or :class:`VelocityRun`.
    source
        Such a run; or what it reads.
    output
        Store to write; None beside a run.
    named
        Fields by name; none beside a run.

    Examples
    --------
    >>> run = job_of(Run, "stack.zarr", "out.zarr", {"weight_func": "coh", "rows": (0, 9), "retries": 0})
    >>> run.options.weight_func, run.selection.rows, run.on_failure.retries
    ('coh', (0, 9), 0)

    Raises
    ------
    OptionError
        There is no such field, a value cannot be used, or a run is given and something beside it.
    """
    reads, *_ = (field.name for field in fields(kind))
    if not isinstance(source, kind):
        if output is None:
            raise OptionError(
                f"found the {reads} {source} and no output; give the name of a Zarr store, too."
            )
        return kind(source, output, **_fields_of(kind, named))
    if output is not None or named:
        raise OptionError(
            f"found a {kind.__name__} and {', '.join(named) or 'an output'} beside it; put all into the "
            f"{kind.__name__}, or give paths instead of it."
        )
    return source


def _fields_of(kind: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields of a run of values by name, some of which belong to its parts."""
    parts = _PARTS[kind]
    own = [field.name for field in fields(kind)][2:]  # after what it reads and what it writes
    _check_fields_known(named, *parts.values(), also=own)
    said = {name: value for name, value in named.items() if name in own}
    for name, part_kind in parts.items():
        part = said.get(name, part_kind())
        check_kind(name, part, part_kind)
        said[name] = replace(part, **part_of(named, part_kind))
    return said


def compose_options(
    given: Mapping[str, Any], of_file: Mapping[str, Any] = _NOTHING, keys: Mapping[str, str] = _NOTHING
) -> tuple[Options, Setting]:
    """Compose the options and the setting of a run.

    Parameters
    ----------
    given
        Options and settings by name; None where nothing was given.
    of_file
        Options of a file such as a MintPy template; values that are neither options nor settings are ignored.
    keys
        Names of the values in the file, by name of the option.

    Raises
    ------
    OptionError
        Lists all invalid values.
    """
    said = _merge(given, of_file)
    if idle := idle_values(given, of_file):
        named = ", ".join(f"{keys.get(name, name)} = {value}" for name, value in idle.items())
        logger.info("not used, because without effect: %s", named)
    said = {name: value for name, value in said.items() if name not in idle}
    ours, theirs = part_of(said, Options), part_of(said, Setting)
    options, setting = together(partial(_make, Options, ours), partial(_make, Setting, theirs))
    check_setting(setting, options)
    return options, setting


def idle_values(given: Mapping[str, Any], of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Find the options of a file that have no effect with the given ones, by name.

    MintPy's own templates contain a threshold for a mask, but no mask.

    Parameters
    ----------
    given, of_file
        As for :func:`compose_options`.
    """
    said = _merge(given, of_file)
    defaults = defaults_of(Options) | defaults_of(Setting)
    file_only = {name: value for name, value in defaults.items() if name in said and given.get(name) is None}
    return {need.option: said[need.option] for need in without_effect(defaults | said, file_only, _NEEDS)}


def _make(kind: Any, said: Mapping[str, Any]) -> Any:
    """Make options, or report all invalid values, not only the first."""
    parts = (
        {other: said[other] for other in (name, *_MEASURED_BY.get(name, ())) if other in said}
        for name in said
    )
    together(*(partial(_look_at, kind, part) for part in parts))
    return kind(**said)


def _look_at(kind: Any, part: Mapping[str, Any]) -> None:
    with suppress(IdleOptionError):
        kind(**part)


def _merge(given: Mapping[str, Any], of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the given options and settings, by our names."""
    said = part_of(of_file, Options, Setting) | {
        name: value for name, value in given.items() if value is not None
    }
    said = {name: value for name, value in said.items() if value is not None}
    for name in ("observation", "mask_dataset"):
        if name in said:
            said[name] = our_name(said[name])
    for name in ("mask_dataset", "water_mask"):
        if str(said.get(name)).lower() in _WORDS_FOR_NONE:
            said[name] = None
    return said
