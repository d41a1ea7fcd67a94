"""Names of options in messages, as the command that runs spells them: ``--looks N`` for ``looks = N``."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar

import typer

from fringefleet.option_words import spelled

# What an option of the package is called in a command, where it has another name.
NAMES = {
    "observation": ("dataset",),
    "n_worker": ("workers", "num_worker"),
    "memory_limit": ("worker_memory",),
    "wait_seconds": ("wait",),
}
# A value that is an option of its own, or another value of another option.
_VALUES = {
    ("existing", "resume"): ("resume", ""),
    ("existing", "overwrite"): ("overwrite", ""),
    ("min_norm", "phase"): ("min_norm_phase", ""),
    ("device", "cuda"): ("solver", "torch"),
    ("device", "cpu"): ("solver", "cpu"),
}


_running: ContextVar[typer.Context | None] = ContextVar("running", default=None)


def take_words_of(context: typer.Context) -> None:
    """Take note of the application as it runs, which knows the command."""
    _running.set(context)


def in_words_of_the_command(text: str) -> str:
    """Spell the options that a message marks as the command that runs takes them; else as Python does."""
    return spelled(text, _speller(_options()))


def _options() -> dict[str, str]:
    """Give the options of the command that runs, by their names as parameters."""
    context = _running.get()
    if context is None or context.invoked_subcommand is None:
        return {}
    command = context.command.get_command(context, context.invoked_subcommand)  # type: ignore[attr-defined]
    found = {}
    for parameter in command.params:
        words = [word for word in parameter.opts if word.startswith("--")]
        if words:
            found[parameter.name] = words[0]
        if parameter.secondary_opts:
            found[f"no_{parameter.name}"] = parameter.secondary_opts[0]
    return found


def _speller(options: Mapping[str, str]) -> Callable[[str, str], str]:
    def spell(name: str, value: str) -> str:
        called = next((other for other in (name, *NAMES.get(name, ())) if other in options), None)
        other = _VALUES.get((name, value))
        if called is None and other is not None and other[0] in options:
            called, value = other
        if called is None:
            return f"{name} = {value}" if value else name
        if value in ("False", "None"):
            return options.get(f"no_{called}", f"no {options[called]}")
        if value.startswith("(") and value.endswith(")"):
            value = value[1:-1].replace(",", "")
        return options[called] if value in ("", "True") else f"{options[called]} {value}"

    return spell
