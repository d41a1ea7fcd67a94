"""Options without effect and runs without an answer, as the command line meets them."""

import pytest
import xarray as xr
from typer.testing import CliRunner

from fringefleet.cli import app
from fringefleet.execution.job import Run
from fringefleet.options import Options
from fringefleet.pipeline import run
from fringefleet.simulate import Scene, simulate_stack

KEY = "mintpy.networkInversion."


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("idle") / "stack.zarr"
    simulate_stack(Scene(n_date=6, neighbours=2, shape=(12, 10)), path)
    return path


def call(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--mask-threshold", "0.5"],
            "found --mask-threshold 0.5, which has an effect only with --mask-dataset",
        ),
        (
            ["--huber-threshold", "2"],
            "found --huber-threshold 2.0, which has an effect only with --norm huber",
        ),
        (["--norm", "l1", "--std"], "found --std, which has an effect only with --norm l2 or huber"),
        (["--gpu-chunk-size", "9"], "found --gpu-chunk-size 9, which has an effect only with --device cuda"),
        (["--share-gpu"], "found --share-gpu, which has an effect only with --device cuda"),
        (
            ["--skip-reference", "--drop-unreferenced"],
            "--drop-unreferenced, which has an effect only with no --skip",
        ),
        (
            ["--weight-func", "no", "--looks", "5"],
            "found --looks 5, which has an effect only with --weight-func var",
        ),
        (
            ["--cluster", "tcp://h:1", "--worker-memory", "1GB"],
            "--worker-memory 1GB, which has an effect only with",
        ),
    ],
)
@pytest.mark.parametrize("command", ["invert", "plan"])
def test_the_command_line_refuses_what_has_no_effect_in_its_own_words(
    stack, tmp_path, command, args, message
):
    done = call(command, stack, tmp_path / "out.zarr", *args)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


def test_slurm_refuses_a_file_of_a_scheduler_that_is_not_started(tmp_path):
    done = call("slurm", "--dry-run", "--scheduler-file", tmp_path / "s.json")
    assert done.exit_code == 2
    assert "--scheduler-file" in done.stderr
    assert "which has an effect only with no --dry-run" in done.stderr


def test_a_template_says_so_in_one_line_and_runs(stack, tmp_path):
    template = tmp_path / "smallbaselineApp.cfg"
    template.write_text(f"{KEY}maskDataset = no\n{KEY}maskThreshold = 0.5\n{KEY}gpuChunkSize = 1000\n")
    done = call("invert", stack, tmp_path / "out.zarr", "-t", template)
    assert done.exit_code == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "without effect" in line]
    assert f"{KEY}maskThreshold = 0.5, {KEY}gpuChunkSize = 1000" in line
    assert xr.open_zarr(tmp_path / "out.zarr").attrs["mask_dataset"] == "none"


def test_a_threshold_of_the_template_serves_the_mask_of_the_command_line(stack, tmp_path):
    template = tmp_path / "smallbaselineApp.cfg"
    template.write_text(f"{KEY}maskThreshold = 0.3\n")
    done = call("invert", stack, tmp_path / "out.zarr", "-t", template, "--mask-dataset", "coherence")
    assert done.exit_code == 0, done.stderr
    assert "without effect" not in done.stderr
    assert xr.open_zarr(tmp_path / "out.zarr").attrs["mask_threshold"] == 0.3


def test_a_cluster_file_says_so_in_one_line(stack, tmp_path):
    config = tmp_path / "cluster.toml"
    config.write_text('[cluster]\ncluster = "local"\nshare_gpu = true\nn_worker = 1\ntls_ca = "ca.pem"\n')
    done = call("plan", stack, "--cluster-config", config, "--quick")
    assert done.exit_code == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "not used" in line]
    assert "--share-gpu, which has an effect only with --device cuda" in line
    assert "--tls-ca" in line


def test_more_redundancy_than_the_network_has_is_refused_before_any_work(stack, tmp_path):
    done = call("invert", stack, tmp_path / "out.zarr", "--min-redundancy", "99")
    assert done.exit_code == 2
    assert "found --min-redundancy 99, but 20180106 has only 2 pairs in the stack" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_without_any_answer_and_its_export_name_the_option(stack, tmp_path):
    result = tmp_path / "out.zarr"
    done = call("invert", stack, result, "--mask-dataset", "coherence", "--mask-threshold", "1")
    assert done.exit_code == 0, done.stderr
    assert "no pixel has an estimate (119 no_observation); check --mask-dataset coherence" in done.stderr
    exported = call("export", result, tmp_path / "mintpy", "--format", "mintpy")
    assert exported.exit_code == 0, exported.stderr
    assert "the products are zero everywhere: no pixel has an estimate" in exported.stderr


def test_python_says_the_same_in_words_of_python(stack, tmp_path, caplog):
    run(Run(stack, tmp_path / "out.zarr", Options(mask_dataset="coherence", mask_threshold=1.0)))
    assert "no pixel has an estimate" in caplog.text
    assert "mask_dataset = coherence with mask_threshold = 1.0" in caplog.text


def test_a_run_with_answers_says_nothing_of_the_kind(stack, tmp_path):
    done = call("invert", stack, tmp_path / "out.zarr")
    assert done.exit_code == 0, done.stderr
    assert "no pixel has an estimate" not in done.stderr


def test_the_table_of_statuses_has_no_rows_of_zeros(stack, tmp_path):
    done = call("invert", stack, tmp_path / "out.zarr")
    start = done.stderr.index("Status")
    rows = done.stderr[start:].splitlines()[1:]
    assert [row.split("  ")[0] for row in rows if "%" in row] == ["ok", "reference point"]
