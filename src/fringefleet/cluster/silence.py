"""Filter messages of Dask that repeat ours, or concern what is being ended."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fringefleet.processes.worker_logging import COMPUTE_FAILED, HEARTBEAT_FAILED

logger = logging.getLogger(__name__)

# Loggers, and how their messages begin.
OF_A_START = {
    "asyncio": "Task exception was never retrieved|Task was destroyed",
    "distributed.comm.tcp": "Listener on .* TLS handshake failed",
    "distributed.deploy.spec": "Cluster closed without starting up",
    "distributed.nanny": "Worker failed to connect|Failed to start process|Nanny failed to start",
    "distributed.scheduler": "Failed to format dashboard link",
    "tornado.application": "Exception in callback|Future .* exception was never retrieved",
}
OF_A_CLUSTER = {
    "distributed.scheduler": "Task .* marked as failed|Couldn't gather",
    "distributed.worker": COMPUTE_FAILED,
}
_OF_CONNECTIONS = {  # that are closed by whoever is at the other end
    "distributed.batched": "Error in batched write|Batched Comm Closed",
    "distributed.core": "Failed while closing connection|Exception while (handling op|reading from)",
}
OF_AN_END = {
    **OF_A_START,
    **_OF_CONNECTIONS,
    "distributed.client": "Couldn't gather|$",  # what was cancelled has no words
    "distributed.scheduler": "Couldn't gather|broadcast to .* failed|$",
    "distributed.worker": f"{HEARTBEAT_FAILED}|$",
}
OF_A_LOST_SCHEDULER = _OF_CONNECTIONS | {
    "distributed.client": "Failed to reconnect|Couldn't gather|$",  # a cancelled reconnection has no words
}


@contextmanager
def without_messages(
    messages: Mapping[str, str], note: Callable[[logging.LogRecord], None] = lambda _: None
) -> Iterator[None]:
    """Let some messages of some loggers go to ``note`` only; with our own debugging they are shown, too."""

    def is_shown(record: logging.LogRecord) -> bool:
        if not re.match(messages[record.name], record.getMessage()):
            return True
        note(record)
        return logger.isEnabledFor(logging.DEBUG)

    for name in messages:
        logging.getLogger(name).addFilter(is_shown)
    try:
        yield
    finally:
        for name in messages:
            logging.getLogger(name).removeFilter(is_shown)
