"""Messages of Dask that are not shown: those that are named, and no others of the same logger."""

import logging

import pytest

from fringefleet.cluster.waiting import (
    OF_A_CLUSTER,
    OF_A_LOST_SCHEDULER,
    OF_A_START,
    OF_AN_END,
    without_messages,
)
from fringefleet.execution import warm_up

LIBRARY = logging.getLogger("some.library")


def test_messages_that_are_named_are_noted_and_all_others_are_shown(caplog):
    noted = []
    with without_messages({LIBRARY.name: "Failed to start|Cluster closed"}, noted.append):
        LIBRARY.error("Failed to %s process", "start")
        LIBRARY.error("Failed to start")
        LIBRARY.error("why it hangs")
        logging.getLogger("some.library.below").error("Cluster closed")
    LIBRARY.error("Cluster closed")
    assert [record.getMessage() for record in noted] == ["Failed to start process", "Failed to start"]
    assert caplog.messages == ["why it hangs", "Cluster closed", "Cluster closed"]


def test_who_looks_for_a_fault_finds_everything_in_our_log(caplog):
    caplog.set_level(logging.DEBUG, "fringefleet")
    with without_messages({LIBRARY.name: "."}):
        LIBRARY.error("any\nthing", exc_info=ValueError("why"))
    wanted = ["any", "thing", "ValueError: why"]
    assert caplog.messages == [f"{LIBRARY.name}: {line}" for line in wanted]
    assert {record.name for record in caplog.records} == {"fringefleet.processes.worker_logging"}


@pytest.mark.parametrize("messages", [OF_A_CLUSTER, OF_A_START, OF_AN_END, OF_A_LOST_SCHEDULER])
def test_no_logger_is_silenced_as_a_whole(messages):
    with without_messages(messages):
        for name in messages:
            logger = logging.getLogger(name)
            record = logger.makeRecord(name, logging.ERROR, "", 0, "something new", (), None)
            assert logger.filter(record)


@pytest.mark.parametrize(
    ("said", "is_shown"),
    [
        ("Compute Failed\nKey: x", False),
        ("Failed to communicate with scheduler during heartbeat.", False),
        ("Heartbeat failed", True),
    ],
)
def test_a_worker_repeats_no_failure_of_a_tile_and_says_all_else(said, is_shown):
    record = LIBRARY.makeRecord("distributed.worker", logging.ERROR, "", 0, said, (), None)
    assert warm_up.is_said_by_nobody_else(record) == is_shown
