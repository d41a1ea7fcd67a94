"""Files that are whole or not there, and that change together."""

import h5py
import numpy as np
import pytest

from fringefleet.io.store.atomic_files import replaced_when_complete, staged_files


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / name for name in ("timeseries.h5", "numInvIfgram.h5")]
    for path in found:
        path.write_text("old")
    return found


def test_all_files_take_their_places_when_all_are_complete(paths):
    with replaced_when_complete(paths) as files:
        for number, file in enumerate(files):
            file["value"] = np.full(3, number)
        assert [path.read_text() for path in paths] == ["old", "old"]
    for number, path in enumerate(paths):
        with h5py.File(path) as file:
            assert file["value"][()].tolist() == [number] * 3
    assert len(list(paths[0].parent.iterdir())) == 2


def test_a_failure_in_one_file_leaves_all_as_they_were(paths):
    def write():
        with replaced_when_complete(paths) as files:
            files[1]["value"] = 1
            files[1].close()
            raise OSError

    with pytest.raises(OSError, match=r"^$"):
        write()
    assert [path.read_text() for path in paths] == ["old", "old"]
    assert len(list(paths[0].parent.iterdir())) == 2


def test_what_a_killed_process_left_is_removed_and_nothing_else(paths, tmp_path):
    left, other = (tmp_path / f".fringefleet-{ending}" for ending in (16 * "0", "project"))
    for folder in (left, other):
        folder.mkdir()
        (folder / "timeseries.h5").touch()
    with replaced_when_complete(paths):
        pass
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"timeseries.h5", "numInvIfgram.h5", other.name}


def test_a_folder_never_makes_way_for_a_file(tmp_path):
    mine = tmp_path / "page.html" / "mine"
    mine.parent.mkdir()
    mine.write_text("kept")

    def write():
        with staged_files([mine.parent]) as (part,):
            part.write_text("page")

    with pytest.raises(IsADirectoryError):
        write()
    assert mine.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [mine.parent]
