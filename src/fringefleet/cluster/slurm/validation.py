"""Validation of keywords of ``SLURMCluster`` and options of sbatch.

All functions raise an ``OptionError`` that says what was found and what to give.
"""

import argparse
import math
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn

from fringefleet.arguments.kinds import check_kind
from fringefleet.cluster.options import check_memory
from fringefleet.errors import OptionError
from fringefleet.option_words import as_it_is

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
_LIMITS = dict.fromkeys(("cores", "job_cpu", "most_failed_starts", "processes"), (1, math.inf))
_LIMITS |= {"most_replacements": (0, math.inf), "poll_seconds": (1, 86400)}
_TYPES: dict[str, type] = dict.fromkeys(_LIMITS, Integral) | {"poll_seconds": Real}
_TYPES |= {"python": str, "shebang": str, "scheduler_options": Mapping}
# Options of sbatch in job_extra_directives that count, and why those are refused that contradict our own.
_SUBMISSION = "leave it out: jobs are submitted one by one, and what sbatch answers is read"
_FLAGS = dict.fromkeys(("--requeue", "--no-requeue", "--hold -H"), "") | dict.fromkeys(
    ("--help -h", "--parsable", "--quiet -Q", "--test-only", "--usage", "--version -V", "--wait -W"),
    _SUBMISSION,
)
_NO_COUNT = ("--gpus-per-socket", *(f"--tres-per-{name}" for name in ("job", "node", "socket", "task")))
_WITH_VALUE = {
    "--array -a": "leave it out: as many jobs are submitted as --workers needs",
    "--clusters -M": "leave it out: jobs are looked for in this Slurm only",
    "--error -e": "give log_directory: the log of a job is looked for there",
    "--output -o": "give log_directory: the log of a job is looked for there",
    "--job-name -J": "give job_name: jobs are found, and cancelled, by it",
    "--time -t": "give walltime: workers leave before it is over",
    "--nodes -N": "give more --workers: a job has its workers on one node",
    "--ntasks -n": "give processes, and job_cpu: a job's script starts its workers itself",
    "--uid": "leave it out: jobs are looked for among yours",
    "--wrap": _SUBMISSION,
    **dict.fromkeys(_NO_COUNT, "give --gres=gpu:N: how many GPUs a job gets would not be known"),
    **dict.fromkeys(("--gpus -G", "--gpus-per-node", "--gpus-per-task", "--gres"), ""),
}
_ADVICE = {names.split()[0][2:]: advice for names, advice in (_WITH_VALUE | _FLAGS).items()}
# What dask-jobqueue called them once: it heeds some of them in some cases only.
_RENAMED = {"env_extra": "job_script_prologue", "extra": "worker_extra_args", "project": "account"}
_RENAMED |= {"header_skip": "job_directives_skip", "job_extra": "job_extra_directives"}


def walltime_seconds(walltime: str | int | None) -> int | None:
    """Parse a time as Slurm writes it [s]; None if there is no limit."""
    text = str(walltime).lower()
    if text in ("none", "infinite", "unlimited"):
        return None
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        raise OptionError(
            f"found walltime = {walltime!r}; give it as Slurm does: minutes, hours:minutes:seconds, or "
            "days-hours:minutes:seconds."
        )
    days, _, time = text.rpartition("-")
    parts = [int(part) for part in time.split(":")]
    if not days and len(parts) < 3:  # hours come only with a third part
        parts = [0, *parts]
    hours, minutes, seconds = (*parts, 0, 0)[:3]
    return 86400 * int(days or 0) + 3600 * hours + 60 * minutes + seconds


def check_values(options: Mapping[str, Any]) -> None:
    """Refuse invalid values, and those that would add lines, options or commands to a job script.

    Lines meant for the shell are as safe as their author.
    """
    for name, value in options.items():
        for leaf in _leaves(value) if name != "job_script_prologue" else ():
            check_line(name, leaf, allowed="\t")
        if value and name in _RENAMED:
            raise OptionError(f"found {name} = {value!r}; it is called {_RENAMED[name]} now: give that.")
        _check_value(name, value)
    check_memory("memory", options.get("memory"))
    for module in texts("modules", options.get("modules")):
        if not re.fullmatch(r"[\w./+-]+", module):
            raise OptionError(f"found the module {module!r}; give a name such as cuda/12.4.")


def _check_value(name: str, value: Any) -> None:
    if name in _TYPES:
        check_kind(name, value, _TYPES[name])
    least, most = _LIMITS.get(name, (None, math.inf))
    if least is not None and not least <= value <= most:
        up_to = "or more" if most == math.inf else f"to {most}"
        raise OptionError(f"found {name} = {value!r}; give {least} {up_to}.")
    pattern, wanted = _TEXTS.get(name, ("", ""))
    if wanted and not re.fullmatch(pattern, str(value)):
        raise OptionError(f"found {name} = {value!r}; give {wanted}.")


def texts(name: str, value: Any) -> list[str]:
    """Convert the value of a keyword that takes several texts to a list."""
    value = () if value is None else value
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise OptionError(f"found {name} = {value!r}; give a list of texts.")
    return [str(item) for item in value]


def check_line(name: str, value: object, advice: str = "give one line", allowed: str = "") -> None:
    """Refuse control characters, which no quotation in a script can protect, and values that are no text."""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in str(value)):
        raise OptionError(f"found {name} = {str(value)!r}; {advice}, without control characters.")


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values inside tables and lists."""
    if isinstance(value, str | Path) or not isinstance(value, Iterable):
        yield value
        return
    for item in value.values() if isinstance(value, Mapping) else value:
        yield from _leaves(item)


def sbatch_log(folder: Path, pattern: str) -> str:
    r"""Write the path of a log as the value of ``#SBATCH -o``, which Slurm reads in two steps.

    sbatch takes the quotation off the word, in which ``\`` protects what follows, and blanks out ``hetjob``
    and ``packjob``; then ``%`` begins a pattern, and a ``\`` that is left would end all patterns.
    In the pattern of a file's name ``%x`` and so on have their meaning; the folder's is taken as it is.
    """
    advice, text = "give another as log_directory", str(folder)
    check_line("the folder for logs", folder, advice)
    if "\\" in text:
        raise OptionError(f"found a backslash in the folder for logs, {text}, which Slurm removes; {advice}.")
    text = text.replace("%", "%%").replace('"', r"\"")
    text = re.sub(r"(het|pack)(?=job)", r"\1\\", text, flags=re.IGNORECASE)
    return f'"{text}/{pattern}"'


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"job_extra_directives cannot be read: {message}; give options of sbatch.")


def read_directives(directives: Iterable[str]) -> dict[str, list[str]]:
    """Parse the options of sbatch that matter here: values by long name, "" where an option takes none."""
    parser, words = _Parser(add_help=False), []
    for names in _WITH_VALUE:
        parser.add_argument(*names.split(), action="append")
    for names in _FLAGS:
        parser.add_argument(*names.split(), action="append_const", const="")
    for directive in directives:
        if not directive.lstrip().startswith("-"):
            raise OptionError(
                f"found the directive {directive!r}; give options of sbatch, such as '-C a100'."
            )
        try:
            words += shlex.split(directive)
        except ValueError as error:
            raise OptionError(f"found the directive {directive!r}: {error}; end the quotation.") from error
    found = vars(parser.parse_known_args(words)[0])
    return {name.replace("_", "-"): values for name, values in found.items() if values}


def n_gpu(directives: Iterable[str]) -> int | None:
    """Count the GPUs that directives request for each job; None if there are none."""
    found = read_directives(directives).items()
    counts = [_count(name, value) for name, values in found if name[0] == "g" for value in values]
    return max(counts, default=0) or None


def _count(name: str, value: str) -> int:
    parts = [part for part in value.split(",") if name != "gres" or part.split(":")[0] == "gpu"]
    lasts = [part.rpartition(":")[2] for part in parts]
    return sum(int(last) if last.isdecimal() else 1 for last in lasts)


def check_directives(directives: Iterable[str]) -> None:
    """Refuse directives by which jobs would differ from what is expected of them."""
    for name, values in read_directives(directives).items():
        for value in values if _ADVICE[name] else ():
            is_plain = name in ("nodes", "ntasks") and value in ("1", "1-1")
            if not is_plain and (not name.startswith("tres-") or "gpu" in value):
                found = as_it_is(f"found --{name} {value}".rstrip())
                raise OptionError(f"{found} in job_extra_directives; {_ADVICE[name]}.")
