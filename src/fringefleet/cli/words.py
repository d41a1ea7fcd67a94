"""Names in messages, as the command that runs spells them: ``--looks N`` for ``looks = N``."""

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from fringefleet.option_words import spelled

_NAMES = {"n_worker": "num_worker", "file_format": "format"}  # where a command has another word
# A value that is an option of its own, or another value of another option.
_VALUES = {
    ("existing", "resume"): ("resume", ""),
    ("existing", "overwrite"): ("overwrite", ""),
    ("min_norm", "phase"): ("min_norm_phase", ""),
    ("device", "cuda"): ("solver", "torch"),
    ("device", "cpu"): ("solver", "cpu"),
}

_NAME = re.compile(r"(?<![\w./-])[a-z]+_\w+(?![\w/]|\.\w)")  # of a dataset, and no part of a path
_TWICE = re.compile(r"(\w+) \(MintPy: \1\)")

_flags: ContextVar[dict[str, str] | None] = ContextVar("flags", default=None)
_translation: ContextVar[Callable[[str], str]] = ContextVar("translation", default=str)


def set_spelling(parameters: Iterable[Any]) -> None:
    """Take the flags of the parameters of a command for all messages to come."""
    found: dict[str, str] = {}
    for parameter in parameters:
        flags = [flag for flag in parameter.opts if flag.startswith("--")]
        for name, spelling in ((parameter.name, flags), (f"no_{parameter.name}", parameter.secondary_opts)):
            if spelling:
                found[name] = spelling[0]
    _flags.set(found)
    _translation.set(str)


def translate_names(translation: Callable[[str], str]) -> None:
    """Name datasets as the command that runs does, in all messages to come."""
    _translation.set(translation)


def in_words_of_the_command(text: str) -> str:
    """Spell the options that a message marks as the command that runs takes them; else as Python does."""
    translate = _translation.get()
    named = _NAME.sub(lambda found: translate(found[0]), spelled(text, _spell))
    return _TWICE.sub(r"\1", named)


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
