"""Options in messages: as spelled on the command line, as in Python, and marked so that both can be made.

A message is written with the spelling of the command line, ``--looks N``, which is easy to search for, or
with :func:`option`. The code that raises it need not know its reader: a mark stands for the option until
then.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_FLAGS = (
    *("covariance", "dem_error", "diagnose", "drop_unreferenced", "share_gpu", "skip_reference"),
    *("std", "tls", "dashboard", "drop_incomplete", "accept_touched", "velocity", "remove"),
)
# Options of the command line: their form in Python, and the number of values that follow.
IN_PYTHON = {
    "average-coherence": ("average_coherence", 1),
    "bbox": ("bbox", 4),
    "chunks": ("chunks", 2),
    "cluster": ("cluster", 1),
    "columns": ("columns", 2),
    "dataset": ("observation", 1),
    "device": ("device", 1),
    "end-date": ("end_date", 1),
    "exclude-dates": ("exclude_dates", 1),
    "exclude-pairs": ("exclude_pairs", 1),
    "geometry": ("geometry", 1),
    "interface": ("interface", 1),
    "keep-bits": ("keep_bits", 1),
    "looks": ("looks", 1),
    "mask-dataset": ("mask_dataset", 1),
    "mask-threshold": ("mask_threshold", 1),
    "max-perpendicular-baseline": ("max_perpendicular_baseline", 1),
    "max-temporal-baseline": ("max_temporal_baseline", 1),
    "min-coherence": ("min_coherence", 1),
    "min-redundancy": ("min_redundancy", 1),
    "norm": ("norm", 1),
    "on-error": ("on_error", 1),
    "reader": ("reader", 1),
    "reference": ("reference", 1),
    "reference-date": ("reference_date", 1),
    "reference-lalo": ("reference_lalo", 2),
    "reference-point": ("reference_point", 2),
    "reference-window": ("reference_window", 1),
    "retries": ("retries", 1),
    "rows": ("rows", 2),
    "solver": ("solver", 1),
    "start-date": ("start_date", 1),
    "template": ("template", 1),
    "tls-credentials": ("tls_credentials", 1),
    "uncertainty": ("uncertainty", 1),
    "wait": ("wait_seconds", 1),
    "tls-ca": ("tls_ca", 1),
    "tls-cert": ("tls_cert", 1),
    "tls-key": ("tls_key", 1),
    "water-mask": ("water_mask", 1),
    "wavelength": ("wavelength", 1),
    "weight-func": ("weight_func", 1),
    "worker-memory": ("worker_memory", 1),
    "workers": ("n_worker", 1),
    **{name.replace("_", "-"): (f"{name} = True", 0) for name in _FLAGS},
    "no-mask": ("mask = False", 0),
    "no-tls": ("tls = False", 0),
    "overwrite": ("existing = overwrite", 0),
    "resume": ("existing = resume", 0),
}
# A value is a metavariable, a number, or a word that the option takes; anything else belongs to the text.
_WORDS = (
    r"local-cuda|local|slurm|cuda|cpu|var|fim|coh|no|none|l1|l2|huber|auto|compiled|elimination|dense|fused"
    r"|skip|stop"
)
RENAMED = {"bridge": "gap_rule", "memory_limit": "worker_memory"}  # options of earlier versions
_VALUE = rf"(?:[A-Z][A-Z]*|\d[\d.]*|{_WORDS})(?![\w-])"
_OPTION = re.compile(rf"(?<![\w\-\x01])--([a-z][a-z-]*)((?: {_VALUE}){{0,2}})")
_MARKED = re.compile("\x02([^\x02\x03]*?)(?: = ([^\x02\x03]*))?\x03")


def option(name: str, value: object = "") -> str:
    """Mark the name of an option in a message, given its name in Python, with its value if there is one.

    Examples
    --------
    >>> in_words_of_python(f"found {option('looks', 0)}; give {option('looks', 'N')}.")
    'found looks = 0; give looks = N.'
    """
    return f"\x02{name} = {value}\x03" if str(value) else f"\x02{name}\x03"


def as_it_is(text: str) -> str:
    """Protect what looks like an option, but belongs to another program, from being taken for ours.

    Examples
    --------
    >>> in_words_of_python(mark(f"found {as_it_is('--wait')} of sbatch; give --wait 5."))
    'found --wait of sbatch; give wait_seconds = 5.'
    """
    return text.replace("--", "\x01--")


def mark(text: str) -> str:
    """Mark the options that a text spells as the command line does.

    Examples
    --------
    >>> in_words_of_python(mark("give --looks N, or --drop-unreferenced to leave them out; see squeue --me."))
    'give looks = N, or drop_unreferenced = True to leave them out; see squeue --me.'
    """
    return _OPTION.sub(lambda found: _mark(found[0], found[1], found[2].split()), text)


def _mark(whole: str, name: str, values: list[str]) -> str:
    if name not in IN_PYTHON:
        return whole
    python, n_value = IN_PYTHON[name]
    if n_value == 0:
        return f"\x02{python}\x03" + "".join(f" {value}" for value in values)
    mine, rest = values[:n_value], values[n_value:]
    value = f"({', '.join(mine)})" if len(mine) > 1 else "".join(mine)
    return option(python, value) + "".join(f" {word}" for word in rest)


def spelled(text: str, spell: Callable[[str, str], str]) -> str:
    """Replace every marked option by a spelling made of its name and its value, "" if none."""
    return _MARKED.sub(lambda found: spell(found[1], found[2] or ""), text).replace("\x01", "")


def in_words_of_python(text: str) -> str:
    """Write every marked option as a name of Python, without the marks."""
    return spelled(text, lambda name, value: f"{name} = {value}" if value else name)


@dataclass(frozen=True)
class Marked:
    """Text with marked options, as an argument of a log message or of an interrupt.

    It is formatted in Python's spelling, unless its handler spells ``text`` another way.

    Examples
    --------
    >>> f"{Marked(mark('give --looks N'))}"
    'give looks = N'
    """

    text: str

    def __str__(self) -> str:
        """Return the text in Python's spelling."""
        return in_words_of_python(self.text)


def nearest_name(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Find the known name most similar to a given one, ignoring case; None if none is similar.

    Parameters
    ----------
    given
        What the user wrote.
    known
        Valid names.
    cutoff
        Required similarity, from 0 to 1 as for :func:`difflib.get_close_matches`.

    Examples
    --------
    >>> nearest_name("dolfin", ["hyp3", "dolphin"]), nearest_name("ram", ["maxMemory"])
    ('dolphin', None)
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def suggest(given: str, known: Iterable[str], *, before: str = "", cutoff: float = 0.6) -> str:
    """Return a suggestion of the nearest known name for the end of a message; empty if none is near.

    Parameters
    ----------
    given, known, cutoff
        As for :func:`nearest_name`.
    before
        Prefix of the names in what the user writes.

    Examples
    --------
    >>> suggest("Looks", ["looks", "norm"]), suggest("ram", ["maxMemory"])
    (' Did you mean looks?', '')
    >>> suggest("bridge", ["gap_rule"])
    ' It is now called gap_rule.'
    """
    known = list(known)
    if (now := RENAMED.get(given)) in known:
        return f" It is now called {before}{now}."
    near = nearest_name(given, known, cutoff=cutoff)
    return "" if near is None else f" Did you mean {before}{near}?"
