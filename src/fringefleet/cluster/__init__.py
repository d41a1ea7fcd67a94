"""Workers: where they come from. This package knows nothing of interferograms."""

from fringefleet.cluster.dashboard import dashboard_link as dashboard_link
from fringefleet.cluster.options import ClusterOptions as ClusterOptions
from fringefleet.cluster.options import cluster_options as cluster_options
from fringefleet.cluster.workers import Early as Early
from fringefleet.cluster.workers import Workers as Workers
from fringefleet.cluster.workers import begin_early as begin_early
from fringefleet.cluster.workers import connect as connect
from fringefleet.cluster.workers import expected_gpu_memory as expected_gpu_memory
from fringefleet.cluster.workers import expected_memory as expected_memory
from fringefleet.cluster.workers import expected_threads as expected_threads
from fringefleet.cluster.workers import expected_workers as expected_workers
from fringefleet.cluster.workers import own_memory as own_memory
from fringefleet.cluster.workers import resolve as resolve
