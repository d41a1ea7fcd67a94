"""Facts about an object: lines where it is printed, a table in a notebook by its ``_repr_html_``."""

from collections.abc import Mapping, Sequence

_TABLE = """<table><caption><b>{{ title }}</b></caption>
{%- for row in rows %}<tr>
{%- for value in row %}<td style="text-align:left">{{ value }}</td>{% endfor %}</tr>
{%- endfor %}</table>"""


def facts_as_html(title: str, facts: Mapping[str, object]) -> str:
    """Write facts by name as a table of HTML.

    Examples
    --------
    >>> "&lt;3&gt;</td>" in facts_as_html("Title", {"a": "<3>"})
    True
    """
    return _render(title, list(facts.items()))


def facts_as_text(title: str, facts: Mapping[str, object]) -> str:
    """Write facts by name as lines.

    Examples
    --------
    >>> print(facts_as_text("Title", {"a": 3}))
    Title
      a: 3
    """
    return "\n".join([title, *(f"  {name}: {value}" for name, value in facts.items())])


def rows_as_html(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write rows under a header as a table of HTML."""
    return _render(title, [header, *rows])


def _render(title: str, rows: Sequence[Sequence[object]]) -> str:
    from jinja2 import Environment  # noqa: PLC0415 - for notebooks only

    return Environment(autoescape=True).from_string(_TABLE).render(title=title, rows=rows)
