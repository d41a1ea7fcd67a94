"""Files that other systems leave between ours are no data, in any format and by any command."""

import shutil
import warnings
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner
from zarr.errors import ZarrUserWarning

import fringefleet
from fringefleet.cli import app
from fringefleet.io.describe import describe
from good_inputs import write_good_inputs

KINDS = (
    *("zarr", "zarr 2", "netcdf", "mintpy", "hyp3", "hyp3 zips"),
    *("licsar", "dolphin", "isce", "aria", "gunw", "gmtsar"),
)
APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(200)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_inputs(tmp_path_factory.mktemp("good"))


def litter(folder):
    """Put beside every file and folder what macOS and Windows leave there, and into every archive."""
    for path in sorted(folder.rglob("*")):
        path.with_name(f"._{path.name}").write_bytes(APPLE)
        if path.suffix == ".zip":
            pack_litter(path)
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (place / name).write_bytes(APPLE)


def pack_litter(archive):
    with zipfile.ZipFile(archive, "a") as opened:
        for name in opened.namelist():
            folder, _, file = name.rpartition("/")
            opened.writestr(f"__MACOSX/{folder}/._{file}", APPLE)
            opened.writestr(f"__MACOSX/{folder}/{file}", APPLE)


@pytest.fixture
def littered(good, tmp_path):
    def make(kind):
        source = good[kind]
        shutil.copytree(source.parent, tmp_path / "in")
        litter(tmp_path / "in")
        return tmp_path / "in" / source.name

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_between_them_is_the_same_stack(kind, good, littered, tmp_path):
    expected = fringefleet.open_stack(good[kind], chunks=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZarrUserWarning)
        found = fringefleet.open_stack(littered(kind), chunks=None)
    assert list(found.data_vars) == list(expected.data_vars)
    assert found.attrs == expected.attrs
    for name in ("unwrapped_phase", "coherence"):
        np.testing.assert_array_equal(found[name], expected[name])
    path = tmp_path / "in" / good[kind].name
    done = CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "out.zarr")])
    assert done.exit_code == 0, done.stderr


def test_a_result_between_them_is_shown_exported_and_drawn(good, littered, tmp_path):
    path = littered("result")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZarrUserWarning)
        assert describe(path).status == describe(good["result"]).status
        for command in ("export", "plot"):
            done = CliRunner().invoke(app, [command, str(path), str(tmp_path / command)])
            assert done.exit_code == 0, done.stderr
    names = sorted(item.name for item in (tmp_path / "export").iterdir())
    assert names == ["numInvIfgram.h5", "temporalCoherence.h5", "timeseries.h5"]
