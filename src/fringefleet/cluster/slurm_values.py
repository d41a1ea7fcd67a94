"""Values of keywords of ``SLURMCluster``: how Slurm writes them, and what none of them may be."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fringefleet.cluster.options import check_memory, check_type
from fringefleet.errors import OptionError

UNLIMITED = ("infinite", "unlimited")
SECONDS_OF_MINUTE, MINUTES_OF_HOUR, HOURS_OF_DAY = 60, 60, 24
SHELL = ("job_script_prologue", "env_extra")  # lines that are meant for the shell
# They go into #SBATCH lines, which end a value at a blank, a quotation mark or #.
WORD = r"[\w][\w.,:/@%+=-]*", "one word"
# Most go without quotes into a line of the job. Slurm takes a list of names, with commas, to look for jobs.
# Folders go into double quotes, where $NAME may stand for a part of the path, and nothing may be run.
TEXTS = {
    "account": WORD,
    "death_timeout": (r"\d[\w.]*", "seconds"),
    "interface": (r"\w[\w.:@-]*", "the name of a network interface, such as ib0"),
    "job_mem": WORD,
    "job_name": (r"[\w.+-]+", "a name of letters, digits and _.+- only"),
    "local_directory": (
        r'(?!~[^/])[^"`\\\n$]*(\$(\w+|\{\w+\})[^"`\\\n$]*)*',
        "a folder; $NAME may be a part of it",
    ),
    "log_directory": (r'(?!~[^/])[^"`\\$%]*', 'a folder without any of "`\\$%'),
    "queue": WORD,
    "worker_command": (r"\w+(\.\w+)*", "the name of a Python module"),
}
TYPES: dict[str, tuple[type, ...]] = {"python": (str,), "scheduler_options": (Mapping,), "shebang": (str,)}
CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"  # all but the tabulator
MODULE = re.compile(r"[\w./+-]+")
A_DAY = 86400
# keyword: whether it is a whole number, least, most
NUMBERS = {
    "cores": (True, 1, math.inf),
    "job_cpu": (True, 1, math.inf),
    "most_failed_starts": (True, 1, math.inf),
    "most_replacements": (True, 0, math.inf),
    "poll_seconds": (False, 1, A_DAY),
    "processes": (True, 1, math.inf),
}
# What dask-jobqueue called them once: it heeds some of them in some cases only.
RENAMED = {
    "env_extra": "job_script_prologue",
    "extra": "worker_extra_args",
    "header_skip": "job_directives_skip",
    "job_extra": "job_extra_directives",
    "project": "account",
}


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
    """Refuse values that cannot be, that would add lines or options to a job script, or something to run.

    Lines that are meant for the shell are as safe as whoever wrote them.

    Raises
    ------
    OptionError
        Says which.
    """
    for name, value in options.items():
        if name not in SHELL:
            _refuse_lines(name, value)
        if value and name in RENAMED:
            raise OptionError(f"found {name} = {value!r}; it is called {RENAMED[name]} now: give that.")
        if name in TYPES:
            check_type(name, value, TYPES[name])
        refuse_text(name, value)
        _refuse_number(name, value)
    if "memory" in options:
        check_memory("memory", options["memory"])
    for module in _texts("modules", options.get("modules")):
        if not MODULE.fullmatch(module):
            raise OptionError(f"found the module {module!r}; give a name such as cuda/12.4.")


def refuse_text(name: str, value: Any) -> None:
    """Refuse the value of a keyword, if it is one of those that go into a job script without quotes.

    Raises
    ------
    OptionError
        Says what it may be.
    """
    pattern, wanted = TEXTS.get(name, ("", ""))
    if pattern and value is not None and not re.fullmatch(pattern, str(value)):
        raise OptionError(f"found {name} = {value!r}; give {wanted}.")


def _refuse_number(name: str, value: Any) -> None:
    if value is None or name not in NUMBERS:
        return
    is_whole, least, most = NUMBERS[name]
    check_type(name, value, (int,) if is_whole else (int, float))
    if not least <= value <= most:
        raise OptionError(f"found {name} = {value!r}; give {least} {_up_to(most)}.")


def _up_to(most: float) -> str:
    return "or more" if most == math.inf else f"to {most:g}"


def _texts(name: str, value: Any) -> Iterable[str]:
    texts = () if value is None else value
    if (
        isinstance(texts, str)
        or not isinstance(texts, Sequence)
        or not all(isinstance(item, str) for item in texts)
    ):
        raise OptionError(f"found {name} = {value!r}; give a list of texts.")
    return texts


def _refuse_lines(name: str, value: Any) -> None:
    if isinstance(value, str | Path) and re.search(CONTROL, str(value)):
        raise OptionError(f"found {name} = {str(value)!r}; give one line, without control characters.")
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _refuse_lines(name, item)
