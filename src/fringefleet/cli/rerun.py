"""The command ``rerun``: a run again, with the options that it left beside its output."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fringefleet.arguments.declaration import Declared
from fringefleet.cli.application import command
from fringefleet.cli.config import merged
from fringefleet.cli.invert import OF_INVERT, invert
from fringefleet.cli.parameters import Common, parameters
from fringefleet.errors import InputError


@dataclass(frozen=True)
class RerunOptions:
    """Parameters of the command."""

    source: Annotated[
        Path,
        Declared(
            "Result, its report, or its OUT.zarr.run.toml.", metavar="OUT.zarr|REPORT|FILE", is_argument=True
        ),
    ]
    output: Annotated[
        Path | None,
        Declared(
            "Another Zarr store to write.", metavar="OUT.zarr", default="that of the run, with --overwrite"
        ),
    ] = None


@command(
    *parameters(RerunOptions),
    *parameters(Common, "resume", "overwrite"),
    examples=(
        "fringefleet rerun result.zarr --output again.zarr",
        "fringefleet rerun result.zarr.report.json --overwrite",
        "fringefleet rerun result.zarr.run.toml --resume",
    ),
)
def rerun_command(given: Any) -> None:
    """Repeat a run with all its options, those of its workers included."""
    from fringefleet.session.run_file import find_run_file, read_run_file

    path = find_run_file(given.source)
    of_file = read_run_file(path)
    if missing := [name for name in ("stack", "output") if not of_file.options.get(name)]:
        raise InputError(f"found no {' and no '.join(missing)} in [run] of {path}; a run has both. Add them.")
    names = {item.name: item.default for item in OF_INVERT}
    options = merged({**names, "stack": None, "output": given.output}, of_file.options)
    options |= {"resume": given.resume, "overwrite": given.overwrite}
    options |= {name: Path(options[name]) for name in ("stack", "output")}
    invert(options | {"cluster_config": of_file.cluster_config})
