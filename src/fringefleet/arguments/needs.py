"""Options that have an effect only where another option has some value.

A dataclass declares it beside the option (:mod:`fringefleet.arguments.declaration`); what no dataclass
declares is in the tables here. :func:`check_needs` refuses every value that is not the default and has no
effect; a default that is given cannot be told from one that is not. A file that has all options, such as a
MintPy template or a cluster file, may have such values: :func:`without_effect` finds them, so that they are
left out and said.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import PurePath
from typing import Any, NamedTuple

from fringefleet.errors import IdleOptionError
from fringefleet.option_words import option

OptionValues = Mapping[str, Any]

STARTED_KINDS = ("default", "local", "local-cuda", "slurm")  # clusters that are started for us, or may be
RUNNING_KINDS = ("address", "file")
_OF_A_START = ("worker_memory", "interface", "dashboard", "options")
CERTIFICATES = ("tls_ca", "tls_cert", "tls_key", "tls_credentials")
_ON_GPUS = ("local-cuda", "slurm")  # where jobs may ask for GPUs in words of their own


class Need(NamedTuple):
    """One option, what it needs to have an effect, in words, and why if that is not plain."""

    option: str
    is_met: Callable[[OptionValues], bool]
    other: str  # the option that it needs
    wanted: str  # the values of that, in words
    why: str = ""


def only_with(other: str, *values: object, why: str = "", option: str = "") -> Need:
    """Declare that an option needs another one to have one of some values.

    Parameters
    ----------
    other
        The other option.
    *values
        Those that it may have.
    why
        The reason, if that is not plain.
    option
        The option, where it is not the field that declares this.
    """
    *others, last = map(str, values)
    words = f"{', '.join(others)} or {last}" if others else last
    return Need(option, lambda said: said[other] in values, other, words, why)


def _of_kind(name: str, kinds: tuple[str, ...], words: str) -> Need:
    return Need(name, lambda said: said["kind"] in kinds, "cluster", words)


def _of_workers(name: str) -> Need:
    return Need(name, lambda said: said["n_worker"] != 0, "n_worker", "1 or more", _NO_WORKERS)


_STARTED_HERE = "local, local-cuda or slurm"
_NO_WORKERS = "0 means threads of this process"

# Fields of ClusterOptions; ``kind`` is what its ``cluster`` is
CLUSTER = (
    *(_of_kind(name, STARTED_KINDS, _STARTED_HERE) for name in _OF_A_START),
    _of_kind("tls", (*STARTED_KINDS, *RUNNING_KINDS), f"{_STARTED_HERE}, or an address"),
    *(_of_kind(name, RUNNING_KINDS, "tls://HOST:PORT") for name in CERTIFICATES),
    Need("share_gpu", lambda said: said["device"] == "cuda" or said["kind"] in _ON_GPUS, "device", "cuda"),
    *(_of_workers(name) for name in (*_OF_A_START, "tls", "share_gpu", "wait_seconds")),
)
# Options of a command that are no field of a class, by the name of the command
COMMANDS = {
    "slurm": (only_with("dry_run", False, option="scheduler_file"),),
    "mintpy": (
        only_with("cluster", "slurm", option="config"),
        only_with("cluster", "local", "slurm", option="num_worker"),
        only_with("cluster", "local", option="ram"),
        Need("ram", lambda said: said["device"] == "cpu" or said["num_worker"], "device", "cpu"),
    ),
}


def without_effect(said: OptionValues, defaults: OptionValues, needs: Iterable[Need]) -> list[Need]:
    """Find the values that are not the default and have no effect, by the row that is not met.

    Parameters
    ----------
    said
        All options by name.
    defaults
        Of the options that are looked at; others decide only.
    needs
        A part of the table.
    """
    return [
        need
        for need in needs
        if need.option in defaults
        and not _is_default(said[need.option], defaults[need.option])
        and not need.is_met(said)
    ]


def defaults_of(kind: Any) -> dict[str, Any]:
    """Give the defaults of the fields of a dataclass."""
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(kind)
    }


def check_needs(said: OptionValues, defaults: OptionValues, needs: Iterable[Need]) -> None:
    """Refuse values that have no effect, all of them at once; see :func:`without_effect`.

    Raises
    ------
    IdleOptionError
        Says what each needs.
    """
    idle = without_effect(said, defaults, needs)
    if idle:
        raise IdleOptionError(
            f"found {'; '.join(describe_need(need, said) for need in idle)}. Give what is needed, or leave "
            f"{'it' if len(idle) == 1 else 'them'} out."
        )


def describe_need(need: Need, said: OptionValues) -> str:
    """Say what an option needs that has no effect."""
    why = f" ({need.why})" if need.why else ""
    found, needed = option(need.option, _short(said[need.option])), option(need.other, need.wanted)
    return f"{found}, which has an effect only with {needed}{why}"


def _is_default(value: object, default: object) -> bool:
    return value is default or (not hasattr(value, "shape") and value == default)


def _short(value: object) -> str:
    """Write a value in a few words: arrays and tables go by what they are."""
    return str(value) if isinstance(value, str | int | float | tuple | PurePath) else type(value).__name__
