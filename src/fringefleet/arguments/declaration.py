"""Declaration of options beside the fields that hold them.

A dataclass declares each option once, as ``name: Annotated[type, Declared(help, panel, ...)] = default``.
Derived from it are the command-line option (``cli/parameters.py``), the attributes in the docstring of the
class (:func:`documented`), the tables of ``docs/reference/options.md``, the check of a value
(:func:`check_fields`) and the option that it depends on (:func:`needs_of`).
"""

import math
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from textwrap import TextWrapper
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from fringefleet.arguments.calls import checked_fields
from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.needs import Need
from fringefleet.errors import OptionError
from fringefleet.option_words import option, suggest

T = TypeVar("T", bound=type)
_KINDS: dict[Any, tuple[type, ...]] = {float: (Real,), int: (Integral,), bool: (bool,), str: (str,)}
_KINDS[Path] = (str, Path)


class Panel(StrEnum):
    """Panels of the help, in order of display."""

    INVERSION = "Inversion"
    ADDITIONAL = "Additional outputs"
    VELOCITY = "Velocity"
    DATES = "Dates"
    SCENE = "Scene"
    REFERENCE = "Reference"
    SELECTION = "Selection"
    LIMITS = "Limits"
    PICTURES = "Pictures"
    SERVER = "Server"
    COMPUTE = "Compute"
    WORKERS = "Workers"
    OUTPUT = "Output"


@dataclass(frozen=True)
class Declared:
    """Properties of an option that its field does not express.

    Attributes
    ----------
    help : str
        One or two sentences.
    panel : Panel or ""
        Panel of the help that it is listed in; empty for the first one, which has no title.
    metavar : str, optional
        Placeholder of the value, such as ``N``; None where the option takes one of a few words, or no value.
    unit : str
        Unit of the value.
    default : str
        Default in words, where the field has None or a value that is not self-explanatory.
    flags : tuple of str
        Spelling on the command line, where it differs from the name of the field.
    kind : type, optional
        Type on the command line, where Python also takes other types.
    is_argument : bool
        Whether it is a positional argument.
    is_rare : bool
        Whether ``--help`` leaves it out, so that only ``--help-all`` shows it.
    needs : tuple of Need
        Options without which it has no effect.
    least, above, most : float
        Limits of the value; ``above`` itself is excluded.
    """

    help: str
    panel: Panel | Literal[""] = ""
    metavar: str | None = None
    unit: str = ""
    default: str = ""
    flags: tuple[str, ...] = ()
    kind: Any = None
    is_argument: bool = False
    is_rare: bool = False
    needs: tuple[Need, ...] = ()
    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf


def declared_fields(owner: Any) -> "Iterator[tuple[Field[Any], Any, Declared]]":
    """Yield the fields of a dataclass that declare an option, each with its type and its declaration."""
    for field in fields(owner):
        for part in getattr(field.type, "__metadata__", ()):
            if isinstance(part, Declared):
                yield field, get_args(field.type)[0], part


@cache
def needs_of(owner: type) -> tuple[Need, ...]:
    """Return the table of option dependencies of a dataclass."""
    return tuple(
        need._replace(option=field.name) for field, _, it in declared_fields(owner) for need in it.needs
    )


def default_text(field: "Field[Any]", declared: Declared) -> str:
    """Return the default of an option as shown in help and documentation; empty if there is none to show.

    Examples
    --------
    >>> from fringefleet.options import Options
    >>> [default_text(field, it) for field, _, it in declared_fields(Options)][:4]
    ['unwrapped_phase', 'var', 'none', '0.4']
    """
    if declared.default or field.default in (MISSING, None) or isinstance(field.default, bool):
        return declared.default
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def documented(owner: T) -> T:
    """Add the options that a dataclass declares to its docstring, as attributes, and check its calls."""
    checked_fields(owner)
    wrapper = TextWrapper(106, initial_indent=" " * 8, subsequent_indent=" " * 8)
    lines = []
    for field, kind, declared in declared_fields(owner):
        default = default_text(field, declared) or str(field.default)
        default = "" if field.default is MISSING else f", default {default}"
        unit = f" [{declared.unit}]" if declared.unit else ""
        lines += [
            f"    {field.name} : {_in_words(kind)}{default}{unit}",
            *wrapper.wrap(declared.help),
        ]
    text, header = owner.__doc__ or "", "    Attributes\n    ----------\n"
    if header not in text:
        first = [at for name in ("Raises", "Examples") if (at := text.find(f"    {name}\n    ---")) >= 0]
        at = min(first, default=len(text.rstrip()) + 2)
        text = f"{text[:at].rstrip()}\n\n{header}\n{text[at:]}"
    owner.__doc__ = text.replace(header, header + "\n".join(lines) + "\n", 1)
    return owner


def _in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"{{{', '.join(map(repr, get_args(kind)))}}}"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_in_words(part) for part in get_args(kind) if part is not NoneType)
    return getattr(kind, "__name__", str(kind))


def check_fields(values: Any) -> None:
    """Reject values of a declared option of the wrong type, outside its choices or beyond its limits.

    Raises
    ------
    OptionError
        States what was found, and what to give.
    """
    for field, kind, declared in declared_fields(type(values)):
        value = getattr(values, field.name)
        parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        if value is None and (NoneType in parts or declared.kind is not None):
            continue
        words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
        if words:
            _check_word(field.name, value, [*(["none"] if NoneType in parts else []), *words], words)
        elif parts[0] in _KINDS:
            kinds = dict.fromkeys(kind for part in parts for kind in _KINDS.get(part, ()))
            check_kind(field.name, value, *kinds)
        if any(map(math.isfinite, (declared.least, declared.above, declared.most))):
            _check_limits(field.name, value, declared)


def take_arrays(values: Any, *names: str) -> None:
    """Make tuples of the arrays among the fields of a frozen dataclass."""
    for name in names:
        if hasattr(value := getattr(values, name), "tolist"):
            object.__setattr__(values, name, tuple(value.tolist()))


def _check_word(name: str, value: object, shown: list[str], words: list[str]) -> None:
    if value not in words:
        hint = suggest(str(value), shown)
        raise OptionError(f"found {option(name, repr(value))}; use one of {', '.join(shown)}.{hint}")


def _check_limits(name: str, value: float, declared: Declared) -> None:
    if declared.least <= value <= declared.most and value > declared.above and math.isfinite(value):
        return
    wanted = (
        f"{declared.least:g} or more" if math.isfinite(declared.least) else f"more than {declared.above:g}"
    )
    if math.isfinite(declared.most):
        wanted = f"{declared.least:g} to {declared.most:g}"
    unit = f" [{declared.unit}]" if declared.unit else ""
    raise OptionError(f"found {option(name, value)}; give {wanted}{unit}.")
