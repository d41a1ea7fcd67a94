"""What holds of every stack that is a folder of GeoTIFFs."""

import shutil

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr

import fringefleet
from fringefleet import Options, Run, Setting, pipeline
from fringefleet.errors import RunError, StackChangedError, StackFormatError
from fringefleet.io import convert_stack
from fringefleet.io.describe import describe
from fringefleet.io.stack import source_version, stored_tile
from fringefleet.io.writers.mintpy import export_mintpy
from long_cases import long_but
from unit.io.readers import checks, geotiffs

LAYOUTS = {
    "HyP3 GAMMA": geotiffs.hyp3_gamma,
    "HyP3 GAMMA in zips": lambda folder, stack: geotiffs.pack(geotiffs.hyp3_gamma(folder, stack)),
    "HyP3 burst": geotiffs.hyp3_burst,
    "HyP3 multi-burst in zips": lambda folder, stack: geotiffs.pack(geotiffs.hyp3_burst(folder, stack, True)),
    "LiCSAR": geotiffs.licsar,
    "LiCSAR, all in one folder": lambda folder, stack: geotiffs.licsar(folder, stack, True),
    "old LiCSAR": lambda folder, stack: geotiffs.licsar(folder, stack, False, False),
    "dolphin": geotiffs.dolphin,
}
FEW = ("HyP3 GAMMA", "HyP3 multi-burst in zips", "LiCSAR")  # that differ most to who reads their pixels


@pytest.fixture(params=list(LAYOUTS))
def layout(request):
    return request.param


@pytest.fixture
def path(layout, tmp_path):
    return LAYOUTS[layout](tmp_path / "stack", checks.simulated())


def expected(layout):
    """The scene as the layout can hold it: LiCSAR keeps a coherence in a byte."""
    stack = checks.simulated()
    if layout in ("LiCSAR", "LiCSAR, all in one folder"):
        stored = np.round(stack["coherence"].values * 255).astype(np.float32)
        stack = stack.assign(coherence=(stack["coherence"].dims, stored * np.float32(1 / 255)))
    return stack


def images(folder, *endings):
    return [file for file in sorted(folder.rglob("*.tif")) if file.name.endswith(endings)]


def test_phase_and_coherence_are_those_of_the_scene_and_gaps_are_nan(path, layout):
    stack = fringefleet.open_stack(path)
    wanted = expected(layout)
    np.testing.assert_array_equal(stack["reference_date"], wanted["reference_date"])
    np.testing.assert_array_equal(stack["secondary_date"], wanted["secondary_date"])
    phase = stack["unwrapped_phase"].values
    known = np.isfinite(wanted["unwrapped_phase"].values)
    assert phase.dtype == np.float32
    np.testing.assert_array_equal(phase[known], wanted["unwrapped_phase"].values[known])
    assert (np.isnan(phase) | (phase == 0))[~known].all()
    coherence = stack["coherence"].values
    np.testing.assert_array_equal(coherence, wanted["coherence"])
    assert coherence.dtype == np.float32
    assert 0 <= coherence.min() < coherence.max() <= 1


def test_nothing_is_read_when_it_is_opened(path):
    checks.assert_lazy(fringefleet.open_stack(path, chunks=None))


def test_any_index_reads_what_numpy_would(path, layout):
    checks.assert_windows(path, expected(layout)["coherence"])


def test_an_array_travels(path):
    checks.assert_travels(path)


def test_a_block_is_one_task(path):
    checks.assert_one_task_a_block(path)


@pytest.mark.parametrize("layout", long_but(LAYOUTS, *FEW), indirect=True)
def test_a_run_gives_what_one_from_zarr_gives(path, layout, tmp_path):
    checks.assert_inverts_alike(path, tmp_path, expected(layout))


def test_the_lazy_form_inverts_it_too(path):
    stack = fringefleet.open_stack(path, chunks=(10, 24))
    result = fringefleet.invert(
        stack, weight_func="coh", reference_point=checks.POINT, wavelength=checks.simulated().wavelength
    ).isel(y=slice(0, 10))
    assert result["displacement"].isel(date=-1).notnull().mean() > 0.99


def test_it_is_described_by_the_files_that_are_read(path, layout):
    found = describe(path)
    assert found.kind == "stack"
    assert found.file_format.split()[0] == layout.removeprefix("old ").split()[0].rstrip(",")
    assert found.network.n_pair == 9
    if "zip" in layout:
        assert found.n_file == 9
    else:
        names = (
            "_unw_phase.tif",
            "_corr.tif",
            "_conncomp.tif",
            ".unw.conncomp.tif",
            ".cc.tif",
            ".int.cor.tif",
        )
        used = images(path, *names)
        used += [file for file in images(path, ".unw.tif") if ".filt." not in file.name]
        assert found.n_file == len(used)
        assert found.bytes_on_disk == sum(file.stat().st_size for file in used)


def test_the_name_of_a_task_follows_the_files(path):
    names = {fringefleet.open_stack(path, chunks=(8, 8))["coherence"].data.name for _ in range(2)}
    assert len(names) == 1
    file = sorted(file for file in path.rglob("*") if file.suffix in (".tif", ".zip"))[0]
    before = source_version(fringefleet.open_stack(path))
    file.touch()
    assert source_version(fringefleet.open_stack(path)) != before
    assert fringefleet.open_stack(path, chunks=(8, 8))["coherence"].data.name not in names


def test_a_file_that_changes_or_goes_after_opening_is_an_error_that_names_it(path):
    stack = fringefleet.open_stack(path, chunks=None)
    files = [file for file in path.rglob("*") if file.suffix in (".tif", ".zip") and "filt" not in file.name]
    used = [file for file in files if file.name.endswith((".zip", "_corr.tif", ".cc.tif", ".cor.tif"))]
    used[0].touch()
    with pytest.raises(StackChangedError, match=rf"changed after .* 1 of another time: .*{used[0].name} \("):
        stack["coherence"].load()
    used[0].unlink()
    with pytest.raises(RunError, match=rf"can no longer be accessed from .* 1 gone: .*{used[0].name} \(was "):
        stack["coherence"].load()


@pytest.mark.parametrize("layout", long_but(LAYOUTS, *FEW), indirect=True)
@pytest.mark.parametrize("gone", [False, True])
def test_a_run_notices_a_file_that_changes_or_goes_under_it_and_names_it(path, tmp_path, gone):
    setting = Setting(reference_point=checks.POINT, wavelength=0.0555, looks=10)
    checked = pipeline.check(Run(path, tmp_path / "result.zarr", Options(), setting, chunks=(10, 24)))
    file = sorted([*path.rglob("*.zip"), *path.rglob("*unw_phase.tif"), *path.rglob("*[0-9]*.unw.tif")])[-1]
    if gone:
        shutil.rmtree(path)
    else:
        file.touch()
    with pytest.raises(
        RunError, match="can no longer be accessed from" if gone else f"changed after .*{file.name} "
    ):
        pipeline.compute(checked)


class TestWhatIsWrong:
    @pytest.fixture(params=["HyP3 GAMMA", "HyP3 burst", "LiCSAR", "dolphin"])
    def layout(self, request):
        return request.param

    @pytest.fixture
    def coherences(self, path):
        return images(path, "_corr.tif", ".geo.cc.tif", ".int.cor.tif")

    def rewrite(self, file, change):
        with rasterio.open(file) as old:
            values, profile = old.read(1), old.profile
        values, profile = change(values, profile)
        with rasterio.open(file, "w", **profile) as new:
            new.write(values, 1)

    def test_another_size_of_pixels_names_the_odd_file_and_both_grids(self, path, coherences):
        def cut(values, profile):
            at = profile["transform"]
            return values[:-1], profile | {
                "height": values.shape[0] - 1,
                "transform": at @ at.scale(1, 20 / 19),
            }

        self.rewrite(coherences[3], cut)
        message = rf"pixels of .*{coherences[3].name} are 19 x 24 pixels .*most others 20 x 24 .*resample"
        with pytest.raises(StackFormatError, match=message):
            fringefleet.open_stack(path)

    def test_another_place_is_another_grid_but_a_rounding_error_is_not(self, path, coherences):
        def moved(by):
            def move(values, profile):
                at = profile["transform"]
                return values, profile | {"transform": at @ at.translation(by, 0)}

            return move

        self.rewrite(coherences[2], moved(1e-4))
        fringefleet.open_stack(path)
        self.rewrite(coherences[2], moved(0.5))
        with pytest.raises(
            StackFormatError, match=f"{coherences[2].name} are 20 x 24 .*from y = .*most others"
        ):
            fringefleet.open_stack(path)

    def test_another_crs_names_the_odd_file(self, path, coherences):
        self.rewrite(coherences[5], lambda values, profile: (values, profile | {"crs": "EPSG:32613"}))
        with pytest.raises(StackFormatError, match=rf"{coherences[5].name} are .*\(EPSG:32613\)"):
            fringefleet.open_stack(path)

    def test_two_bands_are_refused(self, path, coherences):
        file = coherences[0]
        with rasterio.open(file) as old:
            values, profile = old.read(1), old.profile | {"count": 2}
        with rasterio.open(file, "w", **profile) as new:
            new.write(np.stack([values, values]))
        with pytest.raises(StackFormatError, match=f"found 2 bands in .*{file.name}; one is needed"):
            fringefleet.open_stack(path)

    def test_a_missing_coherence_names_its_pair(self, path, coherences):
        coherences[4].unlink()
        first, second = checks.text_dates(checks.simulated())[4]
        with pytest.raises(StackFormatError, match=rf"no coherence for 1 of 9 pairs: .*{first}.*{second}"):
            fringefleet.open_stack(path)

    def test_without_any_coherence_an_inversion_without_weights_remains(self, path, coherences):
        for file in coherences:
            file.unlink()
        stack = fringefleet.open_stack(path)
        assert "coherence" not in stack
        setting = {"reference_point": checks.POINT, "wavelength": 0.0555}
        result = fringefleet.invert(stack, weight_func="no", mask_dataset=None, **setting)
        assert result["displacement"].isel(date=-1).notnull().mean() > 0.99
        with pytest.raises(StackFormatError, match="found no coherence in the stack"):
            fringefleet.invert(stack, weight_func="var", looks=10, **setting)

    def test_no_raster_at_all_is_found_at_opening(self, path, coherences):
        coherences[1].write_bytes(b"II*\0" + bytes(20))
        with pytest.raises(StackFormatError, match=f"{coherences[1].name} cannot be read"):
            fringefleet.open_stack(path)

    def test_a_truncated_file_is_named_at_the_latest_when_it_is_read(self, path, coherences):
        for file in coherences:
            file.write_bytes(file.read_bytes()[:-300])
        with pytest.raises(StackFormatError, match=r"(_corr|cc|cor)\.tif cannot be read .*truncated"):
            fringefleet.open_stack(path)["coherence"].load()

    def test_a_name_without_dates_is_refused(self, path):
        def renamed(text):
            return text.replace("20180118", "20181x18")

        folders = sorted(path.rglob("*20180106*20180118*"), key=lambda item: -len(item.parts))
        for item in folders:
            item.rename(item.with_name(renamed(item.name)))
        with pytest.raises(StackFormatError, match=r"20181x18.* whose name lacks two dates"):
            fringefleet.open_stack(path)

    def test_a_date_that_no_calendar_has_names_the_pair(self, path):
        for item in sorted(path.rglob("*20180106*20180118*"), key=lambda item: -len(item.parts)):
            item.rename(item.with_name(item.name.replace("20180118", "20180132")))
        with pytest.raises(StackFormatError, match=r"20180106.*20180132.*: found the date '20180132'"):
            fringefleet.open_stack(path)


def test_a_folder_of_something_else_is_named_and_how_to_list_the_formats(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(StackFormatError, match=r"a folder with photos/\. .*info --formats"):
        fringefleet.open_stack(tmp_path)


def test_blocks_of_the_files_are_the_steps_of_tiles(tmp_path):
    stack = fringefleet.open_stack(geotiffs.dolphin(tmp_path, checks.simulated()), chunks=None)
    assert stored_tile(stack) == (16, 16)
    assert stack["unwrapped_phase"].encoding["preferred_chunks"]["pair"] == 1


def test_a_copy_in_zarr_is_the_same_stack(path, tmp_path):
    convert_stack(path, tmp_path / "copy.zarr")
    stack, copy = fringefleet.open_stack(path), fringefleet.open_stack(tmp_path / "copy.zarr")
    xr.testing.assert_equal(stack, copy)
    assert copy.attrs == stack.attrs


def test_mintpy_files_of_a_result_say_where_it_is_and_who_saw_it(tmp_path):
    folder = geotiffs.hyp3_gamma(tmp_path / "hyp3", checks.simulated())
    setting = Setting(reference_point=checks.POINT)
    fringefleet.run(Run(folder, tmp_path / "result.zarr", Options(), setting))
    export_mintpy(tmp_path / "result.zarr", tmp_path)
    with h5py.File(tmp_path / "timeseries.h5") as file:
        said = dict(file.attrs)
        assert file["timeseries"].shape == (6, 20, 24)
    expected = {
        "X_FIRST": "440000.0",
        "Y_STEP": "-80.0",
        "X_UNIT": "meters",
        "EPSG": "32614",
        "PLATFORM": "Sen",
    }
    expected |= {"ORBIT_DIRECTION": "ASCENDING", "PROCESSOR": "hyp3", "RLOOKS": "20", "WIDTH": "24"}
    assert {name: said[name] for name in expected} == expected
    assert float(said["WAVELENGTH"]) == pytest.approx(0.0554657, abs=1e-7)
    assert [int(said["REF_Y"]), int(said["REF_X"])] == list(checks.POINT)
