"""Processes of a run: workers, their hosts and software, and the Dask client of this process."""
