import subprocess
import sys

import pytest

from fringefleet.errors import OutputExistsError
from fringefleet.io.store.staging import recover_interrupted_overwrite, staged_store

REPLACE = """
import os, sys
from pathlib import Path
from fringefleet.io.store import owned, staging
rename, n = Path.rename, 0
def killed(self, target):
    global n
    n += 1
    return os._exit(9) if n == 2 else rename(self, target)
def killed_removing(path, **options):
    (path / "replaced" / "result.zarr" / "zarr.json").unlink()
    os._exit(9)
if sys.argv[2] == "renaming":
    Path.rename = killed
else:
    owned.shutil.rmtree = killed_removing
with staging.staged_store(Path(sys.argv[1]), overwrite=True) as path:
    path.mkdir()
    (path / "zarr.json").write_text("new")
"""


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "result.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("old")
    return path


def kill(output, when):
    assert subprocess.run([sys.executable, "-c", REPLACE, output, when], check=False).returncode == 9


def replace_it(output):
    with staged_store(output, overwrite=True) as path:
        path.mkdir()
        (path / "zarr.json").write_text("newer")


def content(output):
    return (output / "zarr.json").read_text(), [path.name for path in output.parent.iterdir()]


def test_a_store_is_replaced_when_the_other_is_whole(output):
    with pytest.raises(KeyError), staged_store(output, overwrite=True) as path:  # noqa: PT012
        path.mkdir()
        raise KeyError
    assert content(output) == ("old", ["result.zarr"])
    replace_it(output)
    assert content(output) == ("newer", ["result.zarr"])


def test_what_a_killed_run_had_moved_away_is_put_back(output, caplog):
    kill(output, "renaming")
    assert not output.exists()
    with pytest.raises(OutputExistsError, match="exists"), staged_store(output, overwrite=False):
        pass
    assert content(output) == ("old", ["result.zarr"])
    assert f"restoring {output}" in caplog.text


def test_what_a_killed_run_had_moved_away_is_replaced_by_the_next(output):
    kill(output, "renaming")
    replace_it(output)
    assert content(output) == ("newer", ["result.zarr"])


def test_what_a_killed_run_had_replaced_is_removed(output):
    kill(output, "removing")
    replace_it(output)
    assert content(output) == ("newer", ["result.zarr"])


def test_what_is_half_removed_is_never_put_back(output):
    kill(output, "removing")
    assert content(output)[0] == "new"
    output.rename(output.with_name("elsewhere.zarr"))
    recover_interrupted_overwrite(output)
    assert [path.name for path in output.parent.iterdir()] == ["elsewhere.zarr"]
