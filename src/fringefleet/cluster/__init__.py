"""Start workers and connect to them. This package knows nothing of interferograms."""

from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.cluster.connection import ConnectedWorkers as ConnectedWorkers
    from fringefleet.cluster.connection import connect as connect
    from fringefleet.cluster.exposure import dashboard_link as dashboard_link
    from fringefleet.cluster.options import ClusterOptions as ClusterOptions

# Imported when first used: the help of a command needs the options, and nothing of Dask.
_HOMES = dict.fromkeys(("ConnectedWorkers", "connect"), "connection")
_HOMES |= {"ClusterOptions": "options", "dashboard_link": "exposure"}

__getattr__, __dir__ = names_in(__name__, _HOMES)
