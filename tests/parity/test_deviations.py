"""What DEVIATIONS.md says is held by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "tests" / "parity" / "DEVIATIONS.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)?::(\w+)(?:\[[^`]*\])?`")


def test_every_test_that_a_deviation_names_exists():
    path, missing, n_named = "", [], 0
    for match in NAMED.finditer(TEXT):
        path = match[1] or path  # "and `::other`" is in the file named before
        n_named += 1
        if f"def {match[2]}(" not in (ROOT / path).read_text():
            missing.append(match[0])
    assert missing == []
    assert n_named > 40


def test_every_deviation_says_what_mintpy_does_what_we_do_why_and_where_that_is_tested():
    entries = re.split(r"^\*\*", TEXT.split("## The same on purpose")[0], flags=re.MULTILINE)[1:]
    assert len(entries) > 30
    for entry in entries:
        for part in ("MintPy", "Ours: ", "Why: ", "Test: "):
            assert part in entry, entry.partition("**")[0]
