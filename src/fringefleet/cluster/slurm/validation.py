"""Values of keywords of ``SLURMCluster``: how Slurm writes them, and what none of them may be.

All functions raise an ``OptionError`` that says what was found, and what to give.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from fringefleet.cluster.options import check_memory, check_type
from fringefleet.errors import OptionError

_SHELL = ("job_script_prologue", "env_extra")  # lines that are meant for the shell
# They go into #SBATCH lines, which end a value at a blank, a quotation mark or #.
_WORD = r"[\w][\w.,:/@%+=-]*", "one word"
# Most go without quotes into a line of the job. Slurm takes a list of names, with commas, to look for jobs.
# Folders go into double quotes, where $NAME may stand for a part of the path, and nothing may be run.
_TEXTS = {
    "account": _WORD,
    "death_timeout": (r"\d[\w.]*", "seconds"),
    "interface": (r"\w[\w.:@-]*", "the name of a network interface, such as ib0"),
    "job_mem": _WORD,
    "job_name": (r"[\w.+-]+", "a name of letters, digits and _.+- only"),
    "local_directory": (
        r'(?!~[^/])[^"`\\\n$]*(\$(\w+|\{\w+\})[^"`\\\n$]*)*',
        "a folder; $NAME may be a part of it",
    ),
    "log_directory": (r'(?!~[^/])[^"`\\$%]*', 'a folder without any of "`\\$%'),
    "queue": _WORD,
    "worker_command": (r"\w+(\.\w+)*", "the name of a Python module"),
}
_TYPES: dict[str, tuple[type, ...]] = {"python": (str,), "scheduler_options": (Mapping,), "shebang": (str,)}
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"  # all but the tabulator
# keyword: whether it is a whole number, least, most
_NUMBERS = {
    "cores": (True, 1, math.inf),
    "job_cpu": (True, 1, math.inf),
    "most_failed_starts": (True, 1, math.inf),
    "most_replacements": (True, 0, math.inf),
    "poll_seconds": (False, 1, 86400),
    "processes": (True, 1, math.inf),
}
# What dask-jobqueue called them once: it heeds some of them in some cases only.
_RENAMED = {
    "env_extra": "job_script_prologue",
    "extra": "worker_extra_args",
    "header_skip": "job_directives_skip",
    "job_extra": "job_extra_directives",
    "project": "account",
}


def walltime_seconds(walltime: str | int | None) -> int | None:
    """Read a time [s] as Slurm writes it; None if there is no limit.

    Examples
    --------
    >>> walltime_seconds("00:30:00"), walltime_seconds(90), walltime_seconds("1:30"), walltime_seconds("2-12")
    (1800, 5400, 90, 216000)
    >>> walltime_seconds("1-00:00:30"), walltime_seconds("UNLIMITED")
    (86430, None)
    """
    if walltime is None or str(walltime).lower() in ("infinite", "unlimited"):
        return None
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(walltime))
    if found is None:
        raise OptionError(
            f"found walltime = {walltime!r}; give it as Slurm does: minutes, hours:minutes:seconds, or "
            "days-hours:minutes:seconds."
        )
    days, *rest = found.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is None and len(parts) < len(rest):  # hours come only with a third part
        parts = [0, *parts]
    hours, minutes, seconds = (*parts, 0, 0)[:3]
    time = timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)
    return int(time.total_seconds())


def check_values(options: Mapping[str, Any]) -> None:
    """Refuse values that cannot be, that would add lines or options to a job script, or something to run.

    Lines that are meant for the shell are as safe as whoever wrote them.
    """
    for name, value in options.items():
        if name not in _SHELL:
            _check_lines(name, value)
        if value and name in _RENAMED:
            raise OptionError(f"found {name} = {value!r}; it is called {_RENAMED[name]} now: give that.")
        if name in _TYPES:
            check_type(name, value, _TYPES[name])
        check_text(name, value)
        _check_number(name, value)
    check_memory("memory", options.get("memory"))
    for module in texts("modules", options.get("modules")):
        if not re.fullmatch(r"[\w./+-]+", module):
            raise OptionError(f"found the module {module!r}; give a name such as cuda/12.4.")


def texts(name: str, value: Any) -> list[str]:
    """Make a list of the value of a keyword that takes several; refuse what is none."""
    value = () if value is None else value
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise OptionError(f"found {name} = {value!r}; give a list of texts.")
    return [str(item) for item in value]


def check_text(name: str, value: Any) -> None:
    """Refuse the value of a keyword, if it is one of those that go into a job script without quotes."""
    pattern, wanted = _TEXTS.get(name, (".*", ""))
    if wanted and value is not None and not re.fullmatch(pattern, str(value)):
        raise OptionError(f"found {name} = {value!r}; give {wanted}.")


def _check_number(name: str, value: Any) -> None:
    if value is None or name not in _NUMBERS:
        return
    is_whole, least, most = _NUMBERS[name]
    check_type(name, value, (int,) if is_whole else (int, float))
    if not least <= value <= most:
        up_to = "or more" if most == math.inf else f"to {most:g}"
        raise OptionError(f"found {name} = {value!r}; give {least} {up_to}.")


def _check_lines(name: str, value: Any) -> None:
    if isinstance(value, str | Path) and re.search(_CONTROL, str(value)):
        raise OptionError(f"found {name} = {str(value)!r}; give one line, without control characters.")
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _check_lines(name, item)


def sbatch_log(folder: Path, pattern: str) -> str:
    r"""Write the path of a log as the value of ``#SBATCH -o``, which Slurm reads in two steps.

    sbatch takes the quotation off the word, in which ``\`` protects what follows, and blanks out ``hetjob``
    and ``packjob``; then ``%`` begins a pattern, and a ``\`` that is left would end all patterns.
    In the pattern of a file's name ``%x`` and so on have their meaning; the folder's is taken as it is.

    Examples
    --------
    >>> print(sbatch_log(Path('/a "b" 5%'), "%j.log"))
    "/a \"b\" 5%%/%j.log"
    """
    advice = "give another as log_directory"
    check_path("the folder for logs", folder, advice)
    if "\\" in str(folder):
        raise OptionError(
            f"found a backslash in the folder for logs, {folder}, which Slurm removes; {advice}."
        )
    text = str(folder).replace("%", "%%").replace('"', r"\"")
    text = re.sub(r"(het|pack)(?=job)", r"\1\\", text, flags=re.IGNORECASE)
    return f'"{text}/{pattern}"'


def check_path(name: str, path: str | Path, advice: str) -> None:
    """Refuse a path with a character that no quotation in a script saves: a control character, or no text."""
    for character in str(path):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise OptionError(
                f"found the character {character!r} in the path of {name}, {str(path)!r}, which no job "
                f"script can have; {advice}."
            )
