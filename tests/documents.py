"""Documents of the repository, by their paths from its top."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PAGES = [str(path.relative_to(TOP)) for path in sorted((TOP / "docs").rglob("*.md"))]
FOR_USERS = ["README.md", "CONTRIBUTING.md", *PAGES]
ALL = [*FOR_USERS, "CHANGELOG.md", "deploy/README.md", "tests/parity/README.md", "tests/parity/DEVIATIONS.md"]


def text_of(document):
    return (TOP / document).read_text()
