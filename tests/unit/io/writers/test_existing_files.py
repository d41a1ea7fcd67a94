"""Files that are there already: refused, or replaced if that is asked for, in every format."""

import re

import pytest
import xarray as xr

from exported import scene
from fringefleet.errors import OutputExistsError
from fringefleet.io.writers import WRITERS
from fringefleet.io.writers.export import export_result
from fringefleet.io.writers.mintpy import export_mintpy

FORMATS = [writer.name for writer in WRITERS]
SUFFIXES = {writer.name: writer.suffix for writer in WRITERS if writer.suffix}


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def other_scene():
    found = scene()
    return found.assign(displacement=(2 * found["displacement"]).assign_attrs(found["displacement"].attrs))


@pytest.mark.parametrize("file_format", FORMATS)
def test_files_are_refused_by_name_and_replaced_if_asked_for_and_nothing_else_is_touched(
    tmp_path, file_format
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    paths = export_result(scene(), out, file_format)
    before = content(out)
    with pytest.raises(OutputExistsError, match=re.escape(str(paths[0]))) as refused:
        export_result(other_scene(), out, file_format)
    assert str(refused.value).endswith(
        "; give another name, or overwrite = True to replace " + ("it." if len(paths) == 1 else "them.")
    )
    assert content(out) == before
    assert export_result(other_scene(), out, file_format, overwrite=True) == paths
    export_result(other_scene(), fresh, file_format)
    after = content(out)
    assert after.pop((out / "mine.txt").relative_to(out)) == b"kept"
    assert after == content(fresh)
    assert after != {path: data for path, data in before.items() if path.name != "mine.txt"}


@pytest.mark.parametrize("file_format", list(SUFFIXES))
def test_one_file_is_refused_and_replaced_too(tmp_path, file_format):
    name = "displacement"
    path = tmp_path / f"all{SUFFIXES[file_format]}"
    export_result(scene(), path, file_format, variables=name)
    before = content(tmp_path)
    with pytest.raises(OutputExistsError, match=rf"all\{SUFFIXES[file_format]} exists; give another name"):
        export_result(other_scene(), path, file_format, variables=name)
    assert content(tmp_path) == before
    export_result(other_scene(), path, file_format, variables=name, overwrite=True)
    assert content(tmp_path) != before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_other_variables_may_go_into_the_same_folder(tmp_path):
    export_result(scene(), tmp_path, "cog", variables="status")
    export_result(scene(), tmp_path, "cog", variables="displacement")
    assert len(list(tmp_path.iterdir())) == 5


def test_dates_of_another_export_are_not_mixed_without_being_asked(tmp_path, caplog):
    export_result(scene(), tmp_path, "cog", variables="displacement", dates="20200101,20200113")
    more = {"variables": "displacement", "dates": "20210301", "unit": "mm"}
    with pytest.raises(
        OutputExistsError,
        match=r"found displacement_20200101\.tif, displacement_20200113\.tif in .*, of another export .*"
        r"Give another folder, or overwrite = True to write beside them",
    ):
        export_result(scene(), tmp_path, "cog", **more)
    export_result(scene(), tmp_path, "cog", overwrite=True, **more)
    assert "kept in" in caplog.text
    assert "displacement_20200113.tif" in caplog.text
    assert len(list(tmp_path.iterdir())) == 3


def test_a_mask_of_mintpy_of_another_export_is_not_mixed_without_being_asked(tmp_path):
    export_result(scene(), tmp_path, "mintpy", mask="status == ok")
    for path in tmp_path.glob("[tn]*.h5"):
        path.unlink()
    with pytest.raises(OutputExistsError, match=r"found maskTempCoh\.h5 in"):
        export_result(scene(), tmp_path, "mintpy")


def test_mintpys_files_are_refused_by_name_from_python_too(tmp_path):
    (tmp_path / "numInvIfgram.h5").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"numInvIfgram\.h5 exists; give another name"):
        export_mintpy(scene(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["numInvIfgram.h5"]
    assert len(export_mintpy(scene(), tmp_path, overwrite=True)) == len(list(tmp_path.iterdir())) == 3


def test_a_store_of_an_export_is_replaced_whole(tmp_path):
    export_result(scene(), tmp_path / "a.zarr", "zarr2", variables="displacement,status")
    export_result(scene(), tmp_path / "a.zarr", "zarr2", variables="status", overwrite=True)
    with xr.open_zarr(tmp_path / "a.zarr") as found:
        assert list(found.data_vars) == ["status"]
