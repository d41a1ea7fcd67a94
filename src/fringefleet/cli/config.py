"""The command ``config``, which writes a file of options; and the option ``--config``, which reads one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fringefleet.cli.application import command
from fringefleet.cli.console import echo, logger
from fringefleet.importing import without_collection


@command(
    examples=(
        "fringefleet config > run.toml",
        "fringefleet invert stack.zarr result.zarr --config run.toml --norm huber",
    )
)
def config_command(_given: Any) -> None:
    """Print all options of invert with their defaults, as a commented file to edit and give as --config."""
    from fringefleet.session.run_file import default_text

    for line in default_text().splitlines():
        echo(line)


def with_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a file of options says to the options of ``invert``, which take precedence.

    Raises
    ------
    InputError
        One of its subclasses: the file cannot be used.
    """
    path: Path | None = given["config"]
    if path is None:
        return dict(given)
    with without_collection():
        from fringefleet.session.run_file import read_run_file
    of_file = read_run_file(path)
    unused = [name for name in ("stack", "output") if of_file.options.get(name)]
    if unused:
        logger.info("%s: %s of it not used; fringefleet rerun uses all", path, " and ".join(unused))
    cluster_config = given["cluster_config"] or of_file.cluster_config
    return merged(given, of_file.options) | {"cluster_config": cluster_config}


def merged(given: Mapping[str, Any], of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Fill what is not given, None or False for a flag, by what a file says."""
    unsaid = [name for name, value in given.items() if value is None or value is False]  # 0 is a value
    return {**given, **{name: of_file[name] for name in unsaid if name in of_file}}
