"""All commands: these modules put them into the application, in the order that --help shows."""

from fringefleet.cli import application, commands, plan, slurm
from fringefleet.cli import mintpy as command

__all__ = ["application", "command", "commands", "plan", "slurm"]
