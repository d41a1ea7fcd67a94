"""Workers: where they come from. This package knows nothing of interferograms."""

from fringefleet.cluster.connection import ConnectedWorkers as ConnectedWorkers
from fringefleet.cluster.connection import Early as Early
from fringefleet.cluster.connection import begin_early as begin_early
from fringefleet.cluster.connection import connect as connect
from fringefleet.cluster.connection import expected_gpu_memory as expected_gpu_memory
from fringefleet.cluster.connection import expected_memory as expected_memory
from fringefleet.cluster.connection import expected_threads as expected_threads
from fringefleet.cluster.connection import expected_workers as expected_workers
from fringefleet.cluster.connection import own_memory as own_memory
from fringefleet.cluster.connection import resolve as resolve
from fringefleet.cluster.dashboard import dashboard_link as dashboard_link
from fringefleet.cluster.options import ClusterOptions as ClusterOptions
from fringefleet.cluster.options import cluster_options as cluster_options
