"""Workers that start while the command imports what it needs, opens the stack and checks it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import dask

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import Early
from fringefleet.errors import FringefleetError
from fringefleet.execution.compose import part_of
from fringefleet.mintpy.template import read_template
from fringefleet.processes.preload import OPTIONS, options_of_code
from fringefleet.session.cluster_wish import choose_cluster
from fringefleet.session.early import early_workers


def workers_of(given: Mapping[str, Any]) -> ClusterOptions:
    """Compose the workers that the options of a command ask for, by the names that these have there.

    Raises
    ------
    InputError
        One of its children: an option, a file, or the template, which may name the device, cannot be used.
    """
    device, template = given["device"], given["template"]
    if device is None and template is not None:
        device = read_template(template).device
    wanted = part_of(given, ClusterOptions) | {"device": device or "cpu"}
    return choose_cluster(wanted, given["cluster_config"])


@contextmanager
def workers_begun(given: Mapping[str, Any]) -> Iterator[tuple[ClusterOptions | None, Early | None]]:
    """Begin to start the workers of ``invert``, if their options are good; stop at last those that are there.

    Yields the workers that are wanted, and those that are on their way; None of options that are wrong, which
    is said later, all at once. All workers that are started meanwhile warm up for the options.
    """
    wanted = early = None
    with ExitStack() as opened, dask.config.set({OPTIONS: options_of_code(given)}):
        with suppress(FringefleetError):
            wanted = workers_of(given)
            needs = {"resumes": given["resume"], "is_asked_for": given["performance_report"] is not None}
            early = opened.enter_context(early_workers(wanted, given["stack"], **needs))
        yield wanted, early
