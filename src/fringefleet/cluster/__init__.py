"""Workers: where they come from. This package knows nothing of interferograms."""

from fringefleet.cluster.connect import Workers as Workers
from fringefleet.cluster.connect import check_n_worker as check_n_worker
from fringefleet.cluster.connect import connect as connect
