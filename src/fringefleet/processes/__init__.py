"""Processes of a run: the workers, their hosts and software, and this one's Dask client."""
