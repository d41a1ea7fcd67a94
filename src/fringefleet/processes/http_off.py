"""Dask preload module that stops the HTTP server of a scheduler or worker, which has no password.

Dask has no option for it: without its dashboard a server still answers ``/info``, ``/json``, ``/metrics`` and
so on. Light to import, as every worker imports it before it starts.
"""

from distributed import Scheduler, Worker


def dask_setup(server: Scheduler | Worker) -> None:
    """Stop listening for HTTP, and do not announce a dashboard."""
    server.http_server.stop()
    server.services.pop("dashboard", None)
