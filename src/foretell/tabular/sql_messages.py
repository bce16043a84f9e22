"""What travels to a child that answers SQL, and back."""

import msgspec


class SqlColumn(msgspec.Struct, frozen=True):
    """A column as stored; `type` is the public one."""

    name: str
    type: str


class SqlTable(msgspec.Struct, frozen=True):
    """A table that a statement may name: one version of a dataset.

    Attributes:
        name: As the statement writes it, in lower case.
        paths: Its Parquet parts, in row order.
    """

    name: str
    paths: list[str]
    columns: list[SqlColumn]


class SqlQuestion(msgspec.Struct, frozen=True):
    """One statement and everything it may see.

    Attributes:
        limit: Most rows of the answer.
        timeout_seconds: Time of the engine by the clock.
        memory_bytes: What the engine may hold before it gives up.
    """

    sql: str
    tables: list[SqlTable]
    limit: int
    timeout_seconds: float
    memory_bytes: int


class SqlAnswer(msgspec.Struct, frozen=True):
    """The rows of a statement.

    Attributes:
        columns: Names as the statement gives them, and public types.
        rows: A JSON array of arrays.
        truncated: There were more rows than were asked for or fit into an answer.
    """

    columns: list[SqlColumn]
    rows: bytes
    truncated: bool
    elapsed_ms: float

    def to_json(self) -> bytes:
        """The answer as the body of a response."""
        columns = msgspec.json.encode(self.columns)
        return (b'{"columns":%b,"rows":%b,"truncated":%b,"elapsed_ms":%b}') % (
            columns,
            self.rows,
            msgspec.json.encode(self.truncated),
            msgspec.json.encode(self.elapsed_ms),
        )
