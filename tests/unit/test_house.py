"""The code as a whole: map, names and language within the limits of house.py; and the measures themselves."""

from types import SimpleNamespace

import pytest

import house
from house import LIMITS, PACKAGE, Limit, Measured


@pytest.fixture(scope="module")
def measured():
    return {subject: limit.measure(PACKAGE) for subject, limit in LIMITS.items()}


@pytest.mark.parametrize("subject", LIMITS)
def test_no_measure_is_above_its_limit(subject, measured):
    limit, found = LIMITS[subject], measured[subject]
    assert found.value <= limit.most, house.report(subject, limit, found)


@pytest.mark.parametrize("subject", LIMITS)
def test_a_limit_follows_what_got_better(subject, measured):
    limit, found = LIMITS[subject], measured[subject]
    assert not house.is_stale(limit, found), f"lower today's number to {found.value:g}: {subject}"


@pytest.fixture
def package(tmp_path):
    """Make a package whose measures are known."""
    modules = {
        "__init__.py": '"""Package."""\n',
        "first.py": '"""How it is done."""\nlogger = 1\nSHARED: int = 1\n_own = 2\ndef once(): pass\n',
        "second.py": '"""Whose it is."""\nlogger = 1\nSHARED = 1\n_own = 2\nclass Only: pass\n',
        "third.py": '"""Whatever it is."""\nfrom package.first import SHARED\ndef _refuse_it(): pass\n',
        "cluster/deep/start.py": "class A:\n  async def refuse_all(self):\n    'Do.'\n    pass\n\n    pass\n",
        "cli/main.py": "1\n2\n",
        "cli/options/mintpy.py": "1\n2\n3\n",
        "mintpy/step.py": "1\n",
        "mintpy/template.py": "1\n2\n",
    }
    root = tmp_path / "src" / "package"
    for name, text in modules.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "README.md").write_text("1\n2\n3\n4")
    return root


def test_modules_are_counted_at_the_root_only(package):
    assert house.modules_at_the_root(package) == Measured(3, ("first.py", "second.py", "third.py"))


def test_a_collision_is_a_public_name_that_two_modules_define(package):
    assert house.collisions(package) == Measured(25.0, ("SHARED: first.py, second.py",))


def test_the_name_that_most_modules_define_comes_first(package):
    (package / "third.py").write_text("once = Only = 1\n")
    (package / "fourth.py").write_text("Only = 1\n")
    causes = house.collisions(package).causes
    assert [cause.split(":")[0] for cause in causes] == ["Only", "SHARED", "once"]


def test_a_docstring_that_begins_as_a_question_is_found(package):
    found = house.question_docstrings(package)
    assert found == Measured(22.2, ("first.py: How it is done.", "second.py: Whose it is."))


def test_docstrings_of_functions_and_classes_with_a_wrong_first_word_are_found(package):
    text = """class A:\n  'Which it is.'\n  @property\n  def is_b(self): 'Whether it is b.'
  def c(self): 'Say c.'\ndef d(): 'Return what d is.'\ndef _e(): 'Tell e.'\ndef f(): pass\n"""
    (package / "fourth.py").write_text(text)
    causes = ("fourth.py: A: Which it is.", "fourth.py: c: Say c.", "fourth.py: _e: Tell e.")
    assert house.wrong_first_words(package) == Measured(3, causes)


def test_methods_and_private_functions_that_refuse_are_found(package):
    found = house.refusing_functions(package)
    assert found == Measured(2, ("cluster/deep/start.py: refuse_all", "third.py: _refuse_it"))


def test_a_body_is_counted_without_its_docstring(package):
    assert house.function_bodies(package) == Measured(3)


def test_what_is_longer_than_the_percentile_is_named(package):
    short = "".join(f"def f{i}(): pass\n" for i in range(97))
    (package / "third.py").write_text(short + "def long():\n  1\n  2\n  3\n  4\n")
    found = house.function_bodies(package)
    assert found == Measured(1, ("4 lines: third.py: long", "3 lines: cluster/deep/start.py: refuse_all"))


@pytest.mark.parametrize(
    ("measure", "n_line"),
    [
        (house.lines_of_readme, 4),
        (house.lines_of_cluster, 6),
        (house.lines_of_cli, 2),
        (house.lines_of_mintpy_step, 4),
    ],
)
def test_lines_are_counted_in_all_folders_of_the_subject(package, measure, n_line):
    assert measure(package).value == n_line


def test_a_package_without_modules_is_no_success(tmp_path):
    with pytest.raises(AssertionError, match="no module"):
        house.collisions(tmp_path)


@pytest.mark.parametrize(
    ("today", "found", "most", "stale"),
    [
        (30, 30, 30, False),
        (30, 23, 30, False),
        (30, 22, 30, True),
        (30, 5, 30, True),
        (10, 5, 10, False),
        (8, 5, 10, False),
        (10.5, 5, 10.5, False),
    ],
)
def test_a_limit_is_todays_number_until_the_target_is_reached(today, found, most, stale):
    limit = Limit(today, 10, "lines", SimpleNamespace())
    assert limit.most == most
    assert house.is_stale(limit, Measured(found)) is stale


def test_what_exceeds_is_named_until_the_target_is_reached():
    limit = Limit(3, 1, "%", SimpleNamespace())
    assert house.report("x", limit, Measured(2.5, ("a", "b"))) == "x: 2.5 (limit 3, target 1) %\n  a\n  b"
    assert house.report("x", limit, Measured(1, ("a",))) == "x: 1 (limit 3, target 1) %"
