"""Options of the command line. Light, so that ``--help`` is quick."""
