"""Places of an output: in the work directory of a processor, and in no store and no folder of a pair."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run, Setting
from fringefleet.cli import app
from fringefleet.errors import InputError, OptionError
from fringefleet.execution.check import check
from fringefleet.io.store.place import check_apart, check_writable
from good_inputs import write_good_inputs
from unit.io.readers import checks

FOLDERS = {  # what docs/formats.md says to point at, and where else in it an output may be
    "hyp3": ["."],
    "hyp3 zips": ["."],
    "licsar": [".", "results"],
    "dolphin": [".", "unwrapped", "interferograms", "results/first"],
    "isce": [".", "merged", "merged/interferograms", "merged/geom_reference"],
    "aria": [".", "stack", "unwrappedPhase"],
    "gunw": ["."],
    "gmtsar": [".", "intf_all"],
}
PAIRS = {
    "hyp3": "*_G_ueF_0000",
    "licsar": "2*_2*",
    "isce": "merged/interferograms/2*_2*",
    "gmtsar": "intf_all/2*_2*",
}
SETTING = Setting(reference_point=checks.POINT, wavelength=0.0555, looks=8)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_inputs(tmp_path_factory.mktemp("good"))


@pytest.fixture
def stack(good, tmp_path):
    def copy(kind):
        shutil.copytree(good[kind].parent, tmp_path / "in")
        return tmp_path / "in" / good[kind].name

    return copy


@pytest.mark.parametrize(("kind", "place"), [(kind, place) for kind in FOLDERS for place in FOLDERS[kind]])
def test_an_output_in_a_work_directory_is_written_and_the_stack_stays_the_same(kind, place, stack):
    path = stack(kind)
    before = fringefleet.open_stack(path, chunks=None)
    output = path / place / "out.zarr"
    checked = check(Run(path, output, setting=SETTING, chunks=(20, 24)))
    assert checked.n_tile == 1
    done = CliRunner().invoke(app, ["convert", str(path), str(output)])
    assert done.exit_code == 0, done.stderr
    after = fringefleet.open_stack(path, chunks=None)
    assert after.encoding["version"] == before.encoding["version"]
    assert after.identical(before)


@pytest.mark.parametrize("kind", list(PAIRS))
def test_a_folder_of_a_pair_is_out_of_bounds(kind, stack):
    path = stack(kind)
    pair = next(folder for folder in sorted(path.glob(PAIRS[kind])) if folder.is_dir())
    for output in (pair / "out.zarr", pair / "deep" / "out.zarr"):
        with pytest.raises(OptionError, match=f"is inside .*{pair.name}, the folder of one pair"):
            check(Run(path, output, setting=SETTING))
        done = CliRunner().invoke(app, ["convert", str(path), str(output)])
        assert (done.exit_code, output.exists()) == (2, False)
    if kind != "hyp3":
        with pytest.raises(OptionError, match="has a name like a pair"):
            check(Run(path, pair.with_name("20300101_20300113"), setting=SETTING))


@pytest.mark.parametrize("kind", ["zarr", "zarr 2", "netcdf", "mintpy", "hyp3"])
def test_the_stack_itself_and_what_holds_it_are_out_of_bounds(kind, stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = stack(kind)
    for output in (path, path.parent, Path("in") / path.name, Path()):
        with pytest.raises(OptionError, match=r"is or contains|as an output, a name of"):
            check(Run(path, output, setting=SETTING, existing="overwrite"))
        done = CliRunner().invoke(app, ["convert", str(path), str(output), "--overwrite"])
        assert done.exit_code == 2, done.stderr


@pytest.mark.parametrize("kind", ["zarr", "zarr 2", "result"])
def test_no_command_writes_into_a_store(kind, stack, good):
    path = stack(kind)
    other = good["hyp3"]
    given = {
        "invert": ["invert", other, path / "a" / "out.zarr", "--reference-point", *checks.POINT],
        "convert": ["convert", other, path / "out.zarr"],
    }
    if kind == "result":
        given["export"] = ["export", path, path / "mintpy"]
    else:
        given["own"] = ["convert", path, path / "out.zarr"]
    for line in given.values():
        done = CliRunner().invoke(app, [str(part) for part in line])
        assert done.exit_code == 2, done.stdout
        assert "is inside the Zarr store" in done.stderr


def test_a_group_that_holds_stores_is_a_place_for_another(tmp_path, good):
    import zarr

    zarr.open_group(tmp_path / "all.zarr", mode="w")
    check_apart(tmp_path / "all.zarr" / "run", good["zarr"])


def test_a_link_is_followed(tmp_path, stack):
    path = stack("zarr")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OptionError, match="is inside the Zarr store"):
        check_apart(tmp_path / "link" / "out.zarr", path)
    with pytest.raises(OptionError, match="is or contains"):
        check_apart(tmp_path / "link", path)


def test_names_that_the_files_beside_an_output_fit_are_not_too_long(tmp_path):
    check_writable(tmp_path / ("n" * 200))
    assert not list(tmp_path.iterdir())
    for output in (tmp_path / ("n" * 220), tmp_path / ("é" * 120), tmp_path / ("n" * 220) / "out.zarr"):
        with pytest.raises(InputError, match=r"a name of .* bytes"):
            check_writable(output)
