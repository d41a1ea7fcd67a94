"""Results and options of earlier versions: opened, drawn and exported, or refused with what to do instead."""

import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import fringefleet
from fringefleet.cli import app
from fringefleet.errors import OptionError, OtherOriginError
from fringefleet.execution.check import check
from fringefleet.execution.report_reader import read_report
from fringefleet.io.store.open_result import open_result

RESULT = Path(__file__).parents[1] / "data" / "result_of_cbd8806.zip"  # 2026-11, with --bridge none
FINGERPRINT = "fingerprint"


@pytest.fixture
def result(tmp_path):
    """Unpack a result of the version cbd8806 with its report and its stack."""
    zipfile.ZipFile(RESULT).extractall(tmp_path)
    return tmp_path / "result.zarr"


def call(*arguments):
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    return done.exit_code, done.output


def test_a_result_opens_with_its_series_and_its_status(result):
    opened = open_result(result)
    status = opened.status.values
    cut = status == fringefleet.Status.NOT_GAP_FILLED
    assert (cut.sum(), (status == fringefleet.Status.OK).sum()) == (12, 179)
    assert np.isfinite(opened.displacement.values[:, ~cut]).all()
    assert opened.attrs["bridge"] == "none"


def test_a_result_is_shown_drawn_and_exported(result, tmp_path):
    code, text = call("info", result)
    assert code == 0, text
    assert re.search(r"Tiles done +2 of 2", text)
    assert "bridge none" in " ".join(text.split())
    code, text = call("plot", result, tmp_path / "plots")
    assert code == 0, text
    assert (tmp_path / "plots" / "maps.png").stat().st_size > 10_000
    code, text = call("export", result, tmp_path / "mintpy")
    assert code == 0, text
    with h5py.File(tmp_path / "mintpy" / "timeseries.h5") as file:
        series = open_result(result).displacement.values
        assert np.array_equal(file["timeseries"][:], np.nan_to_num(series)) or np.array_equal(
            file["timeseries"][:], series, equal_nan=True
        )


def test_its_report_is_read(result):
    path = result.with_name("result.zarr.report.json")
    fingerprint = re.search(r'"fingerprint": "(\w+)"', path.read_text())[1]
    assert read_report(path, fingerprint) is not None


@pytest.mark.parametrize("gap_rule", ["none", "minimum-norm"])
def test_it_is_not_resumed_but_replaced_at_the_user_s_word(result, tmp_path, gap_rule):
    options = fringefleet.Options(gap_rule=gap_rule)
    stack = tmp_path / "stack.zarr"
    with pytest.raises(OtherOriginError, match="made by an older version"):
        check(fringefleet.Run(stack, result, options, existing="resume"))
    code, text = call("invert", stack, result, "--gap-rule", gap_rule, "--resume")
    said = " ".join(text.split())
    assert code == 2
    assert "made by an older version" in said
    assert "--overwrite" in said
    before = open_result(result).displacement.load()
    fringefleet.run(fringefleet.Run(stack, result, options, existing="overwrite"))
    after = open_result(result)
    there = np.isfinite(before.values) & np.isfinite(after.displacement.values)
    assert there.sum() > 800
    assert np.abs(before.values - after.displacement.values)[there].max() < 1e-6
    assert "gap_filled" in after


def test_an_option_that_was_renamed_is_refused_with_its_new_name(result, tmp_path):
    code, text = call("invert", tmp_path / "stack.zarr", tmp_path / "new.zarr", "--bridge", "linear")
    assert code == 2
    assert "--bridge is now called --gap-rule" in text
    with pytest.raises(OptionError, match=r"unknown option bridge\. It is now called gap_rule\."):
        fringefleet.invert(fringefleet.open_stack(tmp_path / "stack.zarr"), bridge="linear")
