"""Execution of a run: tiles submitted to the workers of a Dask scheduler, or to threads."""
