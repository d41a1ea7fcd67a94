"""Run the command line as ``python -m fringefleet``."""

from fringefleet.cli import main

main()
