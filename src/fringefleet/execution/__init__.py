"""Execution of a run: tiles handed to the workers of a Dask scheduler, or to threads."""
