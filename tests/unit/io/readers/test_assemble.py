"""Pairs put together, with images that come from nowhere but a file's numbers."""

import os
from dataclasses import dataclass

import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io.files.version import FilesVersion, FileVersion
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.grid import Grid
from fringefleet.io.readers.pair_images import Layer

GRID = Grid((3, 4), (10.0, 20.0), (-1.0, 0.5), "EPSG:4326")


@dataclass(frozen=True)
class NumpyImage:
    """A whole .npy file."""

    versions: tuple[FileVersion, ...]

    def read(self, rows, columns):
        return np.load(self.versions[0].path)[rows, columns]


@pytest.fixture
def pair(tmp_path):
    def make(first, second, value=1.0, grid=GRID, **said):
        path = tmp_path / f"{first}_{second}.npy"
        np.save(path, np.full(grid.shape, value, np.float32))
        layer = Layer(path.name, NumpyImage((FileVersion.of(path),)), grid, (2, 9))
        return Pair(path.stem, (first, second), {"unwrapped_phase": layer}, **said)

    return make


def test_pairs_are_sorted_by_their_dates_in_either_order(pair, tmp_path):
    pairs = [
        pair("20200301", "20200101", 1.0, baseline=3.0),
        pair("20200101", "20200201", 2.0),
        pair("20200101", "20200115", 3.0, baseline=-1.0),
    ]
    stack = assemble(tmp_path, pairs)
    assert stack.reference_date.dt.strftime("%m%d").values.tolist() == ["0101", "0101", "0301"]
    assert stack.secondary_date.dt.strftime("%m%d").values.tolist() == ["0115", "0201", "0101"]
    assert stack.unwrapped_phase[:, 0, 0].values.tolist() == [3.0, 2.0, 1.0]
    np.testing.assert_array_equal(stack.perpendicular_baseline, [-1, np.nan, 3])


def test_blocks_are_no_larger_than_the_image(pair, tmp_path):
    stack = assemble(tmp_path, [pair("20200101", "20200201")])
    assert stack.unwrapped_phase.encoding["preferred_chunks"] == {"pair": 1, "y": 2, "x": 4}


def test_the_most_common_grid_is_right_and_the_others_are_counted(pair, tmp_path):
    other = Grid((3, 4), (10.0, 20.1), (-1.0, 0.5), "EPSG:4326")
    dates = [f"202001{day:02}" for day in range(1, 6)]
    pairs = [pair(dates[i], dates[i + 1], grid=other if i in (0, 2) else GRID) for i in range(4)]
    pairs.append(pair(dates[0], dates[2]))
    with pytest.raises(
        StackFormatError, match=r"20200101_20200102.npy .*x = 20.1 .*2 images differ: .*0103_"
    ):
        assemble(tmp_path, pairs)


@pytest.mark.parametrize(
    "other",
    [
        Grid((3, 5), GRID.corner, GRID.step, GRID.crs),
        Grid((3, 4), GRID.corner, (-1.0, 0.51), GRID.crs),
        Grid((3, 4), GRID.corner, GRID.step, "EPSG:32614"),
        Grid((3, 4), GRID.corner, GRID.step, None),
        Grid((3, 4)),
    ],
)
def test_grids_differ_in_size_step_crs_or_in_having_a_place(other):
    assert not GRID.agrees_with(other)
    assert not other.agrees_with(GRID)
    assert other.agrees_with(other)


def test_the_same_crs_in_other_words_is_the_same():
    spelled = GRID._known_crs().to_wkt("WKT1_GDAL")
    assert GRID.agrees_with(Grid(GRID.shape, (10.0, 20.0 + 1e-9), GRID.step, spelled))


def test_an_attribute_that_no_two_pairs_can_differ_in_is_checked_up_to_rounding(pair, tmp_path):
    same = [pair("20200101", "20200201", attrs={"WAVELENGTH": 0.0555}), pair("20200101", "20200301")]
    assert "wavelength" not in assemble(tmp_path, same).attrs
    same[1] = pair("20200101", "20200301", attrs={"WAVELENGTH": 0.24})
    with pytest.raises(
        StackFormatError, match=r"20200301 has WAVELENGTH = 0.24, but 20200101_20200201 has 0.0"
    ):
        assemble(tmp_path, same)
    same[1] = pair("20200101", "20200301", attrs={"WAVELENGTH": 0.055500001, "HEADING": 2.0})
    assert assemble(tmp_path, same).attrs["wavelength"] == 0.0555


def test_the_version_follows_each_file_and_not_their_order(tmp_path):
    files = []
    for name in "ab":
        (tmp_path / name).write_text(name)
        files.append(FileVersion.of(tmp_path / name))
    version = FilesVersion.of(tmp_path, files)
    assert version == FilesVersion.of(tmp_path, [*reversed(files), files[0]])
    assert (version.n_file, version.size) == (2, 2)
    os.utime(tmp_path / "a", ns=(0, 0))
    assert not files[0].is_current()
    assert FilesVersion.of(tmp_path, [FileVersion.of(tmp_path / "a"), files[1]]) != version
    assert version.is_there()
    assert not FilesVersion.of(tmp_path / "none", files).is_there()
