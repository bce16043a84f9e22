"""Bodies read by msgspec structs made from columns.

A struct takes no more than the resource's Pydantic schema does, and makes the same
values of it; what it refuses, the schema may still take, or refuse with its reasons.
So the routes remain the contract, and the usual body costs a few microseconds.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from pydantic import BaseModel

from foretell.resources.columns import Kind, ResourceColumn
from foretell.resources.description import ResourceDescription
from foretell.resources.schemas import MAX_BULK, MAX_TEXT
from foretell.resources.writing import values_of

Values = dict[str, Any]
Convert = Callable[[Any], Any]
ModelT = TypeVar("ModelT", bound=BaseModel)
_MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})$"
_TIME = r"^\d{2}:\d{2}:\d{2}(\.\d{1,6})?$"
# NUL and halves of surrogate pairs can stand in JSON only as escapes.
_UNSTORABLE = re.compile(rb"\\u(0000|[dD][89a-fA-F])")


class NotSimple(Exception):
    """The body is not of the simple kind, which need not mean that it is wrong."""


class Bodies:
    """Reads the bodies of one resource; each row as its values by name."""

    def __init__(self, description: ResourceDescription) -> None:
        writable = [c for c in description.columns if c.is_writable]
        changeable = [c for c in description.columns if c.is_changeable]
        self._create = _reader(
            description, writable, own=description.creates_by_model, is_new=True
        )
        self._update = _reader(
            description, changeable, own=description.updates_by_model, is_new=False
        )

    def created(self, body: bytes) -> Values:
        """The values of a new row.

        Raises:
            NotSimple: Let the routes read it.
        """
        return self._create.one(body)

    def created_many(self, body: bytes) -> list[Values]:
        """The values of new rows, one to `MAX_BULK`."""
        return self._create.many(body)

    def changed(self, body: bytes) -> Values:
        """The new values of a row."""
        return self._update.one(body)


class _Structs:
    """Bodies whose schema was derived from the columns."""

    def __init__(self, columns: Sequence[ResourceColumn], *, is_new: bool) -> None:
        self._fields = [(f"c{n}", c.name) for n, c in enumerate(columns)]
        struct = _struct_of(columns, is_new=is_new)
        many = Annotated[list[struct], Meta(min_length=1, max_length=MAX_BULK)]  # type: ignore[valid-type]
        page = msgspec.defstruct("Bulk", [("items", many)], forbid_unknown_fields=True)
        self._one = msgspec.json.Decoder(struct)
        self._many = msgspec.json.Decoder(page)
        self._converted: list[tuple[str, Convert]] = [
            (c.name, convert)
            for c in columns
            if (convert := _conversion_of(c)) is not None
        ]

    def one(self, body: bytes) -> Values:
        return self._values(_decoded(self._one, body))

    def many(self, body: bytes) -> list[Values]:
        return [self._values(item) for item in _decoded(self._many, body).items]

    def _values(self, struct: Any) -> Values:
        values = {
            name: value
            for field, name in self._fields
            if (value := getattr(struct, field)) is not UNSET
        }
        try:
            for name, convert in self._converted:
                if values.get(name) is not None:
                    values[name] = convert(values[name])
        except (ValueError, OverflowError) as error:
            raise NotSimple from error
        return values


class _Models:
    """Bodies with a schema of the user's own, or with JSON inside."""

    def __init__(self, description: ResourceDescription, *, is_new: bool) -> None:
        self._description = description
        self._is_new = is_new
        self._model = description.create if is_new else description.update
        self._bulk = description.bulk

    def one(self, body: bytes) -> Values:
        return self._values(validated(self._model, body))

    def many(self, body: bytes) -> list[Values]:
        found: Any = validated(self._bulk, body)
        return [self._values(item) for item in found.items]

    def _values(self, body: Any) -> Values:
        return values_of(self._description, body, is_new=self._is_new)


def _reader(
    description: ResourceDescription,
    columns: Sequence[ResourceColumn],
    *,
    own: bool,
    is_new: bool,
) -> "_Structs | _Models":
    if own or any(column.kind is Kind.JSON for column in columns):
        return _Models(description, is_new=is_new)
    return _Structs(columns, is_new=is_new)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    if b"\\u" in body and _UNSTORABLE.search(body):
        raise NotSimple
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotSimple from error


def validated(model: type[ModelT], body: bytes) -> ModelT:
    """A body as the routes read it.

    Raises:
        NotSimple: The schema refuses it; let the routes say why.
    """
    try:
        return model.model_validate(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise NotSimple from error


def _struct_of(columns: Sequence[ResourceColumn], *, is_new: bool) -> Any:
    renamed = {f"c{number}": column.name for number, column in enumerate(columns)}
    fields: list[Any] = []
    for field, column in zip(renamed, columns, strict=True):
        type_ = _type_of(column)
        if column.nullable:
            type_ = type_ | None
        if is_new and not column.is_optional:
            fields.append((field, type_))
        else:
            fields.append((field, type_ | UnsetType, UNSET))
    return msgspec.defstruct(
        "Body", fields, rename=renamed, forbid_unknown_fields=True, kw_only=True
    )


def _type_of(column: ResourceColumn) -> Any:
    match column.kind:
        case Kind.TEXT:
            length = min(column.max_length or MAX_TEXT, MAX_TEXT)
            return Annotated[str, Meta(max_length=length)]
        case Kind.INTEGER:
            return Annotated[int, Meta(ge=column.minimum, le=column.maximum)]
        case Kind.DECIMAL:
            return _decimal(column)
        case Kind.ENUM:
            return Literal[column.values]
        case Kind.TIME:
            return Annotated[str, Meta(pattern=_TIME)]
        case Kind.DATETIME:
            return Annotated[str, Meta(pattern=_MOMENT)]
    return _TYPES[column.kind]


_TYPES: Mapping[Kind, Any] = {
    Kind.FLOAT: float,
    Kind.BOOLEAN: bool,
    Kind.DATE: date,
    Kind.UUID: UUID,
}


def _decimal(column: ResourceColumn) -> Any:
    # As text or as a whole number; of a number with a point, the schema decides.
    scale = column.scale or 0
    whole = max((column.precision or 0) - scale, 1)
    places = rf"(\.\d{{1,{scale}}})?" if scale else ""
    bound = 10**whole - 1
    return (
        Annotated[str, Meta(pattern=rf"^-?\d{{1,{whole}}}{places}$")]
        | Annotated[int, Meta(ge=-bound, le=bound)]
    )


def _conversion_of(column: ResourceColumn) -> Convert | None:
    match column.kind:
        case Kind.DECIMAL:
            return Decimal
        case Kind.TIME:
            return time.fromisoformat
        case Kind.DATETIME:
            return _moment
    return None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
