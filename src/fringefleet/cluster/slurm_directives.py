"""Lines of ``#SBATCH``: what they ask for, and which of them would contradict what we ask for ourselves."""

import re
import shlex
from collections.abc import Iterable, Iterator

from fringefleet.errors import OptionError
from fringefleet.option_words import as_it_is

SHORT = {
    "a": "array",
    "e": "error",
    "G": "gpus",
    "h": "help",
    "J": "job-name",
    "M": "clusters",
    "n": "ntasks",
    "N": "nodes",
    "o": "output",
    "Q": "quiet",
    "t": "time",
    "V": "version",
    "W": "wait",
}
WITHOUT_VALUE = "hHIkOQsuvVW"  # after them another letter may follow in the same word
COUNTS = ("gpus", "gpus-per-node", "gpus-per-task")  # of a job, which has one node and one task
SUBMISSION = "leave it out: jobs are submitted one by one, and what sbatch answers is read"
REFUSED = {
    "array": "leave it out: as many jobs are submitted as --workers needs",
    "clusters": "leave it out: jobs are looked for in this Slurm only",
    "error": "give log_directory: the log of a job is looked for there",
    "gpus-per-socket": "give --gres=gpu:N: how many GPUs a job gets would not be known",
    "job-name": "give job_name: jobs are found, and cancelled, by it",
    "output": "give log_directory: the log of a job is looked for there",
    "time": "give walltime: workers leave before it is over",
    "uid": "leave it out: jobs are looked for among yours",
    **dict.fromkeys(
        ("help", "parsable", "quiet", "test-only", "usage", "version", "wait", "wrap"), SUBMISSION
    ),
}
# Refused unless they say what there is without them.
ONE = {
    "nodes": "give more --workers: a job has its workers on one node",
    "ntasks": "give processes, and job_cpu: the script of a job is run once, and starts its workers itself",
}
TRES = tuple(f"tres-per-{part}" for part in ("job", "node", "socket", "task"))
# The shortest first: what is given in full is not taken for the beginning of another.
LONG = sorted({*SHORT.values(), *COUNTS, *REFUSED, *ONE, *TRES, "gres"}, key=len)


def read_directives(directives: Iterable[str]) -> list[tuple[str, str]]:
    """Read options of sbatch: long name and value, "" if there is none.

    A line may have several. As in sbatch, a long name may be given by its beginning.

    Raises
    ------
    OptionError
        A line begins with no option, or a quotation does not end.

    Examples
    --------
    >>> read_directives(["-N 2 --exclusive", "-Ha1-3", "--arr=1-2", "--gres gpu:2"])
    [('nodes', '2'), ('exclusive', ''), ('H', 'a1-3'), ('array', '1-3'), ('array', '1-2'), ('gres', 'gpu:2')]
    """
    found: list[tuple[str, str]] = []
    for directive in directives:
        words = _words(directive)
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word.startswith("--"):
                name, equals, value = word[2:].partition("=")
                found.append((_in_full(name), value if equals else following))
            elif word.startswith("-"):
                found += _short(word[1:], following)
    return found


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
    counts = [0]
    for name, value in read_directives(directives):
        parts = re.sub(r"\([^)]*\)", "", value).split(",")
        if name == "gres":
            parts = [part for part in parts if part.split(":")[0] == "gpu"]
        if name in (*COUNTS, "gres"):
            counts.append(sum(map(_count, parts)))
    return max(counts) or None


def refuse_contradictions(directives: Iterable[str]) -> None:
    """Refuse directives after which jobs would not be what we take them for.

    Raises
    ------
    OptionError
        Says which, and what to give instead.
    """
    for name, value in read_directives(directives):
        advice = REFUSED.get(name)
        if name in TRES and "gpu" in value:
            advice = REFUSED["gpus-per-socket"]
        if name in ONE and value not in ("1", "1-1"):
            advice = ONE[name]
        if advice is not None:
            raise OptionError(
                as_it_is(f"found --{name} {value}".rstrip()) + f" in job_extra_directives; {advice}."
            )


def _words(directive: str) -> list[str]:
    try:
        words = shlex.split(directive)
    except ValueError as error:
        raise OptionError(f"found the directive {directive!r}: {error}; end the quotation.") from error
    if not words or not words[0].startswith("-"):
        raise OptionError(f"found the directive {directive!r}; give options of sbatch, such as '-C a100'.")
    return words


def _in_full(name: str) -> str:
    return next((full for full in LONG if full.startswith(name)), name)


def _short(letters: str, following: str) -> Iterator[tuple[str, str]]:
    for i, letter in enumerate(letters):
        yield SHORT.get(letter, letter), letters[i + 1 :] or following
        if letter not in WITHOUT_VALUE:
            return


def _count(part: str) -> int:
    last = part.rsplit(":", maxsplit=1)[-1].strip()
    return int(last) if last.isdecimal() else 1
