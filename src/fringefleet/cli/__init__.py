"""The command line. Only here are workers started; everything else runs on those that are there."""

from fringefleet.cli import commands as commands  # puts the commands into the application
from fringefleet.cli import plan as plan
from fringefleet.cli import slurm as slurm
from fringefleet.cli.app import app as app
from fringefleet.cli.app import main as main
