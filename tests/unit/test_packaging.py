"""What must agree between the files that say what is needed."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PYPI_TO_CONDA = {"torch": "pytorch", "dask": "dask-core"}
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*([^;]*)")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def recipe() -> dict:
    """The recipe for conda-forge, with the values of its context filled in."""
    text = (ROOT / "deploy" / "conda" / "recipe.yaml").read_text()
    for name, value in yaml.safe_load(text)["context"].items():
        text = text.replace(f"${{{{ {name} }}}}", value)
    return yaml.safe_load(text)


def parse(requirements: list[str]) -> dict[str, str]:
    parsed = dict(REQUIREMENT.match(line).groups() for line in requirements)
    assert len(parsed) == len(requirements), "one is listed twice"
    del_self = {name: bound.strip() for name, bound in parsed.items() if name != "fringefleet"}
    return {PYPI_TO_CONDA.get(name, name): bound for name, bound in del_self.items()}


def conda() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    found = parse(listed)
    del found["python"], found["pip"]
    del found["libgdal-netcdf"]  # part of the wheel of rasterio
    return found


def test_environment_yml_lists_what_pyproject_lists_with_the_same_bounds():
    wanted = parse(project()["dependencies"])
    extras = project()["optional-dependencies"]
    for name in ("cuda13", "slurm", "plot", "view", "export", "dashboard", "notebook", "test"):
        wanted |= parse(extras[name])
    assert conda() == wanted


def test_every_runtime_dependency_has_a_lower_bound():
    assert all(">=" in line for line in project()["dependencies"])


def test_the_cuda_extras_carry_the_matching_extra_of_dask_cuda():
    extras = project()["optional-dependencies"]
    assert "dask-cuda[cu12]" in extras["cuda12"][0]
    assert "dask-cuda[cu13]" in extras["cuda13"][0]


def test_constraints_pin_everything_that_the_project_asks_for():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = project()["optional-dependencies"]
    wanted = parse(project()["dependencies"])
    for name in ("plot", "export", "dashboard", "docs", "test", "dev"):
        wanted |= parse(extras[name])
    del wanted["cuda-bindings"]  # as torch's build of CUDA wants it
    back = {conda_name: name for name, conda_name in PYPI_TO_CONDA.items()}
    assert {back.get(name, name) for name in wanted} <= pinned
    assert "torch==2.13.0" in lines


def test_the_recipe_requires_what_pyproject_requires_with_the_same_bounds():
    found = parse(recipe()["requirements"]["run"])
    assert found.pop("python") == project()["requires-python"]
    assert found.pop("libgdal-netcdf")  # part of the wheel of rasterio
    assert found == parse(project()["dependencies"])
    assert recipe()["context"]["python_min"] == project()["requires-python"].removeprefix(">=")


def test_the_recipe_bounds_what_the_extras_bound():
    extras = project()["optional-dependencies"]
    wanted: dict[str, str] = {}
    for name in ("plot", "export", "slurm", "dashboard", "view", "cuda13"):
        wanted |= parse(extras[name])
    wanted["matplotlib-base"] = wanted.pop("matplotlib")
    assert parse(recipe()["requirements"]["run_constraints"]) == wanted


def test_the_recipe_builds_as_pyproject_does():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert parse(built["requires"]).items() <= parse(recipe()["requirements"]["host"]).items()
    ((name, target),) = project()["scripts"].items()
    assert recipe()["build"]["python"]["entry_points"] == [f"{name} = {target}"]


def test_recipe_and_citation_say_of_the_package_what_pyproject_says():
    ours, about = project(), recipe()["about"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert recipe()["package"] == {"name": ours["name"], "version": ours["version"]}
    assert (about["summary"], about["license"]) == (ours["description"], ours["license"])
    assert (cited["title"], str(cited["version"])) == (ours["name"], ours["version"])
    assert (cited["abstract"], cited["license"]) == (ours["description"], ours["license"])
    assert cited["keywords"] == ours["keywords"]
    assert [author["name"] for author in cited["authors"]] == [author["name"] for author in ours["authors"]]
    assert {cited["repository-code"], about["homepage"]} == {ours["urls"]["Repository"]}
    assert about["documentation"] == ours["urls"]["Documentation"]


def as_pypi_shows_it(text: str) -> str:
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["metadata"]["hooks"]
    for change in hook["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    return text


def test_links_and_pictures_of_readme_lead_somewhere_on_pypi():
    shown = as_pypi_shows_it((ROOT / "README.md").read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)", shown)
    assert len(targets) > 30
    home, raw = (
        f"https://{host}/fringefleet/fringefleet/" for host in ("github.com", "raw.githubusercontent.com")
    )
    for target in targets:
        is_picture = target.endswith(".png")
        place = target.removeprefix(raw + "main/" if is_picture else home + "blob/main/")
        assert place != target
        assert (ROOT / place.partition("#")[0]).exists()
    assert as_pypi_shows_it("[a](#b), [c](https://d.org/e)") == "[a](#b), [c](https://d.org/e)"


def test_the_long_checks_build_the_site_of_the_documents():
    text = (ROOT / ".ci" / "long").read_text()
    assert "'.[docs]'\nmkdocs build --strict" in text


def test_the_top_level_is_the_one_that_was_agreed():
    agreed = {"src", "deploy", "tests", "notebooks", "docs", "pyproject.toml", "environment.yml"}
    assert all((ROOT / name).exists() for name in agreed)
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders <= agreed | {"demo", "build", "dist", "site"}
