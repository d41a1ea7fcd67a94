"""Workers that start while the command imports what it needs, opens the stack and checks it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import dask

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import Early
from fringefleet.errors import FringefleetError
from fringefleet.execution.compose import part_of
from fringefleet.mintpy.template import read_template
from fringefleet.processes.preload import OPTIONS, options_of_code
from fringefleet.session.cluster_wish import choose_cluster
from fringefleet.session.early import early_workers


def wanted_of_workers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the options of a command say of workers, by the names of a :class:`ClusterOptions`.

    Raises
    ------
    InputError
        The template, which may name the device, cannot be read.
    """
    return part_of(given, ClusterOptions) | {"device": _device(given["device"], given["template"])}


class Begun(NamedTuple):
    """What is known of the workers of a command before all else is."""

    wanted: ClusterOptions | None = None  # None: what is wrong with them is said with what else is
    early: Early | None = None  # None: none are on their way


@contextmanager
def workers_begun(given: Mapping[str, Any]) -> Iterator[Begun]:
    """Begin to start the workers of ``invert``, if their options are good; stop at last those that are there.

    Parameters
    ----------
    given
        All options of the command, by the names that they have there. What is wrong with them is said later,
        all at once. Workers that are started meanwhile, early or not, warm up for the options.
    """
    begun = Begun()
    with ExitStack() as opened, dask.config.set({OPTIONS: options_of_code(given)}):
        with suppress(FringefleetError):
            wanted = choose_cluster(wanted_of_workers(given), given["cluster_config"])
            started = early_workers(wanted, given["stack"], **needs_of_workers(given))
            begun = Begun(wanted, opened.enter_context(started))
        yield begun


def needs_of_workers(given: Mapping[str, Any]) -> dict[str, bool]:
    """Find in the options of a command whether workers may be needless, and whether they must be there."""
    return {"resumes": given["resume"], "is_asked_for": given["performance_report"] is not None}


def _device(given: str | None, template: Path | None) -> str:
    """Find the device that workers need, whatever else is wrong with the options."""
    of_template = read_template(template).device if template is not None and given is None else None
    return given or of_template or "cpu"
