"""Options of a cluster, checked without starting, opening or asking anything.

All checks raise an ``OptionError`` that says what was found, and what to give.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import Any, Literal, get_args

from dask.utils import parse_bytes

from fringefleet.arguments.needs import CLUSTER as NEEDS
from fringefleet.arguments.needs import check_needs, defaults_of
from fringefleet.choices import DeviceName
from fringefleet.cluster.exposure import check_exposure, check_running_protocol
from fringefleet.errors import OptionError
from fringefleet.option_words import option, suggest

ClusterKind = Literal["default", "local", "local-cuda", "slurm", "current", "address", "file"]
_STARTED: tuple[ClusterKind, ...] = ("local", "local-cuda", "slurm")  # kinds that we start, and stop
_NAMED: tuple[ClusterKind, ...] = (*_STARTED, "current")
VISIBLE = "CUDA_VISIBLE_DEVICES"
_LEAST_MEMORY = 100 * 10**6  # [byte] with less a worker does not even start
# Keywords of the libraries that have a field here, so that nobody says a thing twice.
_OURS = {"n_workers": "n_worker", "security": "tls", "interface": "interface"}
_OURS["memory_limit"] = "worker_memory"
TLS_FILES = ("tls_ca", "tls_cert", "tls_key", "tls_credentials")
TYPES: dict[str, tuple[type, ...]] = dict.fromkeys(("cluster", *TLS_FILES), (str, Path))
TYPES |= {"n_worker": (int,), "worker_memory": (str, int), "interface": (str,), "device": (str,)}
TYPES |= {"tls": (bool,), "dashboard": (bool,), "share_gpu": (bool,)}
TYPES |= {"wait_seconds": (int, float), "options": (Mapping,)}


@dataclass(frozen=True)
class ClusterOptions:
    """Which workers: where they come from, how many, what they have, who can reach them.

    ``cluster``: ``local``, ``local-cuda``, ``slurm``, ``current`` (the client that is current), the address
    of a running scheduler or its scheduler file; None: the client that is current, if there is one, else one
    process for each core of this machine, or for each of its GPUs where ``device`` is ``cuda``. ``n_worker``:
    processes, GPUs or Slurm workers; of a running cluster, how many to wait for; 0: none, as threads of this
    process compute, which :func:`connect` has no use for. ``worker_memory``: of each
    worker, as ``8GB`` or in bytes. ``interface``: where to listen instead of the loopback. ``tls``: encrypt
    and authenticate; what is started here does, with certificates made for it, unless this is False; a
    running cluster has its own: ``tls_credentials``, one file with all, as whoever else is connected has it
    as ``ConnectedWorkers.credentials``; or ``tls_ca``, ``tls_cert`` and, where it lies apart, ``tls_key``.
    ``dashboard``: serve Dask's dashboard, without a password, on the loopback of the scheduler's machine.
    ``device``: what each worker must have. ``share_gpu``: several workers may have the same GPU.
    ``wait_seconds``: how long local workers that start may be silent, or how long to wait for a running
    scheduler or for workers in Slurm; None: 5 minutes, 30 s, and as long as Slurm's queue takes. ``options``:
    keywords for ``LocalCluster``, ``LocalCUDACluster`` or ``SLURMCluster``, as they are; they come before
    what we would say.

    Raises
    ------
    OptionError
        Something cannot be meant so.
    """

    cluster: str | Path | None = None
    n_worker: int | None = None
    worker_memory: str | int | None = None
    interface: str | None = None
    tls: bool | None = None
    tls_ca: Path | str | None = None
    tls_cert: Path | str | None = None
    tls_key: Path | str | None = None
    tls_credentials: Path | str | None = None
    dashboard: bool = False
    device: DeviceName = "cpu"
    share_gpu: bool = False
    wait_seconds: float | None = None  # [s]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every value, and how they go together."""
        for name, types in TYPES.items():
            check_type(name, getattr(self, name), types)
        if self.device not in get_args(DeviceName):
            raise OptionError(f"found device = {self.device!r}; give {' or '.join(get_args(DeviceName))}.")
        if self.interface == "":
            raise OptionError("found interface = ''; give the name of a network interface, such as ib0.")
        self._check_number()
        if self.wait_seconds is not None and not 0 <= self.wait_seconds < math.inf:
            raise OptionError(f"found wait_seconds = {self.wait_seconds}; give seconds from 0 on.")
        check_memory("worker_memory", self.worker_memory)
        _check_options(self.options)
        check_needs(vars(self) | {"kind": self.kind}, defaults_of(ClusterOptions), NEEDS)
        _check_certificates(self)
        if self.kind == "address":
            check_running_protocol(str(self.cluster), self.tls)
        if self.kind not in ("current", "address", "file"):
            check_exposure(self)

    def _check_number(self) -> None:
        if self.n_worker is not None and self.n_worker < 0:
            raise OptionError(
                f"found {self.n_worker} workers; give 1 or more, or 0 for threads of this process."
            )
        if self.n_worker == 0 and self.kind not in ("default", "local"):
            raise OptionError(
                f"found 0 workers of {self.cluster}; give 1 or more. Where threads of this process are to "
                f"compute, leave {option('cluster')} out."
            )

    @property
    def kind(self) -> ClusterKind:
        """What ``cluster`` is; ``default`` if nothing was said."""
        return "default" if self.cluster is None else _kind(str(self.cluster))

    @property
    def is_started(self) -> bool:
        """Whether the workers are started for us, and stopped when we are done."""
        return self.kind in _STARTED

    @property
    def is_asked_for(self) -> bool:
        """Whether anything is said of workers; what they are to compute on is no wish for any."""
        return self != ClusterOptions(device=self.device)

    @property
    def is_encrypted(self) -> bool:
        """Whether what is started here speaks TLS: it does, unless somebody said otherwise."""
        return self.tls is not False


def cluster_options(
    cluster: str | Path | ClusterOptions | None = None, n_worker: int | None = None, **changes: Any
) -> ClusterOptions:
    """Compose options of what was given, by name."""
    names = [option.name for option in fields(ClusterOptions)]
    for name in changes:
        check_known(name, names, "option of a cluster")
    said: dict[str, Any] = vars(cluster) if isinstance(cluster, ClusterOptions) else {"cluster": cluster}
    number = {} if n_worker is None else {"n_worker": n_worker}
    return ClusterOptions(**(said | number | changes))


def check_known(name: str, names: Sequence[str], what: str) -> None:
    """Refuse a name that is none of ``names``, and say which is nearest."""
    if name not in names:
        raise OptionError(
            f"unknown {what} {name!r}.{suggest(name, names)} There are {', '.join(sorted(names))}."
        )


def known_keywords(*classes: type) -> list[str]:
    """List the keywords that classes of a library take by name."""
    names = {name for part in classes for name in signature(part).parameters}
    return sorted(names - {"self", "args", "kwargs"})


def check_type(name: str, value: Any, types: tuple[type, ...]) -> None:
    """Refuse a value of another type; True and False are no numbers."""
    if value is None or (isinstance(value, types) and (not isinstance(value, bool) or bool in types)):
        return
    wanted = " or ".join(kind.__name__.lower() for kind in types)
    raise OptionError(f"found {name} = {value!r}; give a value of type {wanted}.")


def check_memory(name: str, memory: str | int | None) -> None:
    """Refuse what is no number of bytes."""
    if memory is None:
        return
    try:
        n_byte = parse_bytes(memory) if re.match(r"\s*[\d.]", str(memory)) else 0  # which takes GB for 1 GB
    except (ValueError, OverflowError):
        n_byte = 0
    if n_byte < _LEAST_MEMORY:
        raise OptionError(
            f"found {option(name, repr(memory))}; give bytes, or text such as 8GB; a worker needs at least "
            f"{_LEAST_MEMORY:,}."
        )


def _kind(cluster: str) -> ClusterKind:
    if cluster in _NAMED:
        return cluster
    if "://" in cluster:
        return "address"
    if cluster.endswith(".json"):
        return "file"
    raise OptionError(
        f"found cluster = {cluster!r}.{suggest(cluster, _NAMED)} Give local, local-cuda, slurm, "
        "current, the address of a running scheduler such as tcp://127.0.0.1:8786, or its scheduler file, "
        "whose name ends in .json."
    )


def _check_options(options: Mapping[str, Any]) -> None:
    for name, ours in _OURS.items():
        if name in options:
            raise OptionError(
                f"found {name} in the options for the library; give {ours} beside them instead."
            )
    check_type("local_directory", options.get("local_directory"), (str, Path))
    named_gpus(options)


def named_gpus(options: Mapping[str, Any]) -> list[str | int] | None:
    """List the GPUs that are named, by number or UUID; None if none are."""
    gpus = options.get(VISIBLE)
    named = gpus.split(",") if isinstance(gpus, str) else gpus
    if gpus is not None and (
        not isinstance(named, list | tuple)
        or not named
        or not all(type(gpu) in (int, str) and str(gpu).strip() for gpu in named)
    ):
        raise OptionError(f"found {VISIBLE} = {gpus!r}; give a list of the GPUs, such as [0, 1].")
    return named if named is None else list(named)


def _check_certificates(options: ClusterOptions) -> None:
    given = [name for name in TLS_FILES if getattr(options, name) is not None]
    if not given:
        return
    found = ", ".join(map(option, given))
    if options.tls is False:
        raise OptionError(f"found {found}, and {option('tls', False)}; leave one of them out.")
    if options.tls_credentials is not None:
        if len(given) > 1:
            raise OptionError(f"found {found}; {option('tls_credentials')} has all of them: give it alone.")
    elif options.tls_ca is None or options.tls_cert is None:
        raise OptionError(
            f"found {found}; give {option('tls_ca')} and {option('tls_cert')}, and {option('tls_key')} if "
            "the key is not in the same file."
        )
