"""Where the files of a project are found, and what is said where they are not."""

from pathlib import Path

import h5py
import pytest

from fringefleet.errors import InputError, StackFormatError
from fringefleet.mintpy.project import average_coherence, find_project, geometry_of, stack_datasets


@pytest.fixture
def project(tmp_path, write_mintpy):
    folder = tmp_path / "project"
    (folder / "inputs").mkdir(parents=True)
    write_mintpy().rename(folder / "inputs" / "ifgramStack.h5")
    (folder / "smallbaselineApp.cfg").write_text("mintpy.deramp = no\n")
    return folder


def test_a_folder_is_a_project_with_a_template_and_a_stack(project):
    found = find_project(project, None)
    assert (found.stack, found.folder) == (project / "inputs" / "ifgramStack.h5", project)
    assert (found.template, found.is_whole) == (project / "smallbaselineApp.cfg", True)


def test_another_template_lies_over_that_of_the_project(project, tmp_path, monkeypatch):
    template, own = tmp_path / "GalapagosSenDT128.txt", project / "smallbaselineApp.cfg"
    template.touch()
    found = find_project(project, template)
    assert (found.template, found.over) == (template, own)
    monkeypatch.chdir(project)
    found = find_project(project, Path("smallbaselineApp.cfg"))
    assert (found.template, found.over) == (own, None)
    own.unlink()
    assert find_project(project, template).template == template


def test_without_a_path_the_current_folder_is_the_project_or_that_of_its_own_template(
    project, tmp_path, monkeypatch
):
    assert find_project(None, project / "smallbaselineApp.cfg").folder == project
    monkeypatch.chdir(project)
    assert find_project(None, tmp_path / "GalapagosSenDT128.txt").folder == Path()
    found = find_project(None, None)
    assert (found.folder, found.stack) == (Path(), Path("inputs/ifgramStack.h5"))


def test_a_stack_is_inverted_into_the_current_folder_without_a_template(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_project(Path("project/inputs/ifgramStack.h5"), None)
    assert (found.folder, found.template, found.is_whole) == (tmp_path, None, False)


def test_what_is_missing_is_named_with_where_it_was_sought(project, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such file"):
        find_project(tmp_path / "nowhere", None)
    (project / "smallbaselineApp.cfg").unlink()
    with pytest.raises(InputError, match=r"found no template .*smallbaselineApp\.cfg.*template"):
        find_project(project, None)
    (project / "inputs" / "ifgramStack.h5").rename(project / "inputs" / "ionStack.h5")
    with pytest.raises(InputError, match=r"found no inputs/ifgramStack\.h5 .*There is .*ionStack\.h5"):
        find_project(project, None)


def test_what_is_no_stack_is_refused(project, tmp_path):
    with pytest.raises(StackFormatError, match="is not a stack of MintPy"):
        find_project(project / "smallbaselineApp.cfg", None)
    with h5py.File(tmp_path / "timeseries.h5", "w") as file:
        file.attrs["FILE_TYPE"] = "timeseries"
    with pytest.raises(StackFormatError, match="a MintPy file of the type timeseries"):
        find_project(tmp_path / "timeseries.h5", None)
    (tmp_path / "stack.zarr").mkdir()
    (tmp_path / "stack.zarr" / "zarr.json").touch()
    with pytest.raises(InputError, match=r"found a Zarr store .*fringefleet invert"):
        find_project(tmp_path / "stack.zarr", None)


@pytest.mark.parametrize(
    ("stack", "observation", "name"),
    [
        ("ifgramStack.h5", "unwrapped_phase_bridging", "avgSpatialCoh.h5"),
        ("ionStack.h5", "unwrapped_phase", "avgSpatialCohIon.h5"),
        ("ifgramStack.h5", "range_offset", "avgSpatialSNR.h5"),
    ],
)
def test_the_average_coherence_is_one_folder_above_the_stack(tmp_path, stack, observation, name):
    path = tmp_path / "inputs" / stack
    for other in ("avgSpatialCoh.h5", "avgSpatialCohIon.h5", "avgSpatialSNR.h5"):
        (tmp_path / other).touch()
    assert average_coherence(path, observation) == tmp_path / name
    (tmp_path / name).unlink()
    assert average_coherence(path, observation) is None


def test_the_geometry_is_that_of_the_grid_of_the_stack(project):
    stack = project / "inputs" / "ifgramStack.h5"  # geocoded
    (stack.with_name("geometryRadar.h5")).touch()
    assert geometry_of(stack) is None
    (stack.with_name("geometryGeo.h5")).touch()
    assert geometry_of(stack) == stack.with_name("geometryGeo.h5")
    with h5py.File(stack, "r+") as file:
        del file.attrs["Y_FIRST"]
    assert geometry_of(stack) == stack.with_name("geometryRadar.h5")


def test_the_datasets_of_a_stack_are_those_over_pairs_and_pixels(project):
    assert stack_datasets(project / "inputs" / "ifgramStack.h5") == [
        "coherence",
        "connectComponent",
        "unwrapPhase",
    ]
