"""A Zarr stack that is changed while a run goes on."""

import collections
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
import zarr

import fringefleet
from fringefleet import FailurePolicy, Run, Selection
from fringefleet.errors import InputError, RunError, StackChangedError
from fringefleet.execution.check import check
from fringefleet.io.describe import check_finished
from fringefleet.io.files import version
from fringefleet.simulate import Scene, simulate_dataset
from long_cases import long_but

SCENE = Scene(n_date=4, neighbours=2, shape=(32, 32), missing=0.0)
CHUNK = {"v3": (3, (5, 8, 8), None), "v2": (2, (5, 8, 8), None), "shards": (3, (5, 8, 8), (5, 16, 16))}


@pytest.fixture(params=long_but(CHUNK, "v3", "shards"))
def stack(request, tmp_path):
    zarr_format, chunks, shards = CHUNK[request.param]
    data, _ = simulate_dataset(SCENE)
    encoding = {name: {"chunks": chunks} | ({"shards": shards} if shards else {}) for name in data.data_vars}
    data.to_zarr(tmp_path / "stack.zarr", zarr_format=zarr_format, consolidated=False, encoding=encoding)
    return tmp_path / "stack.zarr"


def job(stack, **how):
    return Run(stack, stack.with_name("result.zarr"), **({"chunks": (16, 16)} | how))


def marks(stack):
    return zarr.open_array(stack.with_name("result.zarr") / "progress/done", mode="r")[:]


def chunk_files(stack, name):
    return [
        file
        for file in sorted((stack / name).rglob("*"))
        if file.is_file() and "zarr.json" not in file.name and not file.name.startswith(".z")
    ]


def rewrite(stack, name="unwrapped_phase", part=(slice(None), slice(8, 16), slice(0, 8))):
    array = zarr.open_group(stack, mode="r+")[name]
    array[part] = array[part] + np.random.default_rng(0).normal(size=array[part].shape).astype("f4")


@pytest.mark.parametrize("chunks", long_but([(16, 16), (8, 8), (4, 32), (32, 32), (11, 7)], (8, 8), (11, 7)))
def test_every_chunk_file_that_is_read_is_looked_at_once_and_no_other(stack, monkeypatch, chunks):
    looked_at = collections.Counter()
    state_of = version._state

    def counted(path):
        looked_at[path] += 1
        return state_of(path)

    monkeypatch.setattr(version, "_state", counted)
    fringefleet.run(job(stack, chunks=chunks))
    read = [str(file) for name in ("unwrapped_phase", "coherence") for file in chunk_files(stack, name)]
    assert looked_at == collections.Counter(read)
    fringefleet.run(
        job(stack, chunks=chunks, existing="overwrite", options=fringefleet.Options(weight_func="no"))
    )
    assert {path: n for path, n in looked_at.items() if n > 1} == dict.fromkeys(read[: len(read) // 2], 2)


@pytest.mark.parametrize(("rows", "columns"), [((8, 24), (8, 32)), ((5, 20), (3, 30)), ((17, 32), (0, 32))])
def test_the_chunk_files_of_a_part_are_looked_at_and_no_other(stack, monkeypatch, rows, columns):
    looked_at = set()
    state_of = version._state
    monkeypatch.setattr(version, "_state", lambda path: looked_at.add(path) or state_of(path))
    fringefleet.run(job(stack, chunks=(6, 7), selection=Selection(rows=rows, columns=columns)))
    data = zarr.open_group(stack, mode="r")["unwrapped_phase"]
    height, width = (data.shards or data.chunks)[1:]

    def is_in_part(file):
        y, x = (int(number) for number in file.replace(".", "/").split("/")[-2:])
        return all(
            at < stop and at + size > start
            for at, size, (start, stop) in ((y * height, height, rows), (x * width, width, columns))
        )

    files = [str(file) for name in ("unwrapped_phase", "coherence") for file in chunk_files(stack, name)]
    expected = {file for file in files if is_in_part(file.removeprefix(str(stack)))}
    assert len(expected) > 0
    assert looked_at == expected


def test_tiles_of_a_part_that_are_of_a_changed_chunk_do_not_count(stack):
    changed = lambda stack: rewrite(stack, part=(slice(None), slice(24, 32), slice(24, 32)))  # noqa: E731
    part = job(stack, selection=Selection(rows=(6, 32), columns=(4, 32)), chunks=(10, 10))
    with pytest.raises(StackChangedError, match=r"\d tiles are marked"):
        fringefleet.run(part, changing(stack, 9, changed))
    # Shards of 16 x 16 begin at row 16 and column 16, chunks of 8 x 8 at 24: rows 10 and 18 of the part.
    data = zarr.open_group(stack, mode="r")["unwrapped_phase"]
    begin = 16 if data.shards else 24
    expected = np.ones((3, 3), np.uint8)
    expected[(begin - 6) // 10 :, (begin - 4) // 10 :] = 0
    np.testing.assert_array_equal(marks(stack), expected)
    done = fringefleet.run(replace(part, existing="resume"))
    assert done.n_resumed == expected.sum()
    assert_is_of_the_stack_as_it_is(part)


def test_the_chunks_of_a_part_are_counted_from_its_corner(stack):
    part = job(stack, selection=Selection(rows=(14, 32), columns=(14, 32)), chunks=(6, 6))
    fringefleet.run(part)
    done = zarr.open_group(stack.with_name("result.zarr"), mode="r+")["progress/done"]
    done[2], done[:, 2] = 0, 0
    rewrite(stack, part=(slice(None), slice(16, 24), slice(16, 24)))  # rows 2 to 9 of the part: done
    for refuses in (check, fringefleet.run):
        with pytest.raises(InputError, match="two versions would be mixed"):
            refuses(replace(part, existing="resume"))


def changing(stack, at, change):
    """Change a stack when a number of tiles is done."""

    def watch(done):
        if done.n_done == at:
            change(stack)

    return watch


def test_a_tile_of_a_chunk_that_was_changed_is_not_written_and_the_run_ends(stack):
    changed = lambda stack: rewrite(stack, part=(slice(None), slice(24, 32), slice(24, 32)))  # noqa: E731
    with pytest.raises(StackChangedError, match=r"changed after it was opened: 1 changed: unwrapped_phase/"):
        fringefleet.run(job(stack, chunks=(8, 8)), changing(stack, 1, changed))
    assert marks(stack)[-1, -1] == 0


CHANGES = {
    "a chunk": (rewrite, "1 changed: unwrapped_phase/", 1),
    "a chunk is gone": (lambda stack: chunk_files(stack, "coherence")[0].unlink(), "1 gone: coherence/", 1),
    "the dates": (
        lambda stack: (stack / "reference_date/new").write_text("x"),
        "1 new: reference_date/new",
        4,
    ),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_what_is_changed_behind_the_last_tile_is_found_at_the_end_and_its_tiles_do_not_count(stack, what):
    change, message, n_tile = CHANGES[what]
    with pytest.raises(StackChangedError, match=rf"changed during the run: {message}.* {n_tile} tiles are"):
        fringefleet.run(job(stack), changing(stack, 4, change))
    assert (marks(stack) == 0).sum() == n_tile
    with pytest.raises(InputError, match=f"is not finished: {n_tile} of 4 tiles are missing"):
        check_finished(stack.with_name("result.zarr"))
    resume = job(stack, existing="resume")
    if what == "the dates":  # these are no part of a tile
        with pytest.raises(InputError, match="two versions would be mixed"):
            fringefleet.run(resume)
        return
    assert fringefleet.run(resume).n_resumed == 4 - n_tile
    assert_is_of_the_stack_as_it_is(resume)


def assert_is_of_the_stack_as_it_is(job):
    anew = replace(job, output=job.output.with_name("anew.zarr"), existing="refuse")
    fringefleet.run(anew)
    now, expected = (xr.open_zarr(path).load() for path in (job.output, anew.output))
    xr.testing.assert_identical(now.drop_attrs(), expected.drop_attrs())


@pytest.mark.parametrize("accept_touched", [False, True])
def test_a_chunk_that_was_changed_and_restored_has_its_tiles_done_again(stack, accept_touched):
    file = chunk_files(stack, "unwrapped_phase")[0]
    whole = file.read_bytes()
    first = (slice(None), slice(0, 8), slice(0, 8))

    with pytest.raises(RunError, match="changed"):
        fringefleet.run(job(stack), changing(stack, 4, lambda stack: rewrite(stack, part=first)))
    assert marks(stack)[0, 0] == 0
    file.write_bytes(whole)
    resume = job(stack, existing="resume", accept_touched=accept_touched)
    assert fringefleet.run(resume).n_resumed == 3
    assert_is_of_the_stack_as_it_is(resume)


def test_what_was_written_before_the_first_tile_may_not_change(stack):
    fringefleet.run(job(stack))
    zarr.open_group(stack.with_name("result.zarr"), mode="r+")["progress/done"][:] = 0
    baselines = zarr.open_group(stack, mode="r+")["perpendicular_baseline"]
    baselines[:] = baselines[:] + 1
    with pytest.raises(InputError, match=r"two versions would be mixed: 1 .*: perpendicular_baseline/"):
        fringefleet.run(job(stack, existing="resume"))


def test_of_other_options_and_a_chunk_that_no_tile_was_read_from_the_options_are_said(stack):
    water_mask = np.ones(SCENE.shape, bool)
    setting = fringefleet.Setting(water_mask=water_mask)
    fringefleet.run(job(stack, setting=setting))
    zarr.open_group(stack.with_name("result.zarr"), mode="r+")["progress/done"][0, 0] = 0
    rewrite(stack, part=(slice(None), slice(0, 8), slice(0, 8)))
    water_mask[-1] = False
    with pytest.raises(InputError, match=r"found other values of the water mask .*; the stack differs, too"):
        fringefleet.run(job(stack, setting=setting, existing="resume"))


def test_files_that_were_touched_and_a_chunk_that_was_replaced_are_accepted_together(stack):
    fringefleet.run(job(stack))
    zarr.open_group(stack.with_name("result.zarr"), mode="r+")["progress/done"][0, 0] = 0
    rewrite(stack, part=(slice(None), slice(0, 8), slice(0, 8)))
    touch(stack)
    with pytest.raises(InputError, match="two versions would be mixed"):
        fringefleet.run(job(stack, existing="resume"))
    resume = job(stack, existing="resume", accept_touched=True)
    assert fringefleet.run(resume).n_resumed == 3
    assert_is_of_the_stack_as_it_is(resume)


def test_a_chunk_that_a_finished_tile_was_read_from_may_not_change_before_a_run_goes_on(stack):
    def stop(_stack):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fringefleet.run(job(stack), changing(stack, 2, stop))
    y, x = (16 * np.argwhere(marks(stack) == 1)[0]).tolist()
    rewrite(stack, part=(slice(None), slice(y, y + 8), slice(x, x + 8)))
    resume = job(stack, existing="resume", accept_touched=True)
    with pytest.raises(InputError, match="two versions would be mixed: 1 changed: unwrapped_phase/"):
        fringefleet.run(resume)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_damaged_chunk_is_replaced_and_the_run_goes_on_with_its_tiles_alone(stack, on_error):
    file = chunk_files(stack, "unwrapped_phase")[-1]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    failures = FailurePolicy(on_error, retries=0)
    if on_error == "skip":
        assert len(fringefleet.run(job(stack, on_failure=failures)).skipped) == 1
    else:
        with pytest.raises(RunError, match=r"opy or create .* again.*fix the cause and repeat .*resume"):
            fringefleet.run(job(stack, on_failure=failures))
    file.write_bytes(whole)
    resume = job(stack, existing="resume")
    assert fringefleet.run(resume).n_resumed == 3
    assert_is_of_the_stack_as_it_is(resume)
    assert fringefleet.run(job(stack, existing="resume")).n_resumed == 4


def test_an_array_that_is_not_read_may_change(stack):
    options = fringefleet.Options(weight_func="no")
    fringefleet.run(
        job(stack, options=options), changing(stack, 2, lambda stack: rewrite(stack, "coherence"))
    )
    assert fringefleet.run(job(stack, options=options, existing="resume")).n_resumed == 4


def touch(stack):
    for file in stack.rglob("*"):
        file.touch()


def test_a_stack_that_is_touched_while_a_run_goes_on_ends_it_unless_that_is_accepted(stack):
    with pytest.raises(StackChangedError, match=r"of another time: .* give accept_touched"):
        fringefleet.run(job(stack), changing(stack, 4, touch))
    summary = fringefleet.run(job(stack, existing="resume", accept_touched=True))
    assert summary.n_resumed == 4
    assert (marks(stack) == 1).all()
    fringefleet.run(job(stack, existing="overwrite", accept_touched=True), changing(stack, 1, touch))


def test_a_lazy_stack_that_was_changed_after_it_was_opened_is_not_read(stack):
    opened = fringefleet.open_stack(stack, chunks=(8, 8))
    result = fringefleet.invert(opened)
    rewrite(stack)
    with pytest.raises(StackChangedError, match="1 changed: unwrapped_phase/"):
        result.displacement.compute(scheduler="synchronous")
    opened.unwrapped_phase[:, 16:24, 16:24].compute(scheduler="synchronous")
    again = fringefleet.open_stack(stack, chunks=(8, 8))
    assert again.unwrapped_phase.data.name != opened.unwrapped_phase.data.name
    xr.testing.assert_equal(opened.coherence.load(), again.coherence.load())
