"""Workers that are threads of this process: they start at once, and speak TCP as processes do."""

import logging

from distributed import LocalCluster


def thread_cluster(n_worker: int = 1, port: int = 0) -> LocalCluster:
    """Start a cluster of such workers, of a thread each, on the loopback."""
    return LocalCluster(
        n_workers=n_worker,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        scheduler_port=port,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,  # each would find that it takes what all of them take
        silence_logs=logging.ERROR,
    )
