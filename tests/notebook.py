"""Run a notebook's code from top to bottom, without Jupyter."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def run_notebook(path: Path, parameters: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Execute each code cell, which must hold no output, and give the names that it leaves.

    ``parameters`` take the place of what the cell sets that has the tag of that name.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    given = dict(parameters)
    cells = json.loads(path.read_text())["cells"]
    for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        assert cell["outputs"] == []
        exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(given) <= set(names)
            names |= given
            given = {}
    assert not given, f"no cell has the tag parameters: {given}"
    return names
