"""Options that have an effect only with certain values of another option.

A dataclass declares this beside the option (:mod:`fringefleet.arguments.declaration`); the tables here cover
options outside dataclasses. :func:`check_needs` rejects every value that differs from the default and has no
effect; a default that is given explicitly is not distinguished from one that is not given. A file with all
options, such as a MintPy template or a cluster file, may contain such values: :func:`without_effect` finds
them, so that they are ignored with a message.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import PurePath
from typing import Any, NamedTuple

from fringefleet.errors import IdleOptionError
from fringefleet.option_words import option

OptionValues = Mapping[str, Any]

STARTED_KINDS = ("default", "local", "local-cuda", "slurm")  # clusters that this program starts, or may start
RUNNING_KINDS = ("address", "file")
_OF_A_START = ("worker_memory", "interface", "dashboard", "options")
CERTIFICATES = ("tls_ca", "tls_cert", "tls_key", "tls_credentials")
_ON_GPUS = ("local-cuda", "slurm")  # kinds whose jobs may request GPUs with options of their own


class Need(NamedTuple):
    """Dependency of one option on another, with the reason if it is not obvious."""

    option: str
    is_met: Callable[[OptionValues], bool]
    other: str  # option that it depends on
    wanted: str  # required values of that option, in words
    why: str = ""


def only_with(other: str, *values: object, why: str = "", option: str = "") -> Need:
    """Declare that an option has an effect only with certain values of another option.

    Parameters
    ----------
    other
        Name of the other option.
    *values
        Values of the other option that it needs.
    why
        Reason, if it is not obvious.
    option
        Name of the option, where it is not the field that declares this.
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
# Options of a command that are not fields of a class, by the name of the command
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
    """Find the values that differ from the default and have no effect, with the dependency not met.

    Parameters
    ----------
    said
        All options by name.
    defaults
        Defaults of the options to check; other options only decide about them.
    needs
        Dependencies to check.
    """
    return [
        need
        for need in needs
        if need.option in defaults
        and not _is_default(said[need.option], defaults[need.option])
        and not need.is_met(said)
    ]


def defaults_of(kind: Any) -> dict[str, Any]:
    """Return the defaults of the fields of a dataclass."""
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(kind)
    }


def check_needs(said: OptionValues, defaults: OptionValues, needs: Iterable[Need]) -> None:
    """Reject values that have no effect, all of them at once; see :func:`without_effect`.

    Raises
    ------
    IdleOptionError
        States what each option needs.
    """
    idle = without_effect(said, defaults, needs)
    if idle:
        raise IdleOptionError(
            f"found {'; '.join(describe_need(need, said) for need in idle)}. Give what is needed, or leave "
            f"{'it' if len(idle) == 1 else 'them'} out."
        )


def describe_need(need: Need, said: OptionValues) -> str:
    """Describe an option without effect, and what it needs."""
    why = f" ({need.why})" if need.why else ""
    found, needed = option(need.option, _short(said[need.option])), option(need.other, need.wanted)
    return f"{found}, which has an effect only with {needed}{why}"


def _is_default(value: object, default: object) -> bool:
    return value is default or (not hasattr(value, "shape") and value == default)


def _short(value: object) -> str:
    """Format a value in a few words; arrays and tables by their type."""
    return str(value) if isinstance(value, str | int | float | tuple | PurePath) else type(value).__name__
