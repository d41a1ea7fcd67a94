"""Names of options in messages, as the command that runs spells them: ``--looks N`` for ``looks = N``."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from fringefleet.option_words import spelled

_NAMES = {"n_worker": "num_worker"}  # what an option is called in a command, where it takes other words
# A value that is an option of its own, or another value of another option.
_VALUES = {
    ("existing", "resume"): ("resume", ""),
    ("existing", "overwrite"): ("overwrite", ""),
    ("min_norm", "phase"): ("min_norm_phase", ""),
    ("device", "cuda"): ("solver", "torch"),
    ("device", "cpu"): ("solver", "cpu"),
}

_flags: ContextVar[dict[str, str] | None] = ContextVar("flags", default=None)


def set_spelling(parameters: Iterable[Any]) -> None:
    """Take the flags of the parameters of a command for all messages to come."""
    found: dict[str, str] = {}
    for parameter in parameters:
        flags = [flag for flag in parameter.opts if flag.startswith("--")]
        for name, spelling in ((parameter.name, flags), (f"no_{parameter.name}", parameter.secondary_opts)):
            if spelling:
                found[name] = spelling[0]
    _flags.set(found)


def in_words_of_the_command(text: str) -> str:
    """Spell the options that a message marks as the command that runs takes them; else as Python does."""
    return spelled(text, _spell)


def _spell(name: str, value: str) -> str:
    flags = _flags.get() or {}
    name = _NAMES[name] if name not in flags and _NAMES.get(name) in flags else name
    other = _VALUES.get((name, value))
    if name not in flags and other is not None and other[0] in flags:
        name, value = other
    if name not in flags:
        return f"{name} = {value}" if value else name
    if value in ("False", "None"):
        return flags.get(f"no_{name}", f"no {flags[name]}")
    if value.startswith("("):
        value = value.strip("()").replace(",", "")
    return flags[name] if value in ("", "True") else f"{flags[name]} {value}"
