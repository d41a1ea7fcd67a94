"""Options of a cluster from a TOML file: data, and nothing that could be executed."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fringefleet.cluster.options import TLS_FILES, TYPES, check_known, check_type
from fringefleet.errors import InputError, OptionError

LARGEST_FILE = 1024**2  # bytes that are read of a file
_KEYS = [name for name in TYPES if name != "device"]  # which is an option of the computation
_TABLES = ("scheduler_kwargs", "scheduler_options", "resources")
# Keywords by which Dask, dask-cuda and dask-jobqueue load code, write files or hand on other keywords. Python
# callers may pass any.
LOADS_CODE = re.compile(
    r"preload|plugin|class|cls|import|extension|executor|data|env|config(?!_name$)|file|service|lib|jupyter"
    r"|handler|serial|metric|startup|connection|shared|(?<!^scheduler_)kwargs"
    r"|^(scheduler|workers?|loop|asynchronous)$",
    re.IGNORECASE,
)


def read_cluster_config(path: Path) -> dict[str, Any]:
    """Read the table ``[cluster]`` of a TOML file: fields of a ``ClusterOptions``, by name.

    Its table ``[cluster.options]`` goes to the library as it is, but may have nothing that loads code.
    Certificates are looked for beside the file. Nothing else is opened.

    Raises
    ------
    InputError
        The file cannot be read, or is no TOML.
    OptionError
        It has something else than we know, or something that might be executed.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.loads(file.read(LARGEST_FILE).decode())
    except OSError as error:
        raise InputError(f"found no cluster file {path} ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path} is no TOML file: {error}.") from error
    for name in content:
        check_known(name, ["cluster"], f"table of {path}")
    table = content.get("cluster")
    if not isinstance(table, dict):
        raise OptionError(f"found no table [cluster] in {path}; begin it with that line.")
    for name in table:
        check_known(name, _KEYS, f"key of [cluster] in {path}")
    options = table.get("options", {})
    check_type("options", options, (Mapping,))
    _check_data(options, f"[cluster.options] of {path}")
    beside = {
        name: path.absolute().parent / table[name] for name in TLS_FILES if isinstance(table.get(name), str)
    }
    return table | beside


def _check_data(options: Mapping[str, Any], where: str, table: str = "") -> None:
    """Refuse keywords that may load code, and tables but for those that are known to be flat."""
    for name, value in options.items():
        if table != "resources" and LOADS_CODE.search(name):
            within = f"{table} in {where}" if table else where
            raise OptionError(
                f"found {name} in {within}; a file may only have keywords that are data. Others may load "
                "code; start the cluster from Python to use them."
            )
        if isinstance(value, Mapping) and name in _TABLES and not table:
            _check_data(value, where, name)
        elif any(
            isinstance(item, list | Mapping) for item in (value if isinstance(value, list) else [value])
        ):
            found = f"{table}.{name}" if table else name
            raise OptionError(f"found {found} = {value!r} in {where}; give one value, or a list of them.")
