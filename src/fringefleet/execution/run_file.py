"""Options of a run as text of TOML, commented: every run leaves such a file beside its output."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from textwrap import wrap
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from fringefleet.arguments.declaration import Declared, declared_fields
from fringefleet.execution.job import PARTS_OF_RUN, FailurePolicy, Run
from fringefleet.execution.selection import Selection
from fringefleet.execution.setting import Setting
from fringefleet.io.store.atomic_files import staged_files
from fringefleet.options import Options

logger = logging.getLogger(__name__)

# Tables of the file, and who declares what is in them
TABLES: dict[str, type] = {
    "run": Run,
    "inversion": Options,
    "scene": Setting,
    "part": Selection,
    "failures": FailurePolicy,
}
ONLY_IN_PYTHON = "only_in_python"  # names of values that no file can hold
_WIDTH = 100
_HEAD = """Options of a run of fringefleet {version}. `fringefleet rerun` repeats it;
`fringefleet invert STACK OUT.zarr --config` takes its options, and others given there take precedence.
Options that are commented out have their defaults. Paths are seen from the current folder."""


def run_file_path(output: Path) -> Path:
    """Return the path of the options beside an output.

    Examples
    --------
    >>> run_file_path(Path("out/result.zarr")).as_posix()
    'out/result.zarr.run.toml'
    """
    return output.with_name(f"{output.name}.run.toml")


def write_run_file(job: Run, more: Mapping[str, tuple[type, Mapping[str, Any]]] | None = None) -> None:
    """Write the options of a run beside its output, with absolute paths; warn if that is not possible.

    Parameters
    ----------
    job
        The run.
    more
        Further tables by name: who declares their options, and their values by name.
    """
    parts = [getattr(job, name) for name in PARTS_OF_RUN]
    values = {name: value for part in (job, *parts) for name, value in vars(part).items()}
    values = {name: value.absolute() if isinstance(value, Path) else value for name, value in values.items()}
    path = run_file_path(job.output)
    try:
        with staged_files([path]) as (part,):
            part.write_text(run_text(values, more))
    except OSError as error:
        logger.warning("the options of the run cannot be written to %s: %s", path, error)


def run_text(
    values: Mapping[str, Any], more: Mapping[str, tuple[type, Mapping[str, Any]]] | None = None
) -> str:
    """Write options as TOML: each with its help, its unit and its default.

    Parameters
    ----------
    values
        Options by name; those that are not there, or None, are commented out.
    more
        As for :func:`write_run_file`.
    """
    import tomlkit  # noqa: PLC0415 - not every command writes a file

    from fringefleet import __version__  # noqa: PLC0415 - the package imports this module

    document = tomlkit.document()
    for line in _HEAD.format(version=__version__).splitlines():
        document.add(tomlkit.comment(line))
    tables = {name: (owner, values) for name, owner in TABLES.items()} | dict(more or {})
    for name, (owner, said) in tables.items():
        table = tomlkit.table()
        for line, key, value in _lines(owner, said):
            if key is None:
                table.add(tomlkit.comment(line))
            else:
                table.add(key, value)
        document.add(name, table)
    return tomlkit.dumps(document)


def _lines(owner: type, said: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """Yield the lines of a table: comments, and keys with values."""
    lost = []
    for field, kind, declared in declared_fields(owner):
        yield from ((line, None, None) for line in wrap(_help_of(declared, kind), _WIDTH))
        value = said.get(field.name)
        if hasattr(value, "shape"):
            lost.append(field.name)
        if value is None or hasattr(value, "shape"):
            yield f"{field.name} = {_example(field, kind, declared)}", None, None
        else:
            yield "", field.name, plain(value)
    if said.get("options") and isinstance(said["options"], Mapping):  # keywords for a library
        yield "", "options", plain(said["options"])
    if lost:
        yield "Given as arrays in memory, which no file can hold:", None, None
        yield "", ONLY_IN_PYTHON, lost


def _help_of(declared: Declared, kind: Any) -> str:
    words = [repr(word) for part in _parts(kind) if get_origin(part) is Literal for word in get_args(part)]
    unit = f" [{declared.unit}]" if declared.unit else ""
    one_of = f" One of {', '.join(words)}." if words else ""
    default = f" Default: {declared.default}." if declared.default else ""
    return f"{declared.help}{unit}{one_of}{default}"


def _example(field: Any, kind: Any, declared: Declared) -> str:
    """Write the default of an option, or else what a value looks like."""
    import tomlkit  # noqa: PLC0415 - not every command writes a file

    if field.default not in (None, MISSING, ()):
        text: str = tomlkit.item(plain(field.default)).as_string()
        return text
    first = _parts(kind)[0]
    words = (declared.metavar or "true").replace(",...", " ...").split()
    if field.default == ():  # several values of one kind
        return "[...]"
    if get_origin(first) is tuple:
        is_text = get_args(first)[0] is str
        return f"[{', '.join(_quoted(word) if is_text else word for word in words)}]"
    return words[0] if first in (int, float, bool) else _quoted(words[0])


def _quoted(word: str) -> str:
    return word if word == "..." else f'"{word}"'


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def plain(value: Any) -> Any:
    """Give a value as TOML has it: no tuple, path or number of NumPy.

    Examples
    --------
    >>> plain((1, (2.5, Path("a"))))
    [1, [2.5, 'a']]
    """
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value
