"""Table of dependencies between options: those that take effect only where others have some value.

A row names an option, with what it has an effect, and that in words. :func:`check_needs` refuses every value
that is not the default and has no effect; a default that is given cannot be told from one that is not. A
file that has all options, such as a MintPy template or a cluster file, may have such values:
:func:`without_effect` finds them, so that they are left out and said.

To add an option to one of the classes or commands below, name it in the table: in a row, or among those that
always have an effect. A test compares the table with the classes and the commands.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import PurePath
from typing import Any, NamedTuple

from fringefleet.errors import IdleOptionError
from fringefleet.observation.quantity import OFFSETS, PHASE
from fringefleet.option_words import option

Values = Mapping[str, Any]

_ELIMINATION = ("auto", "compiled", "elimination", "fused")  # solvers
WITH_THRESHOLD = ("coherence", "offset_snr", "range_offset_std", "azimuth_offset_std")
STARTED = ("default", "local", "local-cuda", "slurm")  # clusters that are started for us, or may be
RUNNING = ("address", "file")
_OF_A_START = ("memory_limit", "interface", "dashboard", "options")
CERTIFICATES = ("tls_ca", "tls_cert", "tls_key", "tls_credentials")
_ON_GPUS = ("local-cuda", "slurm")  # where jobs may ask for GPUs in words of their own


class Need(NamedTuple):
    """One option, what it needs to have an effect, in words, and why if that is not plain."""

    option: str
    is_met: Callable[[Values], bool]
    other: str  # the option that it needs
    wanted: str  # the values of that, in words
    why: str = ""


def _of(name: str, other: str, *values: object, why: str = "") -> Need:
    """Make the row of an option that needs another one to have one of some values."""
    words = [str(value) for value in values]
    listed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return Need(name, lambda said: said[other] in values, other, listed, why)


def _of_phase(name: str) -> Need:
    return Need(name, lambda said: said["observation"] not in OFFSETS, "observation", PHASE)


def _of_kind(name: str, kinds: tuple[str, ...], words: str) -> Need:
    return Need(name, lambda said: said["kind"] in kinds, "cluster", words)


def _of_workers(name: str) -> Need:
    return Need(name, lambda said: said["n_worker"] != 0, "n_worker", "1 or more", _NO_WORKERS)


_FACTOR = "the dense one is there to compare series with"
_WEIGHTS = "the weights of the last round of l1 say nothing of the uncertainty"
_STARTED_HERE = "local, local-cuda or slurm"
_NO_WORKERS = "0 means threads of this process"

# Fields of Options
OPTIONS = (
    _of("mask_threshold", "mask_dataset", *WITH_THRESHOLD),
    _of("norm", "solver", *_ELIMINATION, why=_FACTOR),
    _of("huber_threshold", "norm", "huber"),
    _of("max_iterations", "norm", "l1", "huber"),
    _of("min_norm", "gap_rule", "minimum-norm"),
    *(_of(name, "norm", "l2", "huber", why=_WEIGHTS) for name in ("std", "covariance")),
    *(_of(name, "solver", *_ELIMINATION, why=_FACTOR) for name in ("std", "covariance")),
    *(_of_phase(name) for name in ("diagnose", "dem_error")),
    *(_of(name, "dem_error", True) for name in ("polynomial_order", "atmosphere_std")),
    Need("solver", lambda said: said["solver"] != "compiled" or said["device"] == "cpu", "device", "cpu"),
    Need("solver", lambda said: said["solver"] != "fused" or _has_triton(said), "device", "cuda"),
    _of("gpu_chunk_size", "device", "cuda"),
)
# Fields of Setting, which may need those of Options
SETTING = (
    *(_of(name, "skip_reference", False) for name in ("reference_point", "drop_unreferenced")),
    *(_of_phase(name) for name in ("wavelength", "looks")),
    _of("looks", "weight_func", "var", "fim"),
    _of("geometry", "dem_error", True),
)
# Fields of ClusterOptions; ``kind`` is what its ``cluster`` is
CLUSTER = (
    *(_of_kind(name, STARTED, _STARTED_HERE) for name in _OF_A_START),
    _of_kind("tls", (*STARTED, *RUNNING), f"{_STARTED_HERE}, or an address"),
    *(_of_kind(name, RUNNING, "tls://HOST:PORT") for name in CERTIFICATES),
    Need("share_gpu", lambda said: said["device"] == "cuda" or said["kind"] in _ON_GPUS, "device", "cuda"),
    *(_of_workers(name) for name in (*_OF_A_START, "tls", "share_gpu", "wait_seconds")),
)
# Options of a command that are no field of a class, by the name of the command
COMMANDS = {
    "slurm": (_of("scheduler_file", "dry_run", False),),
    "mintpy": (
        _of("config", "cluster", "slurm"),
        _of("num_worker", "cluster", "local", "slurm"),
        _of("ram", "cluster", "local"),
        Need("ram", lambda said: said["device"] == "cpu" or said["num_worker"], "device", "cpu"),
    ),
}
# What has an effect whatever else is said, by class
ALWAYS = {
    "Options": (
        *("observation", "weight_func", "mask_dataset", "min_redundancy", "gap_rule", "dtype", "device"),
        "keep_bits",
    ),
    "Setting": ("reference_date", "water_mask", "average_coherence", "skip_reference"),
    "ClusterOptions": ("cluster", "n_worker", "device"),
    "Run": (
        *("stack", "output", "options", "setting", "chunks", "existing", "n_worker", "total_memory"),
        *("worker_memory", "n_thread", "n_core", "gpu_memory"),
        *("on_failure", "reader", "drop_incomplete", "accept_touched"),
    ),
    "FailurePolicy": ("on_error", "retries"),
}


def without_effect(said: Values, defaults: Values, needs: Iterable[Need]) -> list[Need]:
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


def check_needs(said: Values, defaults: Values, needs: Iterable[Need]) -> None:
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


def describe_need(need: Need, said: Values) -> str:
    """Say what an option needs that has no effect."""
    why = f" ({need.why})" if need.why else ""
    found, needed = option(need.option, _short(said[need.option])), option(need.other, need.wanted)
    return f"{found}, which has an effect only with {needed}{why}"


def _is_default(value: object, default: object) -> bool:
    return value is default or (not hasattr(value, "shape") and value == default)


def _short(value: object) -> str:
    """Write a value in a few words: arrays and tables go by what they are."""
    return str(value) if isinstance(value, str | int | float | tuple | PurePath) else type(value).__name__


def _has_triton(said: Values) -> bool:
    """Whether the fused kernel can run: on a GPU, or in Triton's interpreter, which the tests ask for."""
    return said["device"] == "cuda" or "TRITON_INTERPRET" in os.environ
