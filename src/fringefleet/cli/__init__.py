"""The command line. Only here are workers started; everything else runs on those that are there."""

from fringefleet.cli.commands import app as app
from fringefleet.cli.commands import main as main
