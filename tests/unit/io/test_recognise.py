"""Choice of the reader: each against the stacks of all others, folders that hold two, and --reader."""

import itertools
import json
import logging
import re
import shutil

import h5py
import pytest
import xarray as xr
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run, pipeline
from fringefleet.cli import app
from fringefleet.errors import KindError, OptionError, StackFormatError
from fringefleet.io.describe import describe
from fringefleet.io.files.folder import list_folder
from fringefleet.io.readers import READERS, hyp3
from fringefleet.io.recognise import recognise
from fringefleet.io.stack import reader_of
from good_inputs import write_good_inputs
from unit.io.readers import checks, geotiffs, test_aria, test_gmtsar
from unit.io.readers.layouts import STACKS, copy_of

EVIDENCE = {  # of the stacks that the tests have: the reader, and what it sees
    "hyp3": ("hyp3", r"S1AA_[\w]+/S1AA_\w+_unw_phase\.tif"),
    "hyp3 zips": ("hyp3", r"S1AA_\w+\.zip"),
    "licsar": ("licsar", r"20180106_20180118/20180106_20180118\.geo\.unw\.tif"),
    "isce": ("isce2", r"merged/interferograms/20180106_20180118/filt_fine\.unw\.vrt"),
    "aria": ("aria-tools", r"stack/unwrapStack\.vrt"),
    "gmtsar": ("gmtsar", r"intf_all/2018005_2018017/unwrap\.grd"),
    "gunw": ("gunw", r"S1-GUNW-\S+\.nc"),
    "dolphin": ("dolphin", r"unwrapped/20180106_20180118\.unw\.tif"),
    "zarr": ("zarr", r"zarr\.json"),
    "zarr 2": ("zarr", r"\.zgroup"),
    "netcdf": ("netcdf", "the variable unwrapped_phase"),
    "mintpy": ("mintpy", "the dataset unwrapPhase"),
}
NAMES = [reader.name for reader in READERS]
OF_LAYOUT = {  # readers of the stacks that are folders of pairs
    "HyP3 GAMMA": "hyp3",
    "LiCSAR": "licsar",
    "dolphin": "dolphin",
    "ISCE2": "isce2",
    "ARIA-tools": "aria-tools",
    "GUNW": "gunw",
    "GMTSAR": "gmtsar",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_inputs(tmp_path_factory.mktemp("good"))


def test_every_reader_has_a_stack_here_and_a_name_of_its_own():
    assert {name for name, _ in EVIDENCE.values()} == set(NAMES)
    assert set(OF_LAYOUT.values()) == {reader.name for reader in READERS if reader.has_files_of_pairs}
    assert set(OF_LAYOUT) <= set(STACKS)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("kind", EVIDENCE)
def test_one_reader_alone_recognises_a_stack_and_says_by_what(kind, good):
    name, evidence = EVIDENCE[kind]
    seen = {reader.name: reader.find_evidence(good[kind]) for reader in READERS}
    assert re.fullmatch(evidence, seen.pop(name))
    assert set(seen.values()) == {None}
    found, shown = reader_of(fringefleet.open_stack(good[kind], chunks=None))
    assert found == name
    assert re.fullmatch(evidence, shown)


@pytest.mark.parametrize("kind", EVIDENCE)
def test_each_reader_by_name_takes_its_own_stacks_and_refuses_those_of_others(kind, good):
    own, evidence = EVIDENCE[kind]
    assert recognise(good[kind], own) == recognise(good[kind])
    for reader in READERS:
        if reader.name != own:
            message = (
                rf"found reader = {reader.name}, but nothing that it reads: .* looks like .*\({evidence}\)"
            )
            with pytest.raises(StackFormatError, match=message):
                fringefleet.open_stack(good[kind], reader=reader.name)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(OF_LAYOUT, 2)))
def test_a_folder_of_two_formats_is_refused_with_both_names_and_read_by_either(one, other, tmp_path):
    root = copy_of(one, tmp_path / "one")
    shutil.copytree(copy_of(other, tmp_path / "other"), root, dirs_exist_ok=True)
    names = {OF_LAYOUT[one], OF_LAYOUT[other]}
    with pytest.raises(StackFormatError, match="found the stacks of 2 formats: ") as error:
        fringefleet.open_stack(root)
    assert set(re.findall(r"reader = ([\w-]+\w)", str(error.value))) == names
    for name in names:
        evidence = next(shown for found, shown in EVIDENCE.values() if found == name)
        assert re.search(rf"\((GEOC/)?(dolphin_config.yaml and )?{evidence}\)", str(error.value))
        stack = fringefleet.open_stack(root, reader=name, chunks=None)
        assert reader_of(stack)[0] == name
        assert stack.sizes["pair"] == 9
        with pytest.raises(StackFormatError, match=r"it is what looks like .*, and "):
            fringefleet.open_stack(root, reader="zarr")


@pytest.mark.parametrize("layout", OF_LAYOUT)
def test_a_store_with_files_of_pairs_in_it_is_refused(layout, good, tmp_path):
    root = shutil.copytree(good["zarr"], tmp_path / "stack.zarr")
    shutil.copytree(copy_of(layout, tmp_path), root, dirs_exist_ok=True)
    with pytest.raises(StackFormatError, match=rf"Zarr \(zarr.json\), and .*reader = {OF_LAYOUT[layout]}"):
        fringefleet.open_stack(root)
    assert reader_of(fringefleet.open_stack(root, reader=OF_LAYOUT[layout]))[0] == OF_LAYOUT[layout]


def test_a_file_with_names_of_ours_and_of_mintpys_is_refused(good, tmp_path):
    path = shutil.copy(good["netcdf"], tmp_path / "both.h5")
    with h5py.File(good["mintpy"]) as source, h5py.File(path, "r+") as file:
        for name in ("unwrapPhase", "date"):
            source.copy(name, file)
    with pytest.raises(
        StackFormatError, match=r"the variable unwrapped_phase\), and .*the dataset unwrapPhase"
    ):
        fringefleet.open_stack(path)
    assert reader_of(fringefleet.open_stack(path, reader="mintpy"))[0] == "mintpy"
    assert recognise(path, "netcdf").evidence == "the variable unwrapped_phase"


def test_a_copy_in_netcdf_that_keeps_mintpys_attributes_is_not_mintpys(good, tmp_path):
    stack = fringefleet.open_stack(good["mintpy"], chunks=None).load()
    assert stack.attrs["FILE_TYPE"] == "ifgramStack"
    stack.to_netcdf(tmp_path / "copy.nc", engine="h5netcdf")
    assert recognise(tmp_path / "copy.nc").reader.name == "netcdf"


def test_a_grid_of_gmtsar_is_no_netcdf_stack(tmp_path):
    for classic in (False, True):
        root = test_gmtsar.write_stack(tmp_path / str(classic), geocoded=True, classic=classic)
        grid = min(root.rglob("unwrap_ll.grd"))
        assert recognise(grid).reader.name == "gmtsar"
        assert recognise(grid).evidence == f"{grid.parent.name}/unwrap_ll.grd"


@pytest.mark.parametrize("name", ["dolfin", "Zarr", "MINTPY", "roipac", ""])
def test_a_name_of_no_reader_is_refused_with_all_names(name, good):
    near = {"dolfin": "dolphin", "Zarr": "zarr", "MINTPY": "mintpy"}.get(name)
    with pytest.raises(
        OptionError, match=re.escape(f"found reader = {name!r}; give one of {', '.join(NAMES)}.")
    ) as error:
        fringefleet.open_stack(good["zarr"], reader=name)
    assert str(error.value).endswith(f"Did you mean {near}?" if near else f"{NAMES[-1]}.")
    with pytest.raises(KindError, match="found reader = 3"):
        fringefleet.open_stack(good["zarr"], reader=3)


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_that_is_named_refuses_an_empty_folder_and_a_text(name, tmp_path):
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "empty").mkdir()
    for path, what in (("a.txt", "a text file"), ("empty", "a folder with nothing in it")):
        with pytest.raises(
            StackFormatError, match=f"reader = {name}, but nothing that it reads: it is {what}"
        ):
            fringefleet.open_stack(tmp_path / path, reader=name)


def test_what_is_wrong_inside_says_as_what_it_was_read_and_why(good, tmp_path):
    root = shutil.copytree(good["dolphin"], tmp_path / "work")
    min(root.glob("interferograms/*.tif")).unlink()
    message = (
        r"no coherence for 1 of 9 .* It was read as dolphin GeoTIFF, because of unwrapped/20180106_\S+\.$"
    )
    with pytest.raises(StackFormatError, match=message):
        fringefleet.open_stack(root)


def test_folders_without_phases_are_not_listed_which_may_hold_all_chunks_of_a_store(good, monkeypatch):
    listed = []
    monkeypatch.setattr(hyp3, "list_folder", lambda folder: listed.append(folder) or list_folder(folder))
    assert recognise(good["zarr 2"]).reader.name == "zarr"
    assert set(listed) == {good["zarr 2"]}
    listed.clear()
    assert recognise(good["hyp3"]).reader.name == "hyp3"
    assert len(set(listed)) == 2  # the first product is enough


class TestDolphin:
    @pytest.fixture
    def work(self, tmp_path):
        return geotiffs.dolphin(tmp_path / "dolphin", checks.simulated())

    @pytest.fixture
    def flat(self, work):
        """A folder of unwrapped phases and coherences, beside each other."""
        root = work.with_name("flat")
        root.mkdir()
        for file in [*work.glob("unwrapped/*.tif"), *work.glob("interferograms/*.tif")]:
            file.rename(root / file.name)
        return root

    def test_its_folder_unwrapped_or_its_configuration_is_needed(self, work, flat):
        with pytest.raises(
            StackFormatError, match=r"found no stack: it is a folder with .*give reader = dolphin\."
        ):
            fringefleet.open_stack(flat)
        stack = fringefleet.open_stack(flat, reader="dolphin")
        assert "coherence" in stack
        assert reader_of(stack) == ("dolphin", "20180106_20180118.unw.tif")
        (flat / "dolphin_config.yaml").write_text("input_options: {}\n")
        assert recognise(flat).evidence == "dolphin_config.yaml and 20180106_20180118.unw.tif"
        (flat / "dolphin_config.yaml").unlink()
        named = flat.rename(work / "elsewhere")
        shutil.rmtree(work / "unwrapped")
        assert recognise(named.rename(work / "unwrapped")).evidence == "20180106_20180118.unw.tif"
        assert recognise(work).evidence == "unwrapped/20180106_20180118.unw.tif"

    def test_its_configuration_alone_is_not_enough(self, tmp_path):
        (tmp_path / "dolphin_config.yaml").write_text("input_options: {}\n")
        for name in (None, "dolphin"):
            with pytest.raises(StackFormatError, match=r"it is a folder with dolphin_config\.yaml"):
                fringefleet.open_stack(tmp_path, reader=name)

    def test_it_does_not_take_files_of_others_that_end_alike(self, flat):
        for file in flat.glob("*.unw.tif"):
            file.rename(file.with_name(file.name.replace(".unw.tif", ".geo.unw.tif")))
        assert recognise(flat).reader.name == "licsar"

    @pytest.mark.parametrize(
        "ending", [".cor.tif", ".cc.tif", ".coh.vrt", ".int.COR.tif", ".coherence.tif", ".corr.grd"]
    )
    @pytest.mark.parametrize("place", ["unwrapped", "interferograms", "interferograms/deep"])
    def test_coherences_of_another_name_are_not_lost(self, ending, place, work):
        (work / place).mkdir(exist_ok=True)
        for file in list(work.glob("interferograms/*.int.cor.tif")):
            file.rename(work / place / file.name.replace(".int.cor.tif", ending))
        message = rf"no coherence .*, but 20180106_20180118{re.escape(ending)}, .* \(9 in all\)"
        with pytest.raises(StackFormatError, match=message):
            fringefleet.open_stack(work)

    def test_coherences_of_other_pairs_only_are_not_lost(self, work):
        for file in list(work.glob("interferograms/*.int.cor.tif")):
            file.rename(file.with_name(file.name.replace("_", "T001225_")))
        with pytest.raises(
            StackFormatError, match=r"but 20180106T001225_20180118\.int\.cor\.tif, .*rename them"
        ):
            fringefleet.open_stack(work)

    def test_other_files_are_no_coherences(self, work, caplog):
        shutil.rmtree(work / "interferograms")
        (work / "interferograms").mkdir()
        for name in ("temporal_coherence_average_20180106_20180118.tif", "20180106_20180118.int.tif"):
            (work / "interferograms" / name).touch()
        with caplog.at_level(logging.WARNING):
            assert "coherence" not in fringefleet.open_stack(work)
        assert "without the coherence: found none for any of the 9 pairs" in caplog.text


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        ("HyP3 GAMMA", "*/*_corr.tif"),
        ("HyP3 burst", "*/*_corr.tif"),
        ("LiCSAR", "GEOC/*/*.cc.tif"),
        ("dolphin", "interferograms/*.int.cor.tif"),
        ("ISCE2", "merged/interferograms/*/filt_fine.cor*"),
        ("GMTSAR", "intf_all/*/corr.grd"),
        ("ARIA-tools", "stack/cohStack.vrt"),
        ("GUNW", "*.nc"),
    ],
)
def test_a_stack_without_any_coherence_says_so(layout, pattern, tmp_path, caplog):
    root = copy_of(layout, tmp_path)
    for file in sorted(root.glob(pattern)):
        if file.suffix == ".nc":
            with h5py.File(file, "r+") as product:
                del product["science/grids/data/coherence"]
        else:
            file.unlink()
    with caplog.at_level(logging.WARNING):
        assert "coherence" not in fringefleet.open_stack(root)
    assert caplog.text.count("without the coherence: ") == 1


def test_extracted_files_of_aria_tools_are_its_evidence_too(tmp_path):
    test_aria.write_work(tmp_path)
    shutil.rmtree(tmp_path / "stack")
    assert recognise(tmp_path).evidence.startswith("unwrappedPhase/")


class TestCommands:
    @pytest.fixture
    def mixed(self, tmp_path):
        root = copy_of("dolphin", tmp_path)
        return shutil.copytree(copy_of("HyP3 GAMMA", tmp_path / "other"), root, dirs_exist_ok=True)

    def call(self, *words):
        return CliRunner().invoke(app, list(map(str, words)))

    @pytest.mark.parametrize("command", ["info", "convert", "invert", "plan", "plot"])
    def test_every_command_refuses_two_and_takes_the_one_that_is_named(self, command, mixed, tmp_path):
        output = {"info": (), "plot": (tmp_path / "out",)}.get(command, (tmp_path / "out.zarr",))
        words = (command, mixed, *output)
        if command in ("invert", "plan"):
            words += ("--reference-point", *checks.POINT, "--workers", 0, "--weight-func", "no")
        done = self.call(*words)
        assert done.exit_code == 2
        assert "--reader dolphin or --reader hyp3" in " ".join(done.stderr.split())
        done = self.call(*words, "--reader", "dolfin")
        assert "--reader 'dolfin'" in done.stderr
        assert "Did you mean dolphin?" in " ".join(done.stderr.split())
        done = self.call(*words, *(("--quick",) if command == "plan" else ()), "--reader", "hyp3")
        assert done.exit_code == 0, done.stderr

    def test_info_shows_the_reader_and_what_it_saw(self, mixed):
        done = self.call("info", mixed, "--reader", "dolphin")
        text = " ".join(done.stdout.split())
        assert "by the reader dolphin, because of unwrapped/20180106_20180118.unw.tif" in text
        found = json.loads(self.call("info", mixed, "--reader", "dolphin", "--json").stdout)
        assert (found["reader"], found["evidence"]) == ("dolphin", "unwrapped/20180106_20180118.unw.tif")

    def test_info_lists_the_readers_by_the_names_that_the_option_takes(self):
        lines = self.call("info", "--formats").stdout.splitlines()
        assert [line.split()[0] for line in lines if line.split() and line.split()[0] in NAMES] == NAMES

    def test_a_result_has_no_reader(self, good, tmp_path):
        for command in (("info",), ("plot", tmp_path)):
            done = self.call(command[0], good["result"], *command[1:], "--reader", "zarr")
            assert done.exit_code == 2
            assert "--reader zarr with" in done.stderr
        found = describe(good["result"])
        assert (found.reader, found.evidence) == (None, None)

    def test_a_run_in_python_takes_it(self, mixed, tmp_path):
        setting = fringefleet.Setting(reference_point=checks.POINT, looks=10)
        with pytest.raises(StackFormatError, match="found the stacks of 2 formats"):
            pipeline.check(Run(mixed, tmp_path / "out.zarr", setting=setting))
        checked = pipeline.check(Run(mixed, tmp_path / "out.zarr", setting=setting, reader="dolphin"))
        assert isinstance(checked.prepared.stack, xr.Dataset)
        assert checked.prepared.stack.attrs["PROCESSOR"] == "dolphin"
