"""Values that Slurm has its own way of writing, and what none of them may contain."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fringefleet.errors import OptionError

GPUS = re.compile(r"^(?:--gres[= ](?:.*,)?gpu|--gpus(?:-per-node|-per-task)?[= ]|-G ?)(?::)?(.*)$")
UNLIMITED = ("infinite", "unlimited")
SECONDS_OF_MINUTE, MINUTES_OF_HOUR, HOURS_OF_DAY = 60, 60, 24
# Folders go into double quotes, where $NAME may stand for a part of the path, and nothing may be run.
FOLDER = re.compile(r'^[^"`\\\n$]*(\$(\w+|\{\w+\})[^"`\\\n$]*)*$')
MODULE = re.compile(r"^[\w./+-]+$")
COMMAND = re.compile(r"^\w+(\.\w+)*$")
SHELL = ("job_script_prologue", "env_extra")  # lines that are meant for the shell


def n_gpu(directives: Iterable[str]) -> int | None:
    """Count the GPUs that directives ask for, for each job; None if they ask for none.

    Examples
    --------
    >>> n_gpu(["-C gpu", "--gres=gpu:a100:4"]), n_gpu(["--gpus-per-node=2"]), n_gpu(["-C gpu"])
    (4, 2, None)
    >>> n_gpu(["--gres=gpu"]), n_gpu(["-G 1", "--constraint=a100"])
    (1, 1)
    """
    for directive in directives:
        found = GPUS.match(directive.strip())
        if found:
            last = found[1].strip().split(",")[0].split("(")[0].split(":")[-1]
            return int(last) if last.isdigit() else 1
    return None


def walltime_seconds(walltime: str | int | None) -> int | None:
    """Read a time [s] as Slurm writes it; None if there is no limit.

    Raises
    ------
    OptionError
        It is none of Slurm's forms.

    Examples
    --------
    >>> walltime_seconds("00:30:00"), walltime_seconds(90), walltime_seconds("1:30"), walltime_seconds("2-12")
    (1800, 5400, 90, 216000)
    >>> walltime_seconds("1-00:00:30"), walltime_seconds("UNLIMITED")
    (86430, None)
    """
    if walltime is None or str(walltime).lower() in UNLIMITED:
        return None
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(walltime))
    if found is None:
        raise OptionError(
            f"found walltime = {walltime!r}; give it as Slurm does: minutes, hours:minutes:seconds, or "
            "days-hours:minutes:seconds."
        )
    days, *rest = (None if part is None else int(part) for part in found.groups())
    parts = [part for part in rest if part is not None]
    if days is not None:  # hours come first
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:
        *_, hours, minutes, seconds = (0, 0, *(parts if len(parts) > 1 else [*parts, 0]))
    minutes += MINUTES_OF_HOUR * (hours + HOURS_OF_DAY * (days or 0))
    return SECONDS_OF_MINUTE * minutes + seconds


def refuse_unsafe(options: Mapping[str, Any]) -> None:
    """Refuse values that would become more than one line, or something to run, in a job script.

    Lines that are meant for the shell are as safe as whoever wrote them.

    Raises
    ------
    OptionError
        Says which.
    """
    for name, value in options.items():
        if name not in SHELL:
            _refuse_lines(name, value)
    for name, pattern, wanted in (
        ("local_directory", FOLDER, "a folder; $NAME may be a part of it"),
        ("log_directory", re.compile(r'^[^"`\\$%]*$'), 'a folder without any of "`\\$%'),
        ("worker_command", COMMAND, "the name of a Python module"),
    ):
        value = options.get(name)
        if value is not None and not pattern.match(str(value)):
            raise OptionError(f"found {name} = {value!r}; give {wanted}.")
    for module in _texts("modules", options.get("modules", ())):
        if not MODULE.match(module):
            raise OptionError(f"found the module {module!r}; give a name such as cuda/12.4.")


def _texts(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise OptionError(f"found {name} = {value!r}; give a list of texts.")
    return tuple(value)


def _refuse_lines(name: str, value: Any) -> None:
    if isinstance(value, str) and re.search(r"[\n\r]", value):
        raise OptionError(f"found {name} = {value!r}; give one line.")
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _refuse_lines(name, item)
