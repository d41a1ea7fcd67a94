"""All commands, each in a module of its name, in the order in which --help lists them."""

from importlib import import_module

from fringefleet.cli import application

__all__ = ["application"]

_COMMANDS = "demo simulate invert plan export convert info plot slurm mintpy"
for _name in _COMMANDS.split():
    import_module(f"fringefleet.cli.{_name}")
