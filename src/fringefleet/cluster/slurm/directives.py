"""Options of sbatch in ``job_extra_directives``: those that count here, and those that contradict our own.

All functions raise an ``OptionError`` where a line cannot be read, or asks for what it cannot have.
"""

import argparse
import shlex
from collections.abc import Iterable
from typing import NoReturn

from fringefleet.errors import OptionError
from fringefleet.option_words import as_it_is

_REFUSED = {
    "--array -a": "leave it out: as many jobs are submitted as --workers needs",
    "--clusters -M": "leave it out: jobs are looked for in this Slurm only",
    "--error -e": "give log_directory: the log of a job is looked for there",
    "--output -o": "give log_directory: the log of a job is looked for there",
    "--job-name -J": "give job_name: jobs are found, and cancelled, by it",
    "--time -t": "give walltime: workers leave before it is over",
    "--nodes -N": "give more --workers: a job has its workers on one node",
    "--ntasks -n": "give processes, and job_cpu: a job's script starts its workers itself",
}
_NO_COUNT = ("--gpus-per-socket", *(f"--tres-per-{name}" for name in ("job", "node", "socket", "task")))
_REFUSED |= dict.fromkeys(_NO_COUNT, "give --gres=gpu:N: how many GPUs a job gets would not be known")
_GPUS = ("--gpus -G", "--gpus-per-node", "--gpus-per-task", "--gres")  # of a job: one node, one task
_FLAGS = ("--requeue", "--no-requeue", "--hold -H")
_ADVICE = {name.split()[0][2:]: advice for name, advice in _REFUSED.items()}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"job_extra_directives cannot be read: {message}; give options of sbatch.")


def _parser() -> _Parser:
    parser = _Parser(add_help=False)
    for names in (*_REFUSED, *_GPUS):
        parser.add_argument(*names.split(), action="append")
    for names in _FLAGS:
        parser.add_argument(*names.split(), action="append_const", const="")
    return parser


def read_directives(directives: Iterable[str]) -> dict[str, list[str]]:
    """Read the options of sbatch that count here: values by long name, "" where an option takes none.

    Examples
    --------
    >>> read_directives(["-N 2 --exclusive", "-a1-3", "--gres gpu:2", "-C 'a100&nvlink'"])
    {'array': ['1-3'], 'nodes': ['2'], 'gres': ['gpu:2']}
    """
    words = [word for directive in directives for word in _words(directive)]
    found, _ = _parser().parse_known_args(words)
    return {name.replace("_", "-"): values for name, values in vars(found).items() if values}


def n_gpu(directives: Iterable[str]) -> int | None:
    """Count the GPUs that directives ask for, for each job; None if they ask for none.

    Examples
    --------
    >>> n_gpu(["-C gpu", "--gres=gpu:a100:4"]), n_gpu(["--gpus-per-node=2"]), n_gpu(["-C gpu"])
    (4, 2, None)
    >>> n_gpu(["--gres=gpu"]), n_gpu(["-G 1", "--constraint=a100"]), n_gpu(["--gpus=a100:2"])
    (1, 1, 2)
    >>> n_gpu(["--gres=gpu:a100:2,gpu:v100:1"]), n_gpu(["--gres=gpumem:4"]), n_gpu(["--exclusive -G2"])
    (3, None, 2)
    """
    found = read_directives(directives).items()
    counts = [_count(name, value) for name, values in found if name[0] == "g" for value in values]
    return max(counts, default=0) or None


def check_directives(directives: Iterable[str]) -> None:
    """Refuse directives after which jobs would not be what we take them for."""
    for name, values in read_directives(directives).items():
        for value in values:
            is_plain = name in ("nodes", "ntasks") and value in ("1", "1-1")
            is_plain |= name.startswith("tres-") and "gpu" not in value
            if name in _ADVICE and not is_plain:
                found = as_it_is(f"found --{name} {value}".rstrip())
                raise OptionError(f"{found} in job_extra_directives; {_ADVICE[name]}.")


def _words(directive: str) -> list[str]:
    try:
        words = shlex.split(directive)
    except ValueError as error:
        raise OptionError(f"found the directive {directive!r}: {error}; end the quotation.") from error
    if not words or not words[0].startswith("-"):
        raise OptionError(f"found the directive {directive!r}; give options of sbatch, such as '-C a100'.")
    return words


def _count(name: str, value: str) -> int:
    parts = value.split(",")
    if name == "gres":
        parts = [part for part in parts if part.split(":")[0] == "gpu"]
    return sum(int(last) if (last := part.rpartition(":")[2]).isdecimal() else 1 for part in parts)
