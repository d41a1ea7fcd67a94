"""Options of a cluster from a TOML file: data, and nothing that could be executed."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fringefleet.cluster.keywords import refuse_all_but_data
from fringefleet.cluster.options import TYPES, check_type, refuse_unknown
from fringefleet.errors import InputError, OptionError

KEYS = [name for name in TYPES if name != "device"]  # which is an option of the computation
FILES = ("tls_ca", "tls_cert", "tls_key", "tls_credentials")
LARGEST_FILE = 1024**2  # bytes that are read of the file


def read_cluster_config(path: Path) -> dict[str, Any]:
    """Read the table ``[cluster]`` of a TOML file: fields of a ``ClusterOptions``, by name.

    Its table ``[cluster.options]`` goes to the library as it is; it may have what
    :mod:`~fringefleet.cluster.keywords` knows to be data, and nothing else.
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
        refuse_unknown(name, ["cluster"], f"table of {path}")
    table = content.get("cluster")
    if not isinstance(table, dict):
        raise OptionError(f"found no table [cluster] in {path}; begin it with that line.")
    for name in table:
        refuse_unknown(name, KEYS, f"key of [cluster] in {path}")
    options = table.get("options", {})
    check_type("options", options, (Mapping,))
    refuse_all_but_data(options, table.get("cluster"), f"[cluster.options] of {path}")
    return {name: _beside(path, value) if name in FILES else value for name, value in table.items()}


def _beside(path: Path, value: Any) -> Any:
    return path.absolute().parent / value if isinstance(value, str) else value
