"""Measures of the code as a whole, and the limit of each; ``python tests/house.py`` prints them all.

A limit may only fall: where a measure gets better, lower its ``today`` in ``LIMITS``.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "src" / "fringefleet"
# Names that many modules define on purpose: a logger, a type variable, the record of a reader.
NOT_COUNTED = {"logger", "log", "T", "READER"}
# Modules of mintpy/ that read or write files, and have nothing to do with the step itself.
FILES_OF_MINTPY = {"project.py", "template.py", "template_values.py", "up_to_date.py", "coherence_mask.py"}
# Of no subject: the package itself, and what `python -m` runs.
NO_SUBJECT = {"__init__.py", "__main__.py"}
QUESTION = re.compile(r"(?:What|Which|How|Who|Whose|Whom|Where|When|Whether|Why)\b")
# Of the docstring of a function or class; "Whether the ..." is right for a boolean property.
WRONG_FIRST_WORD = re.compile(r"(?:What|Which|How|Who|Whose|Why|Say|Says|Tell|Tells)\b")
CHECK_WITH_ANOTHER_WORD = re.compile(r"_?refuse_")
PERCENTILE = 0.95
SLACK = 0.75  # a limit is stale if the measure is below this share of it

Modules = Mapping[str, ast.Module]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Measured:
    """A measure of the code.

    Attributes
    ----------
    value
        The number: a count, lines, or a share [%].
    causes
        What it is made of, by name, the worst first.
    """

    value: float
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limit:
    """The limit of a measure: today's number until the target is reached, then the target."""

    today: float
    target: float
    unit: str
    measure: Callable[[Path], Measured]

    @property
    def most(self) -> float:
        """The largest value that passes."""
        return max(self.today, self.target)


def modules_of(package: Path) -> dict[str, ast.Module]:
    """Parse the modules of a package; the keys are paths relative to it."""
    paths = sorted(package.rglob("*.py"))
    assert paths, f"no module in {package}"
    return {str(path.relative_to(package)): _parsed(path) for path in paths}


def _parsed(path: Path) -> ast.Module:
    return _module_of(path.read_text())


@cache
def _module_of(text: str) -> ast.Module:
    return ast.parse(text)


def modules_at_the_root(package: Path) -> Measured:
    """Count the modules that lie in no package of a subject."""
    names = [path.name for path in sorted(package.glob("*.py")) if path.name not in NO_SUBJECT]
    return Measured(len(names), tuple(names))


def public_names(module: ast.Module) -> set[str]:
    """Find the public names that a module defines at its top; an import defines none."""
    found: set[str] = set()
    for node in module.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                found.add(node.name)
            case ast.Assign():
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return {name for name in found if not name.startswith("_")} - NOT_COUNTED


def collisions(package: Path) -> Measured:
    """Measure the share of the public names that two or more modules define [%]."""
    where: dict[str, list[str]] = defaultdict(list)
    for path, module in modules_of(package).items():
        for name in public_names(module):
            where[name].append(path)
    shared = sorted(((name, paths) for name, paths in where.items() if len(paths) > 1), key=_most_first)
    return Measured(percent(len(shared), len(where)), tuple(f"{n}: {', '.join(p)}" for n, p in shared))


def _most_first(item: tuple[str, list[str]]) -> tuple[int, str]:
    return -len(item[1]), item[0]


def question_docstrings(package: Path) -> Measured:
    """Measure the share of the modules whose docstring begins as a question does [%]."""
    modules = modules_of(package)
    starts = {path: (ast.get_docstring(module) or "").split("\n")[0] for path, module in modules.items()}
    found = [f"{path}: {start}" for path, start in starts.items() if QUESTION.match(start)]
    return Measured(percent(len(found), len(modules)), tuple(found))


def wrong_first_words(package: Path) -> Measured:
    """Count the functions and classes whose docstring begins as a question, or with Say or Tell."""
    found = [
        f"{path}: {node.name}: {start}"
        for path, module in modules_of(package).items()
        for node in _statements(module)
        if isinstance(node, Function | ast.ClassDef)
        and WRONG_FIRST_WORD.match(start := (ast.get_docstring(node) or "").split("\n")[0])
    ]
    return Measured(len(found), tuple(found))


def functions_of(modules: Modules) -> Iterable[tuple[str, Function]]:
    """Find all functions and methods, nested ones too, with the path of their module."""
    for path, module in modules.items():
        for node in _statements(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Find the statements in a node, at any depth, without a look at expressions."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        inner = getattr(node, field, ())
        for child in inner if isinstance(inner, list) else ():
            if isinstance(child, ast.stmt):
                yield child
            yield from _statements(child)


def body_lines(function: Function) -> int:
    """Count the lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def function_bodies(package: Path) -> Measured:
    """Measure the 95th percentile of the lines of function bodies; the causes are what is longer."""
    found = sorted(
        ((body_lines(node), f"{path}: {node.name}") for path, node in functions_of(modules_of(package))),
        reverse=True,
    )
    ascending = [n_line for n_line, _ in reversed(found)]
    value = ascending[min(len(ascending) - 1, int(PERCENTILE * len(ascending)))] if ascending else 0
    return Measured(value, tuple(f"{n} lines: {name}" for n, name in found if n > value))


def refusing_functions(package: Path) -> Measured:
    """Count the functions that validate under another word than ``check_*``."""
    functions = functions_of(modules_of(package))
    found = [f"{path}: {node.name}" for path, node in functions if CHECK_WITH_ANOTHER_WORD.match(node.name)]
    return Measured(len(found), tuple(found))


def lines_of(paths: Iterable[Path]) -> Measured:
    """Count the lines of files; the causes are the files, the longest first."""
    counted = sorted(((len(path.read_text().splitlines()), path) for path in paths), reverse=True)
    names = tuple(f"{n} lines: {path.parent.name}/{path.name}" for n, path in counted)
    return Measured(sum(n for n, _ in counted), names)


def lines_of_readme(package: Path) -> Measured:
    """Count the lines of the README of the repository that the package is in."""
    return lines_of([package.parents[1] / "README.md"])


def lines_of_cluster(package: Path) -> Measured:
    """Count the lines of ``cluster/``."""
    return lines_of((package / "cluster").rglob("*.py"))


def lines_of_cli(package: Path) -> Measured:
    """Count the lines of ``cli/`` without the command of MintPy's step."""
    return lines_of(path for path in (package / "cli").rglob("*.py") if path.name != "mintpy.py")


def lines_of_mintpy_step(package: Path) -> Measured:
    """Count the lines of MintPy's step and of its command, without what reads MintPy's files."""
    step = [path for path in (package / "mintpy").rglob("*.py") if path.name not in FILES_OF_MINTPY]
    return lines_of([*step, *(package / "cli").rglob("mintpy.py")])


def percent(n: int, of: int) -> float:
    """Give a share in percent with one decimal."""
    return round(100 * n / of, 1) if of else 0.0


LIMITS = {
    "modules flat at the root": Limit(9, 10, "", modules_at_the_root),
    "public names in two or more modules": Limit(1, 1, "%", collisions),
    "module docstrings that begin as a question": Limit(0, 2, "%", question_docstrings),
    "docstrings of functions and classes with a wrong first word": Limit(0, 0, "", wrong_first_words),
    "function body, 95th percentile": Limit(19, 20, "lines", function_bodies),
    "functions named refuse_*": Limit(0, 0, "", refusing_functions),
    "README.md": Limit(87, 150, "lines", lines_of_readme),
    "cluster/": Limit(2627, 2630, "lines", lines_of_cluster),
    # 162 of config, rerun and report; 66 of the command doctor; 107 of --quiet, --log-file and --help-all
    "cli/ without MintPy's step": Limit(2357, 1350, "lines", lines_of_cli),
    "MintPy's step": Limit(896, 900, "lines", lines_of_mintpy_step),
}


def is_stale(limit: Limit, found: Measured) -> bool:
    """Tell whether a limit is well above what is measured, so that it holds nothing any more."""
    return limit.today > limit.target and max(found.value, limit.target) < SLACK * limit.today


def row(subject: str, limit: Limit, found: Measured) -> str:
    """Give a measure with its limit and its target in one line."""
    numbers = f"{found.value:g} (limit {limit.most:g}, target {limit.target:g}) {limit.unit}".rstrip()
    return f"{subject}: {numbers}"


def report(subject: str, limit: Limit, found: Measured) -> str:
    """Give a measure with what it is made of by name, unless its target is reached."""
    causes = found.causes if found.value > limit.target else ()
    return "\n".join([row(subject, limit, found), *(f"  {cause}" for cause in causes)])


if __name__ == "__main__":
    for subject, limit in LIMITS.items():
        print(report(subject, limit, limit.measure(PACKAGE)))  # noqa: T201 - a table for people
