"""Cache of compiled functions for other processes, in files of :mod:`fringefleet.solver.compiled.code_files`.

Numba has a cache of its own, but considers it valid as long as the file of the function is unchanged,
regardless of other files from which functions or constants come; it requires a writable folder; and hosts
with different processors overwrite each other's files. Here the name of a file therefore identifies
everything that the code was made from: the function and all that it calls, with the values of their
constants; the types of the arguments; the processor; the versions of the compiler.

If anything fails, a function is compiled as if there were no cache.
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
_SETTINGS = (  # of numba, which affect the code
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
    """Cache the code that numba compiles of a function for other processes; return the function.

    Parameters
    ----------
    function
        Function returned by numba's ``njit``.
    """
    dispatcher: Any = function
    if isinstance(function, Dispatcher):  # otherwise compilation by numba is disabled
        dispatcher._cache = CodeCache(dispatcher)
        dispatcher.compile = dispatcher._cache.wrap(dispatcher.compile)
    return dispatcher


class CodeCache(NullCache):
    """Cache interface that a dispatcher of numba queries before it compiles, and informs afterwards.

    Numba's lock is held throughout: only one thread of a process is here at a time.
    """

    def wrap(self, compile_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Release the lock if compilation fails here, which numba does not report."""

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
        self._name = ""  # of the code being compiled; empty if it cannot be kept
        self._held = ExitStack()

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Find the code for a signature; if there is none, other processes wait until it is compiled here."""
        found, place = None, CodePlace(None, "")
        try:
            target.refresh()
            self._name = name_of(self._dispatcher, signature, target.codegen().magic_tuple())
            found = self._load(target)
            if found is None:
                place = self._held.enter_context(locked_code(self._name))
                found = self._load(target)  # the previous owner of the lock may have compiled it
        except Exception as error:
            self._note(error)
            self._name = ""
        if found is not None:
            self._release()
            return found
        if not _under_way:
            _log_compilation(place)
        _under_way.append(self)
        return None

    def save_overload(self, _signature: Any, result: Any) -> None:
        """Keep compiled code."""
        try:
            if self._name and not result.library.has_dynamic_globals and not result.lifted:
                write_code(self._name, dumps(result._reduce()))
        except Exception as error:
            self._note(error)
        self._release()

    def _release(self) -> None:
        """Let other processes compile it, if necessary."""
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
        logger.debug("code of %s is not kept: %s: %s", self._dispatcher, type(error).__name__, error)


_under_way: list[CodeCache] = []  # of a function, of one that it calls, of one that this calls ...


def _log_compilation(place: CodePlace) -> None:
    how = f"this takes about {_SECONDS_TO_COMPILE} s"
    if place.folder is None:
        where = f"; set {VARIABLE} to a writable folder" if place.why else ""
        why = f" each time, as it cannot be kept ({place.why}){where}" if place.why else ""
        logger.info("compiling the solver for this processor; %s%s", how, why)
    else:
        where = f"; it is kept in {place.folder} ({place.why})" if place.why else ""
        logger.info("compiling the solver for this processor, once; %s%s", how, where)


def name_of(dispatcher: Any, signature: Any, processor: tuple[str, ...]) -> str:
    """Return the name of the code of a function for a signature and a processor.

    Raises
    ------
    TypeError
        The function uses an object whose changes cannot be detected.
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
    """Describe a type of numba, including the names of fields, which numba's own description lacks."""
    members = getattr(kind, "types", ())
    return str(kind), getattr(kind, "fields", ()), [_type(member) for member in members]


def _facts(dispatcher: Any) -> Iterator[Any]:
    """Yield the definition of a function, and of all that it calls, each once."""
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
    """Describe what a function does, independently of its position in its file."""
    constants = [_code(some) if isinstance(some, CodeType) else _value(some) for some in code.co_consts]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, constants, names, code.co_exceptiontable, code.co_flags


def _used(function: Any) -> dict[str, Any]:
    """Find the objects that a function uses from outside, by name."""
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
    """Describe a value so that different values have different descriptions."""
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
