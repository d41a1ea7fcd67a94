"""Whatever a stack is stored as: one that was changed is another one, and one that was not is the same."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Setting, pipeline
from fringefleet.errors import OutputExistsError
from fringefleet.io import convert_stack
from fringefleet.io.stack import source_version
from long_cases import long_but
from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar, test_gunw, test_isce
from unit.mintpy_stack import ATTRIBUTES

SETTING = Setting(reference_point=checks.POINT, wavelength=0.0555, looks=39)


def mintpy(folder):
    stack = checks.simulated()
    folder.mkdir()
    with h5py.File(folder / "ifgramStack.h5", "w") as file:
        file["date"] = np.array(checks.text_dates(stack), "S")
        file["unwrapPhase"], file["coherence"] = stack.unwrapped_phase.values, stack.coherence.values
        file["bperp"] = stack.perpendicular_baseline.values
        file.attrs.update({name: text for name, text in ATTRIBUTES.items() if "REF_" not in name})
    return folder / "ifgramStack.h5"


def netcdf(folder):
    folder.mkdir()
    checks.simulated().to_netcdf(folder / "stack.nc", engine="h5netcdf")
    return folder / "stack.nc"


def zarr_store(**how):
    def write(folder):
        stack = checks.simulated()
        encoding = {name: {"chunks": (5, 8, 8)} for name in stack.data_vars if stack[name].ndim == 3}
        if how.get("shards"):
            encoding = {name: given | {"shards": (10, 16, 16)} for name, given in encoding.items()}
        stack.to_zarr(
            folder / "s.zarr", zarr_format=how["zarr_format"], consolidated=False, encoding=encoding
        )
        return folder / "s.zarr"

    return write


LAYOUTS = {
    "MintPy": mintpy,
    "NetCDF": netcdf,
    "Zarr v2": zarr_store(zarr_format=2),
    "Zarr v3": zarr_store(zarr_format=3),
    "Zarr v3, shards": zarr_store(zarr_format=3, shards=True),
    "HyP3": lambda folder: geotiffs.hyp3_gamma(folder, checks.simulated()),
    "HyP3 in zips": lambda folder: geotiffs.pack(geotiffs.hyp3_gamma(folder, checks.simulated())),
    "LiCSAR": lambda folder: geotiffs.licsar(folder, checks.simulated()),
    "dolphin": lambda folder: geotiffs.dolphin(folder, checks.simulated()),
    "ISCE2": lambda folder: test_isce.write_work(folder) or folder,
    "ARIA-tools": lambda folder: test_aria.write_work(folder) or folder,
    "ARIA S1-GUNW": test_gunw.write_folder,
    "GMTSAR": lambda folder: test_gmtsar.write_stack(folder) or folder,
}


@pytest.fixture(params=long_but(LAYOUTS, "MintPy", "NetCDF", "Zarr v3, shards", "HyP3"))
def path(request, tmp_path):
    return LAYOUTS[request.param](tmp_path / "stack")


class EnoughError(Exception):
    pass


def interrupted(job):
    """Begin a run and end it after one tile."""

    def stop(_done):
        raise EnoughError

    with pytest.raises(EnoughError):
        fringefleet.run(job, on_progress=stop)


def job_for(path, tmp_path, **how):
    return Run(path, tmp_path / "result.zarr", Options(), SETTING, chunks=(8, 8), **how)


def used_file(path):
    """The largest file that is read."""
    version = source_version(fringefleet.open_stack(path, chunks=None))
    path, listing = Path(version.path), version.listing
    if "unwrapped_phase/" in "".join(listing.names):
        names = [name for name in listing.names if name.startswith("unwrapped_phase/")]
    else:
        names = list(listing.names)
    place = (
        path
        if names == ["."]
        else path / max(names, key=lambda name: listing.sizes[listing.names.index(name)])
    )
    return place, names[0] if names == ["."] else os.path.relpath(place, path)


def refused(job, match):
    with pytest.raises(OutputExistsError, match=match):
        pipeline.check(job)


def keys(path):
    """Dask's names of the variables, as they are opened in tiles, and cut later."""
    cut, whole = (fringefleet.open_stack(path, chunks=chunks) for chunks in ((8, 8), None))
    names = ("unwrapped_phase", "coherence")
    return [cut[name].data.name for name in names], [whole[name].chunk({"y": 8}).data.name for name in names]


def test_a_run_is_not_resumed_with_a_stack_that_was_changed_in_place(path, tmp_path):
    fringefleet.run(job_for(path, tmp_path))  # whole: a chunk that no finished tile was read from may change
    before = keys(path)
    assert keys(path) == before
    file, name = used_file(path)
    state = file.stat()
    with file.open("ab") as opened:
        opened.write(b"\0")
    shown = "the file itself" if name == "." else name
    for accept in (False, True):
        resume = job_for(path, tmp_path, existing="resume", accept_touched=accept)
        refused(
            resume,
            rf"two versions would be mixed: 1 changed: {shown} \({state.st_size + 1:,} bytes of .*, was ",
        )
    assert not set(keys(path)[0]) & set(before[0])
    assert keys(path)[1] != before[1]
    os.truncate(file, state.st_size)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert keys(path) == before
    assert pipeline.check(job_for(path, tmp_path, existing="resume")).n_left == 0


def test_a_stack_that_was_touched_is_resumed_at_the_user_s_word_alone(path, tmp_path):
    interrupted(job_for(path, tmp_path))
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(file, ns=(1, file.stat().st_mtime_ns + 1_234_567_890))
    resume = job_for(path, tmp_path, existing="resume")
    refused(resume, r"\d+ of another time: .* been touched, .* give accept_touched = True")
    summary = fringefleet.run(job_for(path, tmp_path, existing="resume", accept_touched=True))
    assert summary.n_resumed >= 1
    fringefleet.run(resume)  # the times are those that are noted now
    same = job_for(path, tmp_path)
    fringefleet.run(Run(path, tmp_path / "same.zarr", same.options, same.setting, chunks=same.chunks))
    results = [xr.open_zarr(tmp_path / f"{name}.zarr").load() for name in ("result", "same")]
    xr.testing.assert_identical(results[0].drop_attrs(), results[1].drop_attrs())


def test_how_a_path_is_spelled_and_where_a_stack_lies_is_no_content(path, tmp_path, monkeypatch):
    interrupted(job_for(path, tmp_path))
    link, folder = tmp_path / "link", tmp_path / "folder"
    link.symlink_to(path)
    folder.mkdir()
    monkeypatch.chdir(folder)
    relative = os.path.relpath(path)
    (tmp_path / "moved").symlink_to(tmp_path)
    for spelled in (
        link,
        relative,
        f"{tmp_path}/folder/../{relative[3:]}",
        tmp_path / "moved" / relative[3:],
    ):
        assert pipeline.check(job_for(spelled, tmp_path, existing="resume")).n_left < 9
    if "tools" not in path.name and not list(path.rglob("*.vrt")):  # these name where files are
        copy = tmp_path / "copy" / path.name
        copy.parent.mkdir()
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, copy)
        assert pipeline.check(job_for(copy, tmp_path, existing="resume")).n_left < 9


def test_a_converted_stack_has_a_version_of_its_own(path, tmp_path):
    convert_stack(path, tmp_path / "a.zarr")
    convert_stack(path, tmp_path / "b.zarr")
    a, b = (source_version(fringefleet.open_stack(tmp_path / f"{name}.zarr")) for name in "ab")
    assert (a.listing.names, a.n_file, a != b) == (b.listing.names, b.n_file, True)
