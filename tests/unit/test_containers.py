"""Dockerfile and Apptainer definition: what can be said of them without building them."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "deploy" / "container"


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile and what they are given, lines that go on put together."""
    text = re.sub(r"\\\n\s*", "", (CONTAINER / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def all_of(name: str) -> list[str]:
    return [given for instruction, given in instructions() if instruction == name]


def sections() -> dict[str, list[str]]:
    """Sections of the Apptainer definition, lines each; the one without a name is its head."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in (CONTAINER / "fringefleet.def").read_text().splitlines():
        if line.startswith("%"):
            name = line.removeprefix("%").strip()
            found[name] = []
        elif line.strip() and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found


def commands_of_dockerfile() -> list[str]:
    return [command.strip() for run in all_of("RUN") for command in run.split("&&")]


def test_both_start_from_the_same_image_of_a_pinned_version():
    (image,) = all_of("FROM")
    head = dict(line.split(": ") for line in sections()[""])
    assert head == {"Bootstrap": "docker", "From": image}
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-[a-z]+", image)[1]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert float(version.split(".")[1]) >= float(wanted.removeprefix(">=").split(".")[1])


def test_both_copy_the_same_files_which_exist_and_are_what_a_build_needs():
    copied = {source for given in all_of("COPY") for source in given.split()[:-1]}
    assert copied == {line.split()[0] for line in sections()["files"]}
    assert all(line.split()[1] == f"/opt/fringefleet/{line.split()[0]}" for line in sections()["files"])
    assert all((ROOT / name).exists() for name in copied)
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    readme = read["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["fragments"]
    needed = {"pyproject.toml", "src", *(part["path"] for part in readme), *read["project"]["license-files"]}
    assert copied == needed | {"constraints.txt"}


def test_both_install_the_same_with_extras_that_there_are():
    post = sections()["post"]
    for word in ("apt-get install", "pip install"):
        (ours,) = [command for command in commands_of_dockerfile() if command.startswith(word)]
        assert [line for line in post if line.startswith(word)] == [ours]
    assert ours.startswith("pip install --no-cache-dir -c constraints.txt ")
    extras = re.search(r"'\.\[(.*)\]'", ours)[1].split(",")
    there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) <= set(there)
    assert {"cuda13", "slurm"} <= set(extras)


def test_the_program_runs_as_a_user_and_is_what_the_container_starts():
    names = [instruction for instruction, _ in instructions()]
    assert all_of("USER") == ["fringefleet"]
    assert any(command.startswith("useradd") for command in commands_of_dockerfile())
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    (entry,) = all_of("ENTRYPOINT")
    assert sections()["runscript"] == [f'exec {" ".join(json.loads(entry))} "$@"']


@pytest.mark.parametrize("name", ["post", "environment", "runscript", "test"])
def test_the_shell_in_the_definition_is_shell(name):
    script = "\n".join(sections()[name])
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
