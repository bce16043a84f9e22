"""Bodies that name an outside database: import from it, export to it."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from foretell.connections.schemas import SourceWrite
from foretell.http.schemas import Body, Name, Storable, VersionNumber

Mode = Literal["replace", "append"]
Place = Annotated[Storable, StringConstraints(min_length=1, max_length=255)]


class SourceImport(Body):
    """A new dataset of what a connection has."""

    name: Name
    source: SourceWrite


class SourceVersion(Body):
    """The next version of a dataset, of what a connection has."""

    source: SourceWrite
    name: Name | None = Field(None, description="The dataset's own, if given.")
    mode: Mode = "replace"


class ExportWrite(Body):
    """Where a version goes: a table, a collection or a Redis key.

    `replace` puts the rows in the place of what is there, `append` adds them; either
    happens wholly or not at all.
    """

    connection: Name
    table: Place | None = None
    collection: Place | None = None
    key: Place | None = Field(None, description="A hash with a field for each row.")
    key_column: Place | None = Field(
        None, description="Whose cells name the fields; VERSION:ROW without."
    )
    mode: Mode = "replace"
    version: VersionNumber | None = Field(None, description="The current by default.")


def inlined(model: type[Body]) -> dict[str, Any]:
    """The JSON schema of a body without references, for a hand-written operation."""
    schema = model.model_json_schema()
    defined = schema.pop("$defs", {})
    for name, part in schema["properties"].items():
        found = part.get("$ref", "").rpartition("/")[2]
        if found:
            schema["properties"][name] = defined[found]
    return schema
