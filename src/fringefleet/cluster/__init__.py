"""Workers: where they come from. This package knows nothing of interferograms."""

from fringefleet.cluster.connect import Workers as Workers
from fringefleet.cluster.connect import connect as connect
