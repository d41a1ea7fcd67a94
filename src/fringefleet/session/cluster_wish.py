"""Composition of the worker request: given options take precedence over a cluster file."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fringefleet.arguments.needs import CLUSTER, defaults_of, describe_need, without_effect
from fringefleet.cluster.config import read_cluster_config
from fringefleet.cluster.options import ClusterOptions, cluster_options
from fringefleet.execution.run_file import TABLES
from fringefleet.option_words import Marked

logger = logging.getLogger(__name__)


def choose_cluster(given: Mapping[str, Any], config: Path | None) -> ClusterOptions:
    """Compose the worker request: given options take precedence over the file, and the file over defaults.

    Parameters
    ----------
    given
        Fields of a ``ClusterOptions`` by name; None where nothing was given, or False for a flag without a
        negative form.
    config
        TOML file with a table ``[cluster]``, if any.

    Raises
    ------
    InputError
        One of its subclasses: an input cannot be used.
    """
    flags = {name for name in given if name != "tls" and given[name] is False}
    given = {name: value for name, value in given.items() if value is not None and name not in flags}
    said = {} if config is None else without_idle(read_cluster_config(config, TABLES), given, config)
    return cluster_options(**(said | given))


def without_idle(of_file: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Drop options of a file that have no effect with the given ones, and log them in one line.

    Parameters
    ----------
    of_file, given
        Fields of a ``ClusterOptions`` by name.
    path
        Path of the file.
    """
    defaults = defaults_of(ClusterOptions)
    said = defaults | dict(of_file) | dict(given)
    said["kind"] = ClusterOptions(cluster=said["cluster"]).kind
    of_file_only = {name: defaults[name] for name in of_file if name not in given}
    idle = without_effect(said, of_file_only, CLUSTER)
    if idle:
        logger.info("%s: not used: %s", path, Marked("; ".join(describe_need(need, said) for need in idle)))
    names = {need.option for need in idle}
    return {name: value for name, value in of_file.items() if name not in names}
