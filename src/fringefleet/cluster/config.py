"""Options of a cluster from a TOML file, which holds data only."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.known import check_all_known
from fringefleet.arguments.needs import CERTIFICATES
from fringefleet.cluster.options import ClusterOptions
from fringefleet.errors import InputError, OptionError

_LARGEST_FILE = 1024**2  # bytes that are read of a file
_KEYS = [field.name for field in fields(ClusterOptions) if field.name != "device"]  # of the computation
_TABLES = ("scheduler_kwargs", "scheduler_options", "resources")
# Keywords by which Dask, dask-cuda and dask-jobqueue load code, write files or hand on other keywords. Python
# callers may pass any.
LOADS_CODE = re.compile(
    r"preload|plugin|class|cls|import|extension|executor|data|env|config(?!_name$)|file|service|lib|jupyter"
    r"|handler|serial|metric|startup|connection|shared|(?<!^scheduler_)kwargs"
    r"|^(scheduler|workers?|loop|asynchronous)$",
    re.IGNORECASE,
)


def read_cluster_config(path: Path, beside: Iterable[str] = ()) -> dict[str, Any]:
    """Read the table ``[cluster]`` of a TOML file: fields of ``ClusterOptions``, by name.

    The file may have tables ``beside`` it, which are not read. Keywords in ``[cluster.options]`` that load
    code raise an ``OptionError``, as do unknown ones. Paths of certificates are relative to the file.
    """
    content = read_data(path, "cluster", "TOML", tomllib.loads)
    check_all_known(content, ["cluster", *beside], f"table of {path}")
    table = content.get("cluster")
    if not isinstance(table, dict):
        raise OptionError(f"found no table [cluster] in {path}; begin it with that line.")
    check_all_known(table, _KEYS, f"key of [cluster] in {path}")
    options, folder = table.get("options", {}), path.absolute().parent
    check_kind("options", options, Mapping)
    _check_data(options, f"[cluster.options] of {path}")
    files = {name: table[name] for name in CERTIFICATES if isinstance(table.get(name), str)}
    return table | {name: folder / file for name, file in files.items()}


def read_data(path: Path, what: str, form: str, parse: Callable[[str], Any]) -> Any:
    """Read a small data file; an ``InputError`` says why it cannot be read."""
    try:
        with path.open("rb") as file:
            return parse(file.read(_LARGEST_FILE).decode())
    except OSError as error:
        raise InputError(f"found no {what} file {path} ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no {form} file: {error}.") from error


def _check_data(options: Mapping[str, Any], where: str, table: str = "") -> None:
    """Refuse keywords that may load code, and unknown tables."""
    for name, value in options.items():
        if table != "resources" and LOADS_CODE.search(name):
            within = f"{table} in {where}" if table else where
            raise OptionError(
                f"found {name} in {within}; a file may only have keywords that are data. Others may load "
                "code; start the cluster from Python to use them."
            )
        items = value if isinstance(value, list) else [value]
        if isinstance(value, Mapping) and name in _TABLES and not table:
            _check_data(value, where, name)
        elif any(isinstance(item, list | Mapping) for item in items):
            found = f"{table}.{name}" if table else name
            raise OptionError(f"found {found} = {value!r} in {where}; give one value, or a list of them.")
