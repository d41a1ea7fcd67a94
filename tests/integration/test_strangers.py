"""Other users of the machine: they get no answer from anything that is started here, whoever starts it."""

import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import dask
import psutil
import pytest
from distributed import Client, LocalCluster, Security

import fringefleet
from fringefleet.cluster.dashboard import dashboard_link
from fringefleet.cluster.security import warn_of_open
from fringefleet.errors import InputError, OptionError
from fringefleet.simulate import Scene, simulate_stack
from polling import wait_until
from strangers import knows_dask, listeners, ways_in

pytestmark = pytest.mark.cluster


def test_scheduler_workers_and_nannies_answer_their_own_client_and_nobody_else():
    before = listeners()
    with fringefleet.connect("local", 2, memory_limit="1GB") as workers:
        opened = listeners() - before
        assert len(opened) == 1 + 2 * 2  # a scheduler, two workers and their nannies; nothing for HTTP
        assert {ip for _, ip, _ in opened} == {"127.0.0.1"}
        ours = workers.client.security.get_connection_args("client")
        for _, ip, port in opened:
            assert ways_in(ip, port) == []
            assert knows_dask(f"tls://{ip}:{port}", **ours)
        assert dashboard_link(workers.client) == ""
        assert workers.client.submit(sum, [1, 2]).result() == 3
    assert listeners() <= before
