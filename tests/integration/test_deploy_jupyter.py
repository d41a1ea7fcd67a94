"""The script in deploy/jupyter/ starts a server for its user alone."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from polling import wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "jupyter" / "start_jupyter.sh"


def status(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_jupyter_listens_on_the_loopback_and_wants_a_token_that_nobody_else_sees(tmp_path):
    pytest.importorskip("jupyter_server", reason="jupyter-server is not installed")
    changes = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "JUPYTER": "jupyter server --allow-root",  # JupyterLab is this, with its pages
        "USER": "somebody",
        "HOME": str(tmp_path),
        "SLURM_JOB_ID": "1",
        "SLURM_SUBMIT_HOST": "login",
    }
    with (tmp_path / "log").open("w") as log:
        started = subprocess.Popen(
            ["bash", str(SCRIPT)], env={**os.environ, **changes}, cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: list(tmp_path.glob("jupyter-????????")), 60)
        (access,) = tmp_path.glob("jupyter-????????")
        wait_until(lambda: len(access.read_text().splitlines()) == 2, 10)
        ssh, address = access.read_text().splitlines()
        port, token = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=(.{40,})", address).groups()
        assert re.fullmatch(rf"ssh -N -J somebody@login -L {port}:127\.0\.0\.1:{port} somebody@\S+", ssh)
        assert access.stat().st_mode & 0o777 == 0o600
        api = f"http://127.0.0.1:{port}/api/status"
        wait_until(lambda: status(api) is not None, 90, (tmp_path / "log").read_text)
        assert status(api) == 403
        assert status(f"{api}?token={token}") == 200
        assert f"run the first line of {access}" in (tmp_path / "log").read_text()
        children = psutil.Process(started.pid).children(recursive=True)
        heard = [
            c.laddr.ip for child in children for c in child.net_connections("inet") if c.status == "LISTEN"
        ]
        assert set(heard) == {"127.0.0.1"}
        assert not any(token in " ".join(child.cmdline()) for child in children)
        assert token not in (tmp_path / "log").read_text()
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)
    assert not list(tmp_path.glob("jupyter-????????"))
    assert not [child for child in children if child.is_running()]
