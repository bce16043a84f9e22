"""The query parameters of a list: what every list takes, and a filter for each
indexed column."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from foretell.core.pagination import DEFAULT_LIMIT, MAX_OBJECTS
from foretell.expressions.sqlalchemy_compiler import SUBSET
from foretell.resources.description import PARAMETERS, ResourceDescription
from foretell.resources.schemas import filters_schema
from foretell.resources.writing import given


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one call."""

    where: str | None
    sort: str | None
    limit: int
    cursor: str | None
    expand: str | None
    filters: dict[str, Any]

    @classmethod
    def of(cls, query: BaseModel) -> "Parameters":
        """Those that a query string holds."""
        sent = given(query)
        common = {name: getattr(query, name) for name in PARAMETERS}
        filters = {
            name: value
            for name, value in sent.items()
            if name not in PARAMETERS and value is not None
        }
        return cls(**common, filters=filters)


def query_schema(description: ResourceDescription) -> type[BaseModel]:
    """The model of a list's query string; what it does not name is refused."""
    title = f"{description.model.__name__}Query"
    columns = ", ".join(column.name for column in description.sortable)
    relations = "Relations to nest, such as `orders,city`."
    base = filters_schema(f"{title}Filters", description.filters)
    fields: dict[str, Any] = {
        "where": _text(
            2_000, f"A condition, such as `age > 30 AND x IS NULL`. Takes {SUBSET}."
        ),
        "sort": _text(
            2_000, f"Columns, `-` sorts downwards, nulls last. There are: {columns}."
        ),
        "limit": (
            Annotated[int, Field(ge=1, le=MAX_OBJECTS, description="Rows per page.")],
            DEFAULT_LIMIT,
        ),
        "cursor": _text(4_096, "`next` or `prev` of another page."),
        "expand": _text(500, relations),
    }
    return create_model(title, __base__=base, **fields)


def _text(length: int, description: str) -> Any:
    field = Field(max_length=length, description=description)
    return Annotated[str | None, field], None
