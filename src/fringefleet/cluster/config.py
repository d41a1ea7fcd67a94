"""Options of a cluster from a TOML file: data, and nothing that could be executed."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fringefleet.cluster.options import TYPES, refuse_unknown
from fringefleet.errors import InputError, OptionError

FILES = ("tls_ca", "tls_cert", "tls_key")
# Keywords of Dask's clusters that load code, or set what does, wherever in the table they are.
EXECUTED = ("config", "env", "plugins", "pre_import", "worker_class")


def read_cluster_config(path: Path) -> dict[str, Any]:
    """Read the table ``[cluster]`` of a TOML file: fields of a ``ClusterOptions``, by name.

    Its table ``[cluster.options]`` goes to the library as it is, but for keywords that would load code.
    Certificates are looked for beside the file. Nothing else is opened.

    Raises
    ------
    InputError
        The file cannot be read, or is no TOML.
    OptionError
        It has something else than we know, or something that would be executed.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"found no cluster file {path} ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path} is no TOML file: {error}.") from error
    for name in content:
        refuse_unknown(name, ["cluster"], f"table of {path}")
    table = content.get("cluster")
    if not isinstance(table, dict):
        raise OptionError(f"found no table [cluster] in {path}; begin it with that line.")
    for name in table:
        refuse_unknown(name, list(TYPES), f"key of [cluster] in {path}")
    _refuse_executed(table.get("options"), f"[cluster.options] of {path}")
    return {name: _beside(path, value) if name in FILES else value for name, value in table.items()}


def _beside(path: Path, value: Any) -> Any:
    return path.absolute().parent / value if isinstance(value, str) else value


def _refuse_executed(value: Any, where: str) -> None:
    if isinstance(value, list):
        for item in value:
            _refuse_executed(item, where)
    if not isinstance(value, Mapping):
        return
    for name, item in value.items():
        if name in EXECUTED or "preload" in name:
            raise OptionError(
                f"found {name} in {where}: it makes workers load code, which no file may. Start the cluster "
                "from Python to use it."
            )
        _refuse_executed(item, where)
