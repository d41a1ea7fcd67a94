"""Calls of public functions and classes, checked against their signatures, with readable messages."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.known import UnknownNameError, check_known
from fringefleet.errors import KindError
from fringefleet.option_words import option, suggest

_Given = ParamSpec("_Given")
_Returned = TypeVar("_Returned")
_NUMBERS: dict[Any, type] = {int: Integral, float: Real}
_NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def checked_call(function: Callable[_Given, _Returned]) -> Callable[_Given, _Returned]:
    """Check every call of a public function: the names of its arguments, their number and their types.

    A type is checked where the annotation is a class, ``str | Path``, a number, a choice of words or
    something to call; anything else is left to the function.

    Raises
    ------
    KindError
        By the call: states what was found, and what the function takes.

    Examples
    --------
    >>> @checked_call
    ... def area(width: float, *, depth: float = 1.0) -> float:
    ...     return width * depth
    >>> area(2, dept=3)
    Traceback (most recent call last):
    fringefleet.errors.KindError: unknown argument dept of area. Did you mean depth? There are width, depth.
    >>> area("2")
    Traceback (most recent call last):
    fringefleet.errors.KindError: found width = '2' of the type str; give a number.
    """
    signature, name = inspect.signature(function), function.__name__

    @wraps(function)
    def call(*args: _Given.args, **kwargs: _Given.kwargs) -> _Returned:
        check_names(name, signature, args, kwargs)
        given = signature.bind(*args, **kwargs).arguments
        for argument, kinds in _kinds_of(function).items():
            if argument in given:
                _check_kinds(argument, given[argument], kinds)
        try:
            return function(*args, **kwargs)
        except UnknownNameError as error:
            if error.name in kwargs:
                raise _unknown(error, _named(signature)) from None
            raise

    return call


def _named(signature: inspect.Signature) -> list[str]:
    return [each.name for each in signature.parameters.values() if each.kind in _NAMED]


def _unknown(error: UnknownNameError, more: Iterable[str] = ()) -> KindError:
    """Return the error that an unknown name is as an argument, of the type that Python itself raises."""
    try:
        check_known([error.name], list(dict.fromkeys([*more, *error.names])), lambda _: error.found)
    except UnknownNameError as found:
        error = found
    return KindError(error.marked)


def check_names(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Reject a call with an unknown argument, with too many, or with too few.

    Parameters
    ----------
    name
        Name of the function or the class.
    signature
        Its parameters.
    args, kwargs
        Arguments by position, and by name.

    Raises
    ------
    KindError
        Names the argument.
    """
    parameters = signature.parameters
    named = _named(signature)
    placed = [
        each.name for each in parameters.values() if each.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    if all(each.kind != inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        try:
            check_known(kwargs, named, lambda word: f"unknown argument {word} of {name}.")
        except UnknownNameError as error:
            raise _unknown(error) from None
    if len(args) > len(placed):
        rest = [word for word in named if word not in placed]
        by_name = f", and by name {', '.join(rest)}" if rest else ""
        raise KindError(
            f"found {len(args)} arguments of {name} by position; it takes {', '.join(placed) or 'none'}"
            f"{by_name}."
        )
    for word in placed[: len(args)]:
        if word in kwargs:
            raise KindError(f"found {option(word)} of {name} twice, by position and by name; give it once.")
    for each in parameters.values():
        is_needed = each.kind in _NAMED and each.default is inspect.Parameter.empty
        if is_needed and each.name not in (*placed[: len(args)], *kwargs):
            others = [word for word in kwargs if word not in named]
            instead = f" ({', '.join(others)} is none of it)" if others else ""
            raise KindError(
                f"found no {option(each.name)}, which {name} needs: it takes {', '.join(named)}{instead}."
            )


@cache
def _kinds_of(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """Return the types that each argument may have, by its annotation; none where that tells no types."""
    try:
        hints = get_type_hints(function)
    except NameError:  # of a library that is imported only where it is needed
        return {}
    hints.pop("return", None)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _NAMED:
            hints.pop(parameter.name, None)
    found = {name: _parts_of(hint) for name, hint in hints.items()}
    return {name: kinds for name, kinds in found.items() if all(map(_is_checkable, kinds))}


def _parts_of(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _is_checkable(kind: Any) -> bool:
    return get_origin(kind) in (Literal, Callable) or (isinstance(kind, type) and not get_args(kind))


def _check_kinds(name: str, value: Any, kinds: tuple[Any, ...]) -> None:
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if (value is None and NoneType in kinds) or (isinstance(value, str) and value in words):
        return
    if any(get_origin(kind) is Callable for kind in kinds) and callable(value):
        return
    classes = [_NUMBERS.get(kind, kind) for kind in kinds if isinstance(kind, type) and kind is not NoneType]
    if words and (isinstance(value, str) or not classes):
        hint = suggest(str(value), words)
        raise KindError(f"found {option(name, repr(value))}; use one of {', '.join(words)}.{hint}")
    if not classes:
        raise KindError(f"found {option(name, repr(value)[:40])}; give a function.")
    check_kind(name, value, *classes)


def checked_fields(owner: type) -> None:
    """Check every call of a dataclass as :func:`checked_call` does those of a function, but not the types.

    Its ``__post_init__`` checks those. A field of a part, such as ``weight_func`` of the options of a run, is
    shown where it belongs.
    """
    create = owner.__init__  # type: ignore[misc]
    signature = inspect.signature(create)  # not of the class, which inherits what is set below
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])

    @wraps(create)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in signature.parameters and (place := _place_of(owner, name)):
                part, kind = place
                raise KindError(
                    f"unknown argument {name} of {owner.__name__}. It is a field of {kind}: give "
                    f"{part} = {kind}({name} = ...)."
                )
        check_names(owner.__name__, signature, args, kwargs)
        create(self, *args, **kwargs)

    owner.__init__ = checked  # type: ignore[misc]
    owner.__signature__ = plain_signature(signature)  # type: ignore[attr-defined]


def _place_of(owner: type, name: str) -> tuple[str, str] | None:
    """Find the part of a dataclass that has a field of this name; return it and its class."""
    for field in fields(owner):
        part = field.default
        if part is not MISSING and is_dataclass(part) and name in {each.name for each in fields(part)}:
            return field.name, type(part).__name__
    return None


def plain_signature(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature without what options declare beside their types, as ``help`` shows it.

    Examples
    --------
    >>> from typing import Annotated
    >>> def area(width: Annotated[float, "m"]) -> None: ...
    >>> plain_signature(inspect.signature(area))
    <Signature (width: float) -> None>
    """
    parameters = [_plain(each) for each in signature.parameters.values()]
    return signature.replace(parameters=parameters)


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    if hasattr(parameter.annotation, "__metadata__"):
        parameter = parameter.replace(annotation=get_args(parameter.annotation)[0])
    if parameter.annotation is Path:  # which is made of text, too
        parameter = parameter.replace(annotation=str | Path)
    if is_dataclass(parameter.default):
        parameter = parameter.replace(default=_Whole(type(parameter.default).__name__))
    return parameter


class _Whole:
    """Default of a parameter that is a dataclass as it is by default, shown without its fields."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name}()"
