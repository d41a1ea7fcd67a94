"""What a path holds, told without reading the phase."""

import itertools
import json
import os
from dataclasses import asdict

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from fringefleet.errors import InputError, StackFormatError
from fringefleet.execution.job import Run
from fringefleet.io.describe import check_finished, describe
from fringefleet.network.connectivity import connectivity
from fringefleet.network.network import Network
from fringefleet.pipeline import run
from fringefleet.simulate import Scene

SCENE = Scene(n_date=5, neighbours=2, shape=(20, 24), missing=0.1)


@pytest.fixture
def result(stack, tmp_path):
    path = tmp_path / "result.zarr"
    run(Run(stack, path, chunks=(10, 12)))
    return path


def make_network(n_date, pairs):
    days = np.datetime64("2020-01-01", "s") + np.arange(n_date).astype("timedelta64[D]")
    return Network(tuple(days.astype(str).tolist()), tuple(pairs))


def n_component(n_date, pairs):
    """Count the parts of a graph by merging sets."""
    parts = [{date} for date in range(n_date)]
    for i, j in pairs:
        touched = [part for part in parts if i in part or j in part]
        parts = [part for part in parts if part not in touched] + [set.union(*touched)]
    return len(parts)


@given(st.data())
def test_a_bridge_is_a_pair_without_which_the_network_has_a_part_more(data):
    n_date = data.draw(st.integers(2, 9))
    possible = list(itertools.combinations(range(n_date), 2))
    drawn = data.draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
    used = sorted({date for pair in drawn for date in pair})
    n_date, pairs = len(used), [(used.index(i), used.index(j)) for i, j in drawn]
    network = make_network(n_date, pairs)
    whole = n_component(n_date, pairs)
    bridges = [
        network.pair_name(k)
        for k in range(len(pairs))
        if n_component(n_date, pairs[:k] + pairs[k + 1 :]) > whole
    ]
    facts = connectivity(network)
    assert facts.bridges == tuple(bridges)
    assert len(facts.components) == whole
    assert sorted(itertools.chain(*facts.components)) == _names(network)


def _names(network):
    return sorted(date[:10].replace("-", "") for date in network.dates)


def test_a_date_with_one_pair_is_named():
    facts = connectivity(make_network(4, [(0, 1), (1, 2), (0, 2), (2, 3)]))
    assert facts.single_pair_dates == ("20200104",)
    assert facts.bridges == ("20200103_20200104",)
    assert (facts.shortest, facts.longest) == (1, 2)


def test_a_simulated_stack_is_described(stack):
    found = describe(stack)
    assert (found.kind, found.file_format) == ("stack", "Zarr")
    assert found.dates == ("20180106", "20180118", "20180130", "20180211", "20180223")
    assert found.network.n_pair == len(SCENE.pairs) == 7
    assert found.place.shape == (20, 24)
    assert found.place.crs == "EPSG:4326 (WGS 84)"
    assert found.attributes["reference_point"] == list(SCENE.reference_point)
    phase = next(variable for variable in found.variables if variable.name == "unwrapped_phase")
    assert phase.sizes == {"pair": 7, "y": 20, "x": 24}
    assert phase.chunks == (7, 20, 24)
    assert phase.n_byte == 4 * 7 * 20 * 24
    assert found.bytes_on_disk == sum(file.stat().st_size for file in stack.rglob("*") if file.is_file())


def test_the_phase_is_not_read(stack, tmp_path):
    copy = tmp_path / "copy.zarr"
    copy.mkdir()
    for file in stack.rglob("*"):
        target = copy / file.relative_to(stack)
        if file.is_dir():
            target.mkdir(exist_ok=True)
        else:
            broken = "unwrapped_phase/c" in file.as_posix()
            target.write_bytes(b"broken" if broken else file.read_bytes())
    assert describe(copy).network == describe(stack).network


def test_pairs_that_a_mintpy_stack_drops_are_counted(tmp_path):
    path = tmp_path / "ifgramStack.h5"
    with h5py.File(path, "w") as file:
        file["date"] = np.array(
            [["20200101", "20200113"], ["20200113", "20200125"], ["20200101", "20200125"]], "S"
        )
        file["dropIfgram"] = [True, True, False]
        file["unwrapPhase"] = np.ones((3, 4, 5), np.float32)
    found = describe(path)
    assert (found.network.n_pair, found.network.n_dropped, found.file_format) == (2, 1, "MintPy HDF5")
    assert found.network.bridges == ("20200101_20200113", "20200113_20200125")
    assert found.n_file == 1


def test_a_result_has_its_status_counted_and_its_tiles(result):
    found = describe(result)
    assert found.kind == "result"
    assert found.tiles == (4, 4)
    assert sum(found.status.values()) == 20 * 24
    assert found.status["reference_point"] == 1
    status = zarr.open_array(result / "status")[:]
    assert found.status["ok"] == int((status == 0).sum())


def test_tiles_that_are_not_done_are_no_answers(result):
    marks = zarr.open_array(result / "progress" / "done", mode="r+")
    marks[0, 1] = 0
    found = describe(result)
    assert found.tiles == (3, 4)
    assert sum(found.status.values()) == 20 * 24 - 10 * 12
    with pytest.raises(InputError, match=r"1 of 4 tiles are missing.*with --resume"):
        check_finished(result)


def test_a_finished_result_and_one_without_marks_are_not_refused(result, stack):
    check_finished(result)
    check_finished(stack)


def test_the_truth_of_a_simulation_is_described(stack):
    found = describe(stack.with_name("stack_truth.zarr"))
    assert (found.kind, found.tiles, found.status) == ("displacement", None, None)
    assert len(found.dates) == 5


def test_files_that_vanish_meanwhile_are_not_counted(result, monkeypatch):
    whole = describe(result)
    walk = os.walk
    ghosts = [(str(result), [], ["c.0.partial", "gone/1"])]
    monkeypatch.setattr(os, "walk", lambda path: [*walk(path), *ghosts])
    found = describe(result)
    assert (found.bytes_on_disk, found.n_file) == (whole.bytes_on_disk, whole.n_file)


def test_how_a_result_was_made_is_told_and_what_is_always_the_same_is_not(result):
    found = describe(result).attributes
    assert found["weight_func"] == "var"
    assert found["solver"] == "elimination"
    assert found["observation"] == "unwrapped_phase"
    assert "Conventions" not in found


def test_a_description_is_plain_values(stack, result):
    for path in (stack, result):
        text = json.dumps(asdict(describe(path)), default=lambda value: value.tolist())
        assert json.loads(text)["kind"] in ("stack", "result")


def test_what_is_neither_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no stack")
    with pytest.raises(StackFormatError, match="it is a text file"):
        describe(text)
    with pytest.raises(StackFormatError, match="no such file"):
        describe(tmp_path / "missing")
