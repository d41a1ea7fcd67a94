"""Options of a cluster, checked without starting, opening or asking anything. Light to import.

All checks raise an ``OptionError`` that says what was found, and what to give.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from fringefleet.arguments.declaration import Declared, Panel, check_fields, documented
from fringefleet.arguments.kinds import PATH, check_kind
from fringefleet.arguments.known import check_all_known
from fringefleet.arguments.needs import CERTIFICATES, check_needs, defaults_of
from fringefleet.arguments.needs import CLUSTER as NEEDS
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
_OURS |= {"memory_limit": "worker_memory"}
_Pem = Path | str | None
_of_workers = partial(Declared, panel=Panel.WORKERS, is_rare=True)
_pem = partial(_of_workers, metavar="FILE")


@documented
@dataclass(frozen=True)
class ClusterOptions:
    """Specify workers: where they come from, how many, what they have, who can reach them.

    ``device``: what each worker must have. ``options``: keywords for ``LocalCluster``,
    ``LocalCUDACluster`` or ``SLURMCluster``, as they are; they come before what we would say. ``cluster`` may
    also be ``current``, the client that is current in this process, which is the default where there is one.
    ``tls_credentials`` are what whoever else is connected has as ``ConnectedWorkers.credentials``.

    Raises
    ------
    OptionError
        Something cannot be meant so.

    Examples
    --------
    >>> ClusterOptions("local", 4, worker_memory="8GB").n_worker
    4
    """

    cluster: Annotated[
        str | Path | None,
        Declared(
            "local: processes on this machine; local-cuda: one per GPU of this machine; slurm: Slurm jobs; "
            "or a running Dask scheduler, by its address, such as tcp://host:8786, or its scheduler file.",
            Panel.COMPUTE,
            metavar="NAME|ADDRESS|FILE",
            default="local; local-cuda with --device cuda and several GPUs",
        ),
    ] = None
    n_worker: Annotated[
        int | None,
        Declared(
            "Number of local processes, GPUs or Slurm workers; of a running cluster, how many to wait for; "
            "0: compute in threads of this process.",
            Panel.COMPUTE,
            metavar="N",
            default="one per core or GPU, or 0 for little work; 1 in Slurm",
            flags=("--workers",),
            least=0,
        ),
    ] = None
    worker_memory: Annotated[
        str | int | None,
        _of_workers(
            "Memory of each worker, such as 8GB.",
            metavar="SIZE",
            default="an equal share of this machine; 4GB in Slurm",
        ),
    ] = None
    interface: Annotated[
        str | None,
        _of_workers(
            "Network interface to listen on, such as ib0.",
            metavar="NAME",
            default="loopback: this machine only",
        ),
    ] = None
    share_gpu: Annotated[bool, _of_workers("Allow several workers to use the same GPU.")] = False
    wait_seconds: Annotated[
        float | None,
        _of_workers(
            "How long starting workers, or a scheduler, may be silent; in Slurm, how long to wait for "
            "workers.",
            metavar="SECONDS",
            default="5 minutes; 30 s for a running scheduler; no limit in Slurm's queue",
            flags=("--wait",),
            least=0,
        ),
    ] = None
    tls: Annotated[
        bool | None,
        _of_workers(
            "Encrypt and authenticate, with certificates made for this run. Without it, anyone who can reach "
            "the workers can run code as you.",
            default="--tls for everything that is started here",
        ),
    ] = None
    tls_ca: Annotated[_Pem, _pem("Certificate of the authority, for a running cluster with TLS.")] = None
    tls_cert: Annotated[_Pem, _pem("Our certificate.")] = None
    tls_key: Annotated[_Pem, _pem("Key of our certificate, if in another file.")] = None
    tls_credentials: Annotated[
        _Pem, _pem("All three in one file, whose name was reported when the cluster was started.")
    ] = None
    dashboard: Annotated[
        bool,
        _of_workers(
            "Serve Dask's dashboard on the loopback. It has no password: every user of this machine can read "
            "it."
        ),
    ] = False
    device: DeviceName = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every value, and their combination."""
        check_fields(self)
        check_kind("options", self.options, Mapping)
        if self.device not in get_args(DeviceName):
            raise OptionError(f"found {option('device', repr(self.device))}; give cpu or cuda.")
        if self.interface == "":
            raise OptionError(f"found {option('interface', repr(''))}; give the name of one, such as ib0.")
        if self.n_worker == 0 and self.kind not in ("default", "local"):
            raise OptionError(
                f"found 0 workers of {self.cluster}; give 1 or more. Where threads of this process are to "
                f"compute, leave {option('cluster')} out."
            )
        check_memory("worker_memory", self.worker_memory)
        _check_options(self.options)
        check_needs(vars(self) | {"kind": self.kind}, defaults_of(ClusterOptions), NEEDS)
        self._check_certificates()
        if self.kind == "address":
            check_running_protocol(str(self.cluster), self.tls)
        elif self.is_started or self.kind == "default":
            check_exposure(self)

    def _check_certificates(self) -> None:
        given = [name for name in CERTIFICATES if getattr(self, name) is not None]
        found = f"found {', '.join(map(option, given))}"
        if given and self.tls is False:
            raise OptionError(f"{found}, and {option('tls', False)}; leave one of them out.")
        if self.tls_credentials is not None and len(given) > 1:
            raise OptionError(f"{found}; {option('tls_credentials')} has all of them: give it alone.")
        if given and None is self.tls_credentials and None in (self.tls_ca, self.tls_cert):
            raise OptionError(
                f"{found}; give {option('tls_ca')} and {option('tls_cert')}, and {option('tls_key')} if the "
                "key is not in the same file."
            )

    @property
    def kind(self) -> ClusterKind:
        """Kind of the cluster; ``default`` if none was given."""
        if self.cluster is None:
            return "default"
        name = str(self.cluster)
        if name in _NAMED:
            return name
        if "://" in name:
            return "address"
        if name.endswith(".json"):
            return "file"
        raise OptionError(
            f"found {option('cluster', repr(name))}.{suggest(name, _NAMED)} Give local, local-cuda, slurm, "
            "current, the address of a running scheduler such as tcp://127.0.0.1:8786, or a scheduler file, "
            "whose name ends in .json."
        )

    @property
    def is_started(self) -> bool:
        """Whether the workers are started, and stopped at the end."""
        return self.kind in _STARTED

    @property
    def is_asked_for(self) -> bool:
        """Whether any option requests workers; the device alone does not."""
        return self != ClusterOptions(device=self.device)

    @property
    def is_encrypted(self) -> bool:
        """Whether connections use TLS, as they do by default."""
        return self.tls is not False


def cluster_options(
    cluster: str | Path | ClusterOptions | None = None, n_worker: int | None = None, **changes: Any
) -> ClusterOptions:
    """Compose options of values by name."""
    check_all_known(changes, [option.name for option in fields(ClusterOptions)], "option of a cluster")
    said: dict[str, Any] = vars(cluster) if isinstance(cluster, ClusterOptions) else {"cluster": cluster}
    return ClusterOptions(**(said | ({} if n_worker is None else {"n_worker": n_worker}) | changes))


def check_memory(name: str, memory: str | int | None) -> None:
    """Refuse a value that is no number of bytes."""
    from dask.utils import parse_bytes  # noqa: PLC0415 - heavy

    n_byte = 0
    with suppress(ValueError, OverflowError):
        if re.match(r"\s*[\d.]", str(memory)):  # Dask takes GB for 1 GB
            n_byte = parse_bytes(memory or "")
    if memory is not None and n_byte < _LEAST_MEMORY:
        raise OptionError(
            f"found {option(name, repr(memory))}; give bytes, or text such as 8GB; a worker needs at least "
            f"{_LEAST_MEMORY:,}."
        )


def _check_options(options: Mapping[str, Any]) -> None:
    for name in options.keys() & _OURS:
        raise OptionError(
            f"found {name} in the options for the library; give {_OURS[name]} beside them instead."
        )
    check_kind("local_directory", options.get("local_directory") or "", *PATH)
    named_gpus(options)


def named_gpus(options: Mapping[str, Any]) -> list[str | int] | None:
    """List the GPUs that are named, by number or UUID; None if none are."""
    gpus = options.get(VISIBLE)
    if gpus is None:
        return None
    named = gpus.split(",") if isinstance(gpus, str) else gpus
    is_list = isinstance(named, list | tuple) and len(named) > 0
    if not is_list or not all(type(gpu) in (int, str) and str(gpu).strip() for gpu in named):
        raise OptionError(f"found {VISIBLE} = {gpus!r}; give a list of the GPUs, such as [0, 1].")
    return list(named)
