"""Pairs that lack a file: refused with the option that leaves them out, in every reader of folders."""

import shutil

import h5py
import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet import Run, pipeline
from fringefleet.cli import app
from fringefleet.errors import OptionError, StackFormatError
from fringefleet.io import convert_stack
from unit.io.readers import checks
from unit.io.readers.layouts import STACKS, copy_of

NO_PHASE = {  # and what is said of it
    "HyP3 GAMMA": (
        "S1AA_20180106*/*_unw_phase.tif",
        "no _unw_phase.tif in 1 folders of pairs: S1AA_20180106",
    ),
    "HyP3 burst": ("S1_136231_IW2_20180106*/*_unw_phase.tif", "no _unw_phase.tif in 1 folders of pairs: S1_"),
    "LiCSAR": ("GEOC/20180106_*/*.unw.tif", r"no \.geo\.unw\.tif in 1 folders of pairs: 20180106_"),
    "ISCE2": (
        "merged/interferograms/20180106_*/filt_fine.unw.*[lt]",
        "no filt_fine.unw .* in 1 folders of pairs",
    ),
    "GMTSAR": ("intf_all/2018005_*/unwrap.grd", "no unwrap.grd in 1 folders of pairs: 2018005_"),
}
NO_COHERENCE = {
    "HyP3 GAMMA": "S1AA_20180106*/*_corr.tif",
    "HyP3 burst": "S1_136231_IW2_20180106*/*_corr.tif",
    "LiCSAR": "GEOC/20180106_*/*.cc.tif",
    "dolphin": "interferograms/20180106_*.int.cor.tif",
    "ISCE2": "merged/interferograms/20180106_*/filt_fine.cor.*",
    "GMTSAR": "intf_all/2018005_*/corr.grd",
}


def remove_first(root, pattern):
    """Remove what one pair has of a pattern."""
    files = sorted(root.glob(pattern))
    first = [file for file in files if file.parent == files[0].parent]
    for file in first[:1] if "cor.tif" in pattern else first:
        file.unlink()


def remove_coherence(name, root):
    if name == "GUNW":
        with h5py.File(min(root.glob("*.nc")), "r+") as file:
            del file["science/grids/data/coherence"]
    elif name == "ARIA-tools":
        path = root / "stack" / "cohStack.vrt"
        content = path.read_text()
        first = content[content.index("  <VRTRasterBand") : content.index("</VRTRasterBand>") + 16]
        path.write_text(content.replace(first, ""))
    else:
        remove_first(root, NO_COHERENCE[name])


@pytest.mark.parametrize("name", NO_PHASE)
def test_a_folder_without_phase_is_refused_or_left_out(name, tmp_path, caplog):
    root = copy_of(name, tmp_path)
    pattern, message = NO_PHASE[name]
    remove_first(root, pattern)
    with pytest.raises(StackFormatError, match=rf"{message}.*drop_incomplete = True"):
        fringefleet.open_stack(root)
    stack = fringefleet.open_stack(root, drop_incomplete=True)
    assert stack.sizes["pair"] == 8
    assert "; they are omitted" in caplog.text
    first = checks.text_dates(checks.simulated())[0]
    assert first not in checks.text_dates(stack)


@pytest.mark.parametrize("name", STACKS)
def test_a_pair_without_coherence_is_refused_or_left_out(name, tmp_path, caplog):
    root = copy_of(name, tmp_path)
    remove_coherence(name, root)
    with pytest.raises(StackFormatError, match=r"no coherence for 1 of 9 pairs: .*drop_incomplete = True"):
        fringefleet.open_stack(root)
    stack = fringefleet.open_stack(root, drop_incomplete=True)
    assert stack.sizes["pair"] == 8
    assert "found no coherence for 1 of 9 pairs" in caplog.text


@pytest.mark.parametrize("name", ["LiCSAR", "GMTSAR", "ISCE2", "HyP3 GAMMA"])
def test_a_complete_stack_is_the_same_with_the_option(name, tmp_path):
    root = copy_of(name, tmp_path)
    plain, dropping = (fringefleet.open_stack(root, drop_incomplete=drop) for drop in (False, True))
    assert plain.identical(dropping)


def test_two_pairs_that_lack_different_files_are_both_left_out(tmp_path):
    root = copy_of("LiCSAR", tmp_path)
    remove_first(root, NO_PHASE["LiCSAR"][0])
    (root / "GEOC" / "20180118_20180130" / "20180118_20180130.geo.cc.tif").unlink()
    assert fringefleet.open_stack(root, drop_incomplete=True).sizes["pair"] == 7


def test_if_nothing_is_left_that_is_said(tmp_path):
    root = copy_of("HyP3 burst", tmp_path)
    for product in sorted(root.iterdir())[2:]:
        shutil.rmtree(product)
    min(root.rglob("*_corr.tif")).unlink()
    max(root.rglob("*_conncomp.tif")).unlink()
    with pytest.raises(StackFormatError, match=r"every pair lacks one of .*: none is left"):
        fringefleet.open_stack(root, drop_incomplete=True)


@pytest.mark.parametrize("command", ["info", "plan", "convert", "plot", "invert"])
def test_every_command_that_opens_a_stack_takes_the_option(command, tmp_path, caplog):
    root = copy_of("LiCSAR", tmp_path)
    (root / "GEOC" / "20180106_20190101").mkdir()
    given = {
        "info": [root],
        "plan": [root, "--quick", "--reference-point", *checks.POINT, "--weight-func", "no"],
        "convert": [root, tmp_path / "copy.zarr"],
        "plot": [root, tmp_path / "pictures"],
        "invert": [root, tmp_path / "out.zarr", "--resume", "--overwrite"],  # refused before any work
    }[command]
    texts = [command, *map(str, given)]
    if command != "invert":
        result = CliRunner().invoke(app, texts)
        assert result.exit_code == 2
        assert "--drop-incomplete" in result.stderr
    result = CliRunner().invoke(app, [*texts, "--drop-incomplete"])
    assert result.exit_code == (2 if command == "invert" else 0), result.stderr
    assert "No such option" not in result.stderr


def test_a_run_leaves_them_out_too(tmp_path):
    root = copy_of("LiCSAR", tmp_path)
    (root / "GEOC" / "20180106_20190101").mkdir()
    setting = fringefleet.Setting(reference_point=checks.POINT, looks=20)
    job = {"stack": root, "output": tmp_path / "out.zarr", "setting": setting}
    with pytest.raises(StackFormatError, match="drop_incomplete = True"):
        pipeline.check(Run(**job))
    assert pipeline.check(Run(**job, drop_incomplete=True)).prepared.scene.network.n_pair == 9


def test_the_option_is_refused_where_it_means_nothing(tmp_path):
    root = copy_of("LiCSAR", tmp_path)
    convert_stack(root, tmp_path / "copy.zarr")
    with pytest.raises(OptionError, match=r"drop_incomplete = True with a stack that is Zarr"):
        fringefleet.open_stack(tmp_path / "copy.zarr", drop_incomplete=True)
    setting = fringefleet.Setting(reference_point=checks.POINT, looks=20)
    fringefleet.run(Run(tmp_path / "copy.zarr", tmp_path / "result.zarr", setting=setting))
    for command in (["info"], ["plot", str(tmp_path / "pictures")]):
        texts = [command[0], str(tmp_path / "result.zarr"), *command[1:], "--drop-incomplete"]
        result = CliRunner().invoke(app, texts)
        assert result.exit_code == 2
        assert "which is a result" in result.stderr
