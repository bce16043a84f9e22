"""Fields as they are written on the command line and in a spec file: `age:int?`.

`name:type`, then marks: `?` may be null, `!` unique, `^` indexed (so that lists can
be filtered by it). Shells that read marks as their own take words instead:
`age:int:optional`, `email:str:unique`, `city:str:index`.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from foretell.builder.errors import FieldRefused, NameRefused
from foretell.builder.names import ResourceName, field_name, resource_name

_WORDS = {"optional": "?", "unique": "!", "index": "^"}
_TAIL = re.compile(r"[?!^]*$")


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a type of the contract is in Python, in the table and in a test.

    Attributes:
        annotation: In `Mapped[…]`, and of a task's argument.
        sample: Python source of a value in a JSON body, as the API gives it back; `{n}`
            is a digit, `{words}` the name of the field.
        wrong: Python source of a value that is refused.
        varied: The same with a variable `number` in it, for fields that are unique.
        imports: What the annotation needs.
        column: Argument of `mapped_column` where the annotation does not say enough.
    """

    annotation: str
    sample: str
    wrong: str
    varied: str
    imports: tuple[str, ...] = ()
    column: str = ""
    column_imports: tuple[str, ...] = ()


_DAYS = ("datetime as dt",)
_WRONG = '"wrong"'
TYPES = {
    "str": FieldType("str", '"{words} {n}"', "7", 'f"{words} {{number}}"'),
    "text": FieldType(
        "str",
        '"{words} {n}"',
        "7",
        "",
        column="Text",
        column_imports=("sqlalchemy.Text",),
    ),
    "int": FieldType("int", "{n}", _WRONG, "number"),
    "float": FieldType("float", "{n}.5", _WRONG, "number + 0.5"),
    "bool": FieldType("bool", "True", _WRONG, ""),
    "decimal": FieldType(
        "Decimal",
        '"{n}.500000"',
        _WRONG,
        'f"{{number}}.500000"',
        imports=("decimal.Decimal",),
    ),
    "date": FieldType(
        "dt.date",
        '"2026-01-0{n}"',
        _WRONG,
        'f"{{2000 + number}}-01-01"',
        imports=_DAYS,
    ),
    "datetime": FieldType(
        "dt.datetime",
        '"2026-01-0{n}T12:30:00Z"',
        _WRONG,
        'f"{{2000 + number}}-01-01T12:30:00Z"',
        imports=_DAYS,
    ),
    "uuid": FieldType(
        "UUID",
        '"00000000-0000-4000-8000-00000000000{n}"',
        _WRONG,
        'f"00000000-0000-4000-8000-{{number:012}}"',
        imports=("uuid.UUID",),
    ),
    "json": FieldType(
        "Any",
        '{{"answer": {n}}}',
        "",
        "",
        imports=("typing.Any",),
        column="JSON",
        column_imports=("sqlalchemy.JSON",),
    ),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column, or one reference to a row of another resource.

    Attributes:
        name: Of the column; of the relation when `target` is given.
        kind: A key of `TYPES`, or `ref`.
        target: The resource that a `ref` names.
    """

    name: str
    kind: str
    target: ResourceName | None = None
    is_nullable: bool = False
    is_unique: bool = False
    is_indexed: bool = False

    @property
    def column(self) -> str:
        """Name of the column, which is its JSON key as well."""
        return f"{self.name}_id" if self.target else self.name

    @property
    def type(self) -> FieldType:
        return TYPES["str" if self.kind == "ref" else self.kind]

    @property
    def annotation(self) -> str:
        """The column's type in Python, null included."""
        optional = " | None" if self.is_nullable and self.kind != "json" else ""
        return self.type.annotation + optional

    def sample(self, digit: int) -> str:
        """Python source of a value for a JSON body; another digit, another value."""
        return self.type.sample.format(n=digit, words=self._words)

    @property
    def varied(self) -> str:
        """Python source of a value that differs with a variable `number`."""
        return self.type.varied.format(words=self._words)

    @property
    def _words(self) -> str:
        return self.name.replace("_", " ")


def parse_fields(texts: Sequence[str]) -> list[Field]:
    """Fields in the order given.

    Raises:
        FieldRefused: One is not `name:type`, has an unknown type, or comes twice.
    """
    fields = [parse_field(text) for text in texts]
    seen: set[str] = set()
    for text, field in zip(texts, fields, strict=True):
        names = {field.name, field.column}
        if names & seen:
            raise FieldRefused(text, "there is a field of that name before it")
        seen |= names
    return fields


def parse_field(text: str) -> Field:
    """Read `name:type`, with marks."""
    name, colon, rest = text.partition(":")
    if not colon or not rest:
        raise FieldRefused(text, "write name:type, such as age:int?")
    return make_field(name, rest, text)


def make_field(name: str, written: str, text: str | None = None) -> Field:
    """A field of a name and a type with marks, as a spec file has them apart."""
    text = text or f"{name}:{written}"
    kind, *words = written.split(":")
    target = words.pop(0) if kind == "ref" and words else None
    last = target if target is not None else kind
    marks = _TAIL.search(last)
    tail = marks[0] if marks else ""
    found = set(tail) | {_mark_of(word, text) for word in words}
    bare = last.removesuffix(tail)
    if kind == "ref" or target is not None:
        return _reference(name, bare if target is not None else "", found, text)
    if bare not in TYPES:
        raise FieldRefused(text, f"there is no type {bare!r}{_nearest(bare)}")
    return _checked(text, Field(_named(name, text), bare, None, *_flags(found)))


def _mark_of(word: str, text: str) -> str:
    mark = _WORDS.get(word.rstrip("?!^"))
    if mark is None:
        raise FieldRefused(
            text, f"{word!r} is none of {', '.join(_WORDS)}, nor of the marks ? ! ^"
        )
    return mark


def _reference(name: str, target: str, marks: set[str], text: str) -> Field:
    if not target:
        raise FieldRefused(text, "say what it refers to, such as customer:ref:customer")
    try:
        wanted = resource_name(target)
    except NameRefused as refusal:
        raise FieldRefused(text, refusal.detail) from None
    relation = _named(name.removesuffix("_id") or name, text)
    return Field(relation, "ref", wanted, *_flags(marks))


def _flags(marks: set[str]) -> tuple[bool, bool, bool]:
    return "?" in marks, "!" in marks, "^" in marks


def _named(name: str, text: str) -> str:
    try:
        return field_name(name)
    except NameRefused as refusal:
        raise FieldRefused(text, refusal.detail) from None


def _checked(text: str, field: Field) -> Field:
    if field.is_unique and not field.type.varied:
        raise FieldRefused(text, f"{field.kind} cannot be unique")
    if field.is_indexed and field.kind in ("json", "text"):
        raise FieldRefused(text, f"not every database has an index of {field.kind}")
    return field


def _nearest(kind: str) -> str:
    known = [*TYPES, "ref"]
    near = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}? " if near else "; "
    return f"{hint}Types: {' '.join([*TYPES, 'ref:NAME'])}"
