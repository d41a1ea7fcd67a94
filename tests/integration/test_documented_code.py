"""The Python of the documents, as files, and their commands, in a folder that has what they read."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.image import imread
from typer.testing import CliRunner

import fringefleet
from documents import ALL, FOR_USERS, TOP, text_of
from fringefleet.cli import app
from fringefleet.cluster import plan_jobs
from fringefleet.cluster.config import read_cluster_config
from fringefleet.cluster.options import cluster_options
from fringefleet.simulate import Scene, simulate_stack
from good_inputs import write_mintpy
from unit.io.readers import checks, geotiffs, test_gmtsar

# What is not executed says so, and why: in a paragraph before the block, or in a comment of the line.
MARK = re.compile(r"^\*Not executed by the tests[^*:]*: [^*]+\*\n\n\Z", re.MULTILINE)
MARK_OF_LINE = re.compile(r"# .*not executed: (needs|waits for) \w")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# README's two commands, which install: .ci/run is made of them.
RUN_BY_CI = {"README.md": "pip install -c constraints.txt "}
# What a block would look like that BLOCK does not find.
HIDDEN = re.compile(r"^\s*(?:```|~~~).*|(?<=\n\n)    \S.*|<(?:pre|code)\b.*", re.MULTILINE)
EXECUTED_BY = {"deploy/README.md": {"A cluster that is running": "tests/integration/test_deploy.py"}}
DATA = {"toml", "text"}
SLOW = ("docs/tutorials/", "docs/how-to/buckets.md")


def blocks_of(document, language):
    """The blocks that are to be executed."""
    text = text_of(document)
    return [
        found[2]
        for found in BLOCK.finditer(text)
        if found[1] == language
        and not MARK.search(text[: found.start()])
        and not is_run_by_ci(document, found)
    ]


def is_run_by_ci(document, block):
    return document in RUN_BY_CI and block[2].startswith(RUN_BY_CI[document])


SNIPPETS = {
    f"{document} {number}": snippet
    for document in FOR_USERS
    for number, snippet in enumerate(blocks_of(document, "python"))
}
COMMANDS = {
    document: [
        shlex.split(re.sub(r"--shape (128 128|64 64)", "--shape 24 20", line), comments=True)
        for block in blocks_of(document, "bash")
        for line in block.splitlines()
        if not MARK_OF_LINE.search(line)
    ]
    for document in FOR_USERS
}
COMMANDS = {document: commands for document, commands in COMMANDS.items() if commands}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    for name in ("stack.zarr", "demo/stack.zarr"):
        (path / name).parent.mkdir(exist_ok=True)
        simulate_stack(Scene(n_date=6, shape=(64, 60)), path / name)
    options = fringefleet.Options(diagnose=True)
    fringefleet.run(fringefleet.Run(path / "stack.zarr", path / "diagnosed.zarr", options))
    return path


def in_turn(names):
    """What takes longer is for the long tests: tutorials go a long way."""
    return [pytest.param(name, marks=[pytest.mark.long] if name.startswith(SLOW) else []) for name in names]


@pytest.mark.cluster
@pytest.mark.parametrize("name", in_turn(SNIPPETS))
def test_each_snippet_of_python_runs_as_a_file(name, folder, monkeypatch):
    """In a process of its own, if it starts others; that of the tests has imported all it needs."""
    script = folder / f"snippet_{re.sub(r'[^a-z0-9]', '_', name.lower())}.py"
    script.write_text(SNIPPETS[name])
    if "__main__" not in SNIPPETS[name]:
        monkeypatch.chdir(folder)
        plt.switch_backend("agg")
        runpy.run_path(str(script), run_name="__main__")
        plt.close("all")
        return
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_picture_can_be_drawn_again(folder):
    fringefleet.run(fringefleet.Run(folder / "demo" / "stack.zarr", folder / "demo" / "result.zarr"))
    draw_demo = runpy.run_path(str(TOP / "docs" / "images" / "draw_demo.py"))["draw_demo"]
    draw_demo(folder / "demo", folder / "demo.png")
    assert imread(folder / "demo.png").std() > 0.05  # there is something on it


def test_there_are_snippets_and_one_starts_workers():
    assert len(SNIPPETS) >= 3
    assert any("fringefleet.connect(" in snippet for snippet in SNIPPETS.values())


@pytest.mark.parametrize("document", ALL)
def test_every_block_is_executed_or_data(document):
    assert {language for language, _ in BLOCK.findall(text_of(document))} <= DATA | {"python", "bash"}


def hidden_blocks(text):
    """Lines of code that no test would see: fences of other forms, in lists or tabs, indented text, HTML."""
    return HIDDEN.findall(re.sub(BLOCK, "", text))


@pytest.mark.parametrize("document", ALL)
def test_no_block_escapes_the_tests(document):
    assert hidden_blocks(text_of(document)) == []


@pytest.mark.parametrize(
    "text",
    [
        "~~~python\n1 / 0\n~~~\n",
        "- a list\n\n  ```python\n  1 / 0\n  ```\n",
        '=== "A tab"\n\n    ```bash\n    false\n    ```\n',
        '```python title="x.py"\n1 / 0\n```\n',
        "``` { .python .copy }\n1 / 0\n```\n",
        "Text.\n\n    1 / 0\n",
        "<pre><code>1 / 0</code></pre>\n",
        "```bash\nfalse\n",
    ],
)
def test_a_block_of_another_form_is_found(text):
    assert hidden_blocks(f"Text.\n\n{text}")


@pytest.mark.parametrize("document", sorted({*ALL} - {*FOR_USERS}))
def test_the_blocks_of_other_pages_of_the_site_are_marked_or_have_a_test_of_their_own(document):
    left = [block for language in ("python", "bash") for block in blocks_of(document, language)]
    for heading, test in EXECUTED_BY.get(document, {}).items():
        assert f'"{heading}"' in text_of(test)
        section = text_of(document).split(f"\n## {heading}\n")[1].split("\n## ")[0]
        left = [block for block in left if block not in section]
    assert left == []


@pytest.mark.parametrize("document", ALL)
def test_every_table_of_options_in_toml_is_accepted(document, tmp_path):
    for language, block in BLOCK.findall(text_of(document)):
        if language == "toml":
            whole = (
                block if "[cluster]" in block else f'[cluster]\ncluster = "slurm"\n[cluster.options]\n{block}'
            )
            (tmp_path / "cluster.toml").write_text(whole)
            options = cluster_options(**read_cluster_config(tmp_path / "cluster.toml"))
            if options.kind == "slurm":
                assert plan_jobs(options, is_submitted=False).n_job >= 1


@pytest.mark.parametrize(
    ("before", "is_marked"),
    [
        ("*Not executed by the tests: needs a GPU.*\n\n", True),
        ("Text.\n\n*Not executed by the tests of this page: needs\nSlurm.*\n\n", True),
        ("*Not executed by the tests: needs a GPU.*\n\nText.\n\n", False),
        ("*Not executed by the tests.*\n\n", False),
    ],
)
def test_a_mark_has_a_reason_and_stands_before_its_block(before, is_marked):
    assert bool(MARK.search(before)) is is_marked


@pytest.fixture
def project(tmp_path):
    """A folder with a stack, a MintPy project with offsets, a stack of offsets, and products of others."""
    simulate_stack(Scene(n_date=6, shape=(24, 20)), tmp_path / "stack.zarr")
    source = xr.open_zarr(tmp_path / "stack.zarr", consolidated=False, chunks=None).load()
    (tmp_path / "inputs").mkdir()
    for name in ("inputs/ifgramStack.h5", "inputs/ionStack.h5", "offsets.h5"):
        write_mintpy(source, tmp_path / name)
        with h5py.File(tmp_path / name, "r+") as file:
            phase = file["unwrapPhase"][()]
            for offset in ("range", "azimuth"):
                file[f"{offset}Offset"] = phase / 10
                file[f"{offset}OffsetStd"] = np.full_like(phase, 0.1)
            file["offsetSNR"] = np.full_like(phase, 10)
            file.attrs.update({"RANGE_PIXEL_SIZE": "2.3", "AZIMUTH_PIXEL_SIZE": "14"})
            file.attrs.update({"HEIGHT": "698834.2", "EARTH_RADIUS": "6337286.6", "PROCESSOR": "isce"})
    with h5py.File(tmp_path / "waterMask.h5", "w") as file:
        file["waterMask"] = np.ones(phase.shape[1:], bool)
        file.attrs.update({"FILE_TYPE": "waterMask", "LENGTH": "24", "WIDTH": "20"})
    (tmp_path / "smallbaselineApp.cfg").write_text("mintpy.networkInversion.minNumPixel = 1\n")
    shutil.copy(TOP / "deploy" / "slurm" / "gpu.toml", tmp_path)
    return tmp_path


@pytest.fixture
def products(project):
    """Beside the project, products of four processors."""
    stack = checks.simulated()
    geotiffs.hyp3_gamma(project / "hyp3_products", stack)
    geotiffs.licsar(project, stack)
    geotiffs.dolphin(project / "dolphin_work", stack)
    test_gmtsar.write_stack(project / "F1")


@pytest.fixture(scope="module")
def workers():
    """One worker for the commands of all documents: each start of its own takes seconds."""
    with fringefleet.connect("local", 1) as connected:
        yield [
            "--cluster",
            connected.client.scheduler.address,
            "--tls-credentials",
            str(connected.credentials),
        ]


@pytest.mark.cluster
@pytest.mark.parametrize("document", in_turn(COMMANDS))
def test_the_commands_run_one_after_the_other(document, project, workers, monkeypatch, request):
    """In this process, and on a worker that they join, unless they say how many they want."""
    if "hyp3_products" in text_of(document):
        request.getfixturevalue("products")
    monkeypatch.chdir(project)
    for program, *words in COMMANDS[document]:
        assert program == "fringefleet"
        if words[0] == "simulate":  # where somebody begins
            Path("stack.zarr").rename("before.zarr")
            Path("stack_truth.zarr").rename("before_truth.zarr")
        where = ["--cluster", "local"] if "--workers" in words else workers
        starts = words[0] in ("invert", "mintpy")
        done = CliRunner().invoke(app, [*words, *(where if starts else ())])
        assert done.exit_code == 0, f"{words}: {done.output}"


def test_there_are_commands_and_some_have_workers_of_their_own():
    commands = [words for commands in COMMANDS.values() for words in commands]
    assert len(commands) >= 15
    assert any("--workers" in words for words in commands)


def test_the_message_about_buckets_is_that_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (shown,) = (
        block for language, block in BLOCK.findall(text_of("docs/how-to/buckets.md")) if language == "text"
    )
    with pytest.raises(fringefleet.errors.InputError) as found:
        fringefleet.run("s3://bucket/stack.zarr", "result.zarr")
    assert str(found.value) == shown.strip()


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built with CUDA")
def test_the_message_about_a_torch_without_cuda_is_that_of_the_page(project, monkeypatch):
    monkeypatch.chdir(project)
    done = CliRunner().invoke(app, ["invert", "stack.zarr", "gpu.zarr", "--device", "cuda", "--workers", "0"])
    message = "a build without CUDA; --device cuda needs a CUDA build of torch and an NVIDIA driver."
    assert message in text_of("docs/how-to/gpus.md")
    assert (done.exit_code, message in " ".join(done.output.split())) == (2, True)
