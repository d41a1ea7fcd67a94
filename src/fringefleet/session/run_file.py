"""Files of the options of a run, with its workers: written beside an output, and read again."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fringefleet.arguments.declaration import declared_fields
from fringefleet.arguments.known import check_all_known
from fringefleet.cluster.config import read_data
from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import IdleOptionError, InputError, OptionError
from fringefleet.execution.compose import compose_options, part_of
from fringefleet.execution.job import FailurePolicy, Run
from fringefleet.execution.run_file import ONLY_IN_PYTHON, TABLES, run_file_path, run_text, write_run_file
from fringefleet.execution.selection import Selection

CLUSTER = "cluster"  # the table that --cluster-config reads, too


def write_session_file(job: Run, workers: ClusterOptions) -> None:
    """Write the options of a run and of its workers beside its output."""
    write_run_file(job, {CLUSTER: (ClusterOptions, vars(workers))})


def default_text() -> str:
    """Write a file in which all options are commented out, with their defaults."""
    return run_text({}, {CLUSTER: (ClusterOptions, {})})


def find_run_file(path: Path) -> Path:
    """Find the options of a run by its output, its report, or the file itself.

    Raises
    ------
    InputError
        There is none.
    """
    output = path.with_name(path.name.removesuffix(".report.json").removesuffix(".run.toml"))
    found = path if path.suffix == ".toml" else run_file_path(output)
    if not found.is_file():
        raise InputError(
            f"found no {found}, which every run of this version leaves beside its output. Give a result, its "
            "report or such a file."
        )
    return found


class RunFile(NamedTuple):
    """Options of a run from a file: those of the run by name, and the file again if it has some of workers.

    The latter are read as ``--cluster-config``.
    """

    options: dict[str, Any]
    cluster_config: Path | None


def read_run_file(path: Path) -> RunFile:
    """Read the options of a run.

    Raises
    ------
    InputError
        The file cannot be read, or has something that is no option; or not all options of the run are in it.
    """
    content = read_data(path, "options", "TOML", tomllib.loads)
    _check_tables(content, path)
    found: dict[str, Any] = {}
    for name, owner in TABLES.items():
        table = content.get(name, {})
        if not isinstance(table, Mapping):
            raise OptionError(f"found {name} = {table!r} in {path}; begin a table with the line [{name}].")
        names = [field.name for field, _, _ in declared_fields(owner)]
        check_all_known(table, [*names, ONLY_IN_PYTHON], f"option in [{name}] of {path}")
        if lost := table.get(ONLY_IN_PYTHON):
            raise InputError(
                f"{path}: {', '.join(lost)} was an array in memory, which no file can hold. Name a file with "
                f"it, and remove {ONLY_IN_PYTHON}; or repeat the run in Python."
            )
        found |= {key: _as_tuple(value) for key, value in table.items()}
    _check_values(found, path)
    return RunFile(found, path if content.get(CLUSTER) else None)


def _check_tables(content: Mapping[str, Any], path: Path) -> None:
    """Reject an unknown table, and show the table of an option that stands in none."""
    for name in content.keys() - TABLES.keys():
        for table, owner in TABLES.items():
            if name in {field.name for field, _, _ in declared_fields(owner)}:
                raise OptionError(
                    f"found {name} in {path} before any table; write it below the line [{table}]."
                )
    check_all_known(content, [*TABLES, CLUSTER], f"table of {path}")


def _check_values(found: Mapping[str, Any], path: Path) -> None:
    """Reject what cannot be used, whatever is given beside it, and name the file."""
    try:
        with suppress(IdleOptionError):  # what it needs may be given on the command line
            compose_options(found)
        for owner in (Selection, FailurePolicy):
            owner(**part_of(found, owner))
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
