r"""Docstrings as mkdocstrings needs them: Markdown for roles of Sphinx, and options that an import adds.

An extension of Griffe, which reads the sources without importing them. ``:class:`Run``` becomes code,
``:math:`x``` and ``.. math::`` become formulas, and a class whose docstring is completed when it is imported
(:func:`fringefleet.arguments.declaration.documented`) is imported.
"""

import inspect
import re
from importlib import import_module
from textwrap import dedent
from typing import Any

import griffe

ROLE = re.compile(r":(?:mod|class|func|meth|data|attr):`~?([^`]+)`")
FORMULA = re.compile(r":math:`([^`]+)`")
BLOCK = re.compile(r"^\.\. math:: *((?:.*)(?:\n(?:[ \t]+.*)?)*)", re.MULTILINE)


def in_markdown(text: str) -> str:
    r"""Replace the roles and directives of Sphinx in a docstring.

    Examples
    --------
    >>> in_markdown(":class:`Run` has :math:`x`")
    '`Run` has $x$'
    """
    text = BLOCK.sub(lambda found: f"$$\n{dedent(found[1]).strip()}\n$$\n\n", text)
    return ROLE.sub(r"`\1`", FORMULA.sub(r"$\1$", text))


class Docstrings(griffe.Extension):
    """Translate every docstring; take that of a documented dataclass from the class itself."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Translate the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Take the docstring of a documented dataclass as it is after its import."""
        if (
            any(str(item.value).endswith("documented") for item in cls.decorators)
            and cls.docstring is not None
        ):
            documented = getattr(import_module(cls.module.path), cls.name)
            cls.docstring.value = in_markdown(inspect.getdoc(documented) or "")
