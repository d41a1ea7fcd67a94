"""The command line. Only here are workers started; everything else runs on those that are there."""

# These put the commands into the application, in the order that --help shows.
from fringefleet.cli import commands as commands
from fringefleet.cli import plan as plan
from fringefleet.cli import slurm as slurm
from fringefleet.cli.app import app as app
from fringefleet.cli.app import main as main
from fringefleet.cli.mintpy import command as command
