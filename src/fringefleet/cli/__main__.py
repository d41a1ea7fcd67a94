"""``python -m fringefleet.cli``: the command line where no script is on the path."""

from fringefleet.cli import main

if __name__ == "__main__":
    main()
