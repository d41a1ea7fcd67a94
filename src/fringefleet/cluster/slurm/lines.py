"""Lines of a job script: what a job does before its worker starts, and what starts the worker."""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dask

from fringefleet.cluster.local import LOCAL_SETTINGS, SETTINGS
from fringefleet.cluster.serving import ANY_PORT, WORKER_ROUTES, configured_preloads
from fringefleet.cluster.slurm.request import CUDA_WORKER, OUR_WORKER, PLAIN_WORKER, JobRequest
from fringefleet.cluster.slurm.validation import check_path, walltime_seconds
from fringefleet.execution import warm_up
from fringefleet.processes import http_off

# A worker leaves, in good order, at a time of its own before Slurm ends its job: parts of the job's time.
_LIFETIME, _STAGGER = 0.85, 0.1


def write_prologue(said: JobRequest, modules: Iterable[str], exports: Mapping[str, str]) -> list[str]:
    """Write what a job does before its worker starts; the user's own lines come after the modules."""
    lines = [f"module load {shlex.quote(module)}" for module in modules] + said.texts("job_script_prologue")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    base = re.sub("^~", "$HOME", str(said.get("local_directory", "${TMPDIR:-/tmp}")))  # in quotes ~ is a name
    lines.append(f'FRINGEFLEET_LOCAL=$(mktemp -d -- "{base}/fringefleet-XXXXXXXX") || exit 1')  # mode 0700
    # Told to end, it lets the worker do so first.
    return [*lines, "trap 'rm -rf \"$FRINGEFLEET_LOCAL\"' EXIT", "trap 'exit 143' TERM"]


def write_arguments(said: JobRequest, *, serves_http: bool) -> list[str]:
    """Write the arguments of a worker, each safe from the shell."""
    worker_command = said.worker_command
    arguments = [word for item in said.texts("worker_extra_args") for word in shlex.split(item)]
    if not any(word.startswith("--dashboard-address") for word in arguments):
        arguments += ["--dashboard-address", ANY_PORT]
    if worker_command in (PLAIN_WORKER, CUDA_WORKER, OUR_WORKER):
        arguments += _preloads(worker_command, arguments, serves_http=serves_http)
    if worker_command == OUR_WORKER:
        arguments += ["--nworkers", str(said.processes)]
    if worker_command == CUDA_WORKER and not any("--device-memory-limit" in word for word in arguments):
        arguments += ["--device-memory-limit", "0"]  # nothing that Dask could move or spill lies on the GPU
    return [shlex.quote(word) for word in arguments]


def write_python(said: JobRequest) -> str:
    """Write what runs Python; what the user says has the shell's quotation, and our own gets it."""
    given = said.get("python")
    if given is None:
        check_path("Python", sys.executable, "give python, or make an environment elsewhere")
        return shlex.quote(sys.executable)
    return _quote(shlex.split(given))


def exported(said: JobRequest, *, serves_http: bool) -> dict[str, str]:
    """Turn the settings of local workers into environment variables that mean the same."""
    exports = _lifetime(said)
    if said.wants_gpu:
        exports["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if said.options.device == "cuda":
        exports[variable_of(warm_up.DEVICE)] = "cuda"
    for name, value in dask.config.get(warm_up.OPTIONS, {}).items():
        exports[variable_of(f"{warm_up.OPTIONS}.{name}")] = str(value)
    routes: dict[str, Any] = {} if serves_http else {WORKER_ROUTES: []}
    for key, value in (SETTINGS | LOCAL_SETTINGS | routes).items():
        if key.startswith("distributed.worker."):
            exports[variable_of(key)] = str(value)
        elif "pre-spawn-environ" in key:
            exports[key.rpartition(".")[2]] = str(value)
    return exports


def variable_of(key: str) -> str:
    """Name the environment variable by which Dask takes a key of its configuration.

    Examples
    --------
    >>> variable_of("distributed.worker.lifetime.duration")
    'DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION'
    """
    return "DASK_" + key.upper().replace(".", "__").replace("-", "_")


def _lifetime(said: JobRequest) -> dict[str, str]:
    """Let workers leave before their job's time is over, unless the user says when."""
    seconds = walltime_seconds(said.get("walltime"))
    if seconds is None or any("--lifetime" in item for item in said.texts("worker_extra_args")):
        return {}
    prefix = "DASK_DISTRIBUTED__WORKER__LIFETIME__"
    return {
        f"{prefix}DURATION": f"{_LIFETIME * seconds:.0f}s",
        f"{prefix}STAGGER": f"{_STAGGER * seconds:.0f}s",
    }


def _preloads(worker_command: str, given: Sequence[str], *, serves_http: bool) -> list[str]:
    """Let a worker warm up and stop its HTTP server, beside what it is to import first anyway."""
    is_given = any(word.partition("=")[0] == "--preload" for word in given)
    # As their own command lines have it: what is given there comes before the configuration.
    configured = [] if is_given or worker_command == CUDA_WORKER else configured_preloads()
    ours = [warm_up.PRELOAD] if serves_http else [http_off.PRELOAD, warm_up.PRELOAD]
    preloads = [word for name in (*configured, *ours) for word in ("--preload", name)]
    return preloads if serves_http else ["--no-dashboard", *preloads]


def _quote(words: Iterable[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
