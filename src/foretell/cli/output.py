"""Listings and single things, for people as tables and for programs as JSON."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit: TypeAlias = Annotated[
    int, typer.Option("--limit", min=1, help="At most so many.")
]
_PAGE = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def show_list(
    items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Print things one a line, the columns named; as JSON all members of each."""
    found = list(items)
    if as_json:
        print_json(found)
        return
    if not found:
        print("none")
        return
    print_table(
        columns, [[shown_cell(item.get(name)) for name in columns] for item in found]
    )


def show_one(item: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a member a line."""
    if as_json:
        print_json(item)
        return
    width = max(map(len, item), default=0)
    for name, value in item.items():
        print(f"{name:<{width}}  {shown_cell(value)}")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: no lines, columns aligned, wide characters counted as two."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    console.print(table)


def collect(
    list_page: Callable[[int, str | None], Mapping[str, Any]], limit: int
) -> Iterator[Mapping[str, Any]]:
    """Up to `limit` things of a paged listing."""
    cursor: str | None = None
    left = limit
    while left > 0:
        page = list_page(min(left, _PAGE), cursor)
        yield from page["items"]
        left -= len(page["items"])
        cursor = page.get("next")
        if cursor is None or not page["items"]:
            return


def shown_cell(value: Any) -> str:
    """Return a value as a person reads it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return _on_one_line(" ".join(value))
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return _on_one_line(str(value))


def _on_one_line(text: str) -> str:
    """`text` as one line that no terminal obeys: names are chosen by others."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
