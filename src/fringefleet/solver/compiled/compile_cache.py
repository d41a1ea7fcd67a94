"""Compiled functions kept for other processes, in files of :mod:`fringefleet.solver.compiled.code_files`.

Numba can keep what it compiles, too, but takes it for fresh as long as the file of the function is the same,
whatever becomes of others from which functions or constants come; it wants a folder that can be written; and
hosts with other processors would overwrite each other's files. So here the name of a file says all that
the code in it was made of, and is that of no other: what the function and all that it calls do, with the
values of their constants; the types of the arguments; the processor; the versions of the compiler.

Whatever goes wrong, a function is compiled as if there were no cache.
"""

import builtins
import dis
import hashlib
import inspect
import logging
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from types import CodeType, ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.serialize import dumps

from fringefleet.solver.compiled.code_files import VARIABLE, CodePlace, locked_code, read_code, write_code

logger = logging.getLogger(__name__)

_SECONDS_TO_COMPILE = 15  # the solver, about
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_LIBRARIES = ("builtins", "math", "numpy", "numba")  # which have versions
_SETTINGS = (  # of numba, that change what it makes
    "OPT",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "ENABLE_AVX",
    "USING_SVML",
    "LLVM_REFPRUNE_PASS",
)


def keep_code(function: Any) -> Any:
    """Let what numba compiles of a function be kept for other processes; returns it.

    Parameters
    ----------
    function
        As numba's ``njit`` returns it.
    """
    dispatcher: Any = function
    if isinstance(function, Dispatcher):  # else numba was told to compile nothing
        dispatcher._cache = CodeCache(dispatcher)
        dispatcher.compile = dispatcher._cache.wrap(dispatcher.compile)
    return dispatcher


class CodeCache(NullCache):
    """What a dispatcher of numba asks before it compiles, and tells afterwards.

    Numba's lock is held all the time: one thread of a process is here at a time.
    """

    def wrap(self, compile_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Let others compile it at last if that fails here, of which numba tells nobody."""

        @wraps(compile_one)
        def compile_and_release(signature: Any) -> Any:
            with global_compiler_lock:
                try:
                    return compile_one(signature)
                finally:
                    self._release()

        return compile_and_release

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._name = ""  # of what is compiled now; empty if it cannot be kept
        self._held = ExitStack()

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Find the code for a signature; if there is none, others wait until it is compiled here."""
        found, place = None, CodePlace(None, "")
        try:
            target.refresh()
            self._name = name_of(self._dispatcher, signature, target.codegen().magic_tuple())
            found = self._load(target)
            if found is None:
                place = self._held.enter_context(locked_code(self._name))
                found = self._load(target)  # who had the lock may have made it
        except Exception as error:
            self._note(error)
            self._name = ""
        if found is not None:
            self._release()
            return found
        if not _under_way:
            _say(place)
        _under_way.append(self)
        return None

    def save_overload(self, _signature: Any, result: Any) -> None:
        """Keep what has been compiled."""
        try:
            if self._name and not result.library.has_dynamic_globals and not result.lifted:
                write_code(self._name, dumps(result._reduce()))
        except Exception as error:
            self._note(error)
        self._release()

    def _release(self) -> None:
        """Let others compile it, if they have to."""
        if self in _under_way:
            _under_way.remove(self)
        self._held.close()

    def _load(self, target: Any) -> Any:
        code = read_code(self._name)
        if code is None:
            return None
        try:
            return CompileResult._rebuild(target, *pickle.loads(code))  # noqa: S301 - it is trusted
        except Exception as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        logger.debug("no code is kept of %s: %s: %s", self._dispatcher, type(error).__name__, error)


_under_way: list[CodeCache] = []  # of a function, of one that it calls, of one that this calls ...


def _say(place: CodePlace) -> None:
    how = f"this takes about {_SECONDS_TO_COMPILE} s"
    if place.folder is None:
        where = f"; let {VARIABLE} name a folder that can be written" if place.why else ""
        why = f" each time, as it cannot be kept ({place.why}){where}" if place.why else ""
        logger.info("compiling the solver for this processor; %s%s", how, why)
    else:
        where = f"; it is kept in {place.folder} ({place.why})" if place.why else ""
        logger.info("compiling the solver for this processor, once; %s%s", how, where)


def name_of(dispatcher: Any, signature: Any, processor: tuple[str, ...]) -> str:
    """Name the code of a function for a signature and a processor.

    Raises
    ------
    TypeError
        The function uses something of which nobody knows when it becomes another.
    """
    parts = (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        processor,
        [(name, repr(getattr(config, name, None))) for name in _SETTINGS],
        [_type(kind) for kind in signature],
        list(_facts(dispatcher)),
    )
    return f"{dispatcher.__name__}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"


def _type(kind: Any) -> tuple[Any, ...]:
    """Describe a type of numba; one with named fields is not told by those in them alone."""
    members = getattr(kind, "types", ())
    return str(kind), getattr(kind, "fields", ()), [_type(member) for member in members]


def _facts(dispatcher: Any) -> Iterator[Any]:
    """Yield what a function does, and all that it calls, each once."""
    left, seen = [dispatcher], {id(dispatcher)}
    for function in left:
        python = function.py_func
        yield python.__qualname__, sorted((key, repr(said)) for key, said in function.targetoptions.items())
        yield _code(python.__code__), _value(python.__defaults__)
        for name, value in sorted(_used(python).items()):
            if not isinstance(value, Dispatcher):
                yield name, _value(value)
                continue
            yield name, value.py_func.__module__, value.py_func.__qualname__
            if id(value) not in seen:
                seen.add(id(value))
                left.append(value)


def _code(code: CodeType) -> tuple[Any, ...]:
    """Describe what a function does, wherever it stands in its file."""
    constants = [_code(some) if isinstance(some, CodeType) else _value(some) for some in code.co_consts]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, constants, names, code.co_exceptiontable, code.co_flags


def _used(function: Any) -> dict[str, Any]:
    """Find what a function takes from outside, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    used = {name: cell.cell_contents for name, cell in cells}
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                name = step.argval
                used[name] = function.__globals__.get(name, getattr(builtins, name, None))
    return used


def _value(value: Any) -> Any:
    """Describe a value so that another one has another description."""
    if isinstance(value, np.ndarray | np.generic):
        return str(value.dtype), np.shape(value), value.tobytes()
    if isinstance(value, _PLAIN):
        return type(value).__name__, repr(value)
    if isinstance(value, tuple | list):
        return [_value(member) for member in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(_value(member)) for member in value)
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        return value.__module__, value.__qualname__, value._fields
    if isinstance(value, _Intrinsic):  # and what its module makes of operators
        source = inspect.getsource(sys.modules[value.__module__])
        return "intrinsic", value.__module__, value._name, hashlib.sha256(source.encode()).hexdigest()
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or "numpy"
    if home.partition(".")[0] in _LIBRARIES and hasattr(value, "__name__"):
        return home, value.__name__
    raise TypeError(f"it uses {value!r}")
