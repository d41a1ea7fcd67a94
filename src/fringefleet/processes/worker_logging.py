"""Messages and warnings of workers, in the user's log, with the name of the tile or the worker.

A handler on each worker sends log records to the scheduler as events, and the client logs them again.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from distributed import Client, Worker, WorkerPlugin

logger = logging.getLogger(__name__)

OURS, WARNINGS = "fringefleet", "py.warnings"  # the loggers that are forwarded
# How messages of Dask's workers begin that say what the program says itself.
COMPUTE_FAILED, HEARTBEAT_FAILED = "Compute Failed", "Failed to communicate with scheduler during heartbeat"
_TIMES_TO_REGISTER = 5
_MOST_KEPT = 100  # messages of a worker, until they are forwarded
_tile: ContextVar[str | None] = ContextVar("tile", default=None)


@contextmanager
def working_on(tile: str) -> Iterator[None]:
    """Name the tile that this thread works on, for anything logged meanwhile."""
    token = _tile.set(tile)
    try:
        yield
    finally:
        _tile.reset(token)


@contextmanager
def tiles_named() -> Iterator[None]:
    """Prefix log messages of threads of this process with the name of their tile, as workers do."""
    handlers = list(logging.getLogger(OURS).handlers)
    for handler in handlers:
        handler.addFilter(_name_tile)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_name_tile)


def _name_tile(record: logging.LogRecord) -> bool:
    where = _tile.get()
    if where is not None and not hasattr(record, "tile"):  # once, regardless of the number of handlers
        record.tile, record.msg, record.args = where, f"{where}: {record.getMessage().strip()}", None
    return True


def log_foreign(record: logging.LogRecord) -> None:
    """Log a message of another library for debugging, a line each, with its traceback."""
    if logger.isEnabledFor(logging.DEBUG):
        for line in logging.Formatter().format(record).splitlines():
            logger.debug("%s: %s", record.name, line)


@contextmanager
def forward_logs(client: Client) -> Iterator[None]:
    """Forward the logs of all workers to this process meanwhile, also of those that join later."""
    topic = f"fringefleet-log-{client.id}"
    plugin = ForwardLogs(topic, logger.getEffectiveLevel(), _this_process())
    client.subscribe_topic(topic, _log_again)
    _register(client, plugin)
    try:
        yield
    finally:
        if client.status == "running":  # otherwise there is nothing to forward to
            with suppress(OSError):  # it is about to end
                client.unregister_worker_plugin(topic)
                client.unsubscribe_topic(topic)


def _register(client: Client, plugin: "ForwardLogs") -> None:
    """Register a plugin on all workers; a worker that dies meanwhile may prevent it on the others."""
    for _ in range(_TIMES_TO_REGISTER):
        try:
            client.register_plugin(plugin)
        except OSError as error:
            logger.debug("a worker died when it was told to forward its log: %s", error)
        else:
            return
    logger.warning("the log of some workers is not shown here: they die when they are told to forward it")


class ForwardLogs(WorkerPlugin):
    """Forwards log records of a worker from ``level`` on, and its warnings, as events of a topic.

    Not used in ``client_process``, host and number: its log needs no forwarding.
    """

    def __init__(self, topic: str, level: int, client_process: tuple[str, int]) -> None:
        self.name, self.level, self.client_process = topic, level, client_process
        self.levels: dict[str, int] = {}
        self.handler: logging.Handler | None = None

    def setup(self, worker: Worker) -> None:
        """Start forwarding."""
        if _this_process() == self.client_process:
            return
        self.handler = _Forwarding(worker, self.name)
        kept = _kept.end()
        for name in (OURS, WARNINGS):
            forwarded = logging.getLogger(name)
            self.levels[name] = forwarded.level
            forwarded.setLevel(self.level)
            forwarded.addHandler(self.handler)
        logging.captureWarnings(True)
        for record in kept:
            if record.levelno >= self.level:
                self.handler.emit(record)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask calls it so
        """Restore everything."""
        if self.handler is None:
            return
        logging.captureWarnings(False)
        for name, level in self.levels.items():
            forwarded = logging.getLogger(name)
            forwarded.removeHandler(self.handler)
            forwarded.setLevel(level)
        self.handler = None


class _Forwarding(logging.Handler):
    """Handler that sends records to the scheduler."""

    def __init__(self, worker: Worker, topic: str) -> None:
        super().__init__()
        self.worker, self.topic = worker, topic

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record as plain text, because exceptions and arguments may not be serialisable."""
        where = _tile.get() or f"worker {self.worker.name}"
        message = {"level": record.levelno, "text": record.getMessage().strip(), "where": where}
        self.worker.log_event(self.topic, message)


class _Keeping(logging.Handler):
    """Handler that keeps records until they are requested."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[logging.LogRecord] = deque(maxlen=_MOST_KEPT)
        self._level = logging.NOTSET  # previous level of our logger
        self._is_on = False

    def begin(self) -> None:
        """Start keeping records."""
        ours = logging.getLogger(OURS)
        self._level, self._is_on = ours.level, True
        ours.setLevel(logging.INFO)
        ours.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self._records.append(record)

    def end(self) -> list[logging.LogRecord]:
        """Restore everything, and return the records kept."""
        if not self._is_on:
            return []
        ours, self._is_on = logging.getLogger(OURS), False
        ours.removeHandler(self)
        ours.setLevel(self._level)
        kept = list(self._records)
        self._records.clear()
        return kept


_kept = _Keeping()


def keep_log() -> None:
    """Keep the log of this worker while it starts, until its log is forwarded for the first time."""
    _kept.begin()


def _log_again(event: tuple[float, Any]) -> None:
    _, message = event
    logger.log(message["level"], "%s: %s", message["where"], message["text"])


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()
