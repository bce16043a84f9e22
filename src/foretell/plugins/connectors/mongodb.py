"""MongoDB by PyMongo's async client: documents flattened into columns, and back.

A nested document becomes columns `a.b`; lists stay lists. Written documents wait in a
collection beside the target and take its place by a rename, or are merged into it by
the server; their ids come from the piece of work, so a second try adds nothing.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from bson import Binary, DatetimeMS, Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError, InvalidId
from pymongo import AsyncMongoClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from foretell.connections.errors import (
    ConnectionRejected,
    ConnectionUnreachable,
    SinkFailed,
    SourceFailed,
    SourceNotFound,
)
from foretell.core.connectors import Chunk, Reading, Sink, Source, Target
from foretell.errors import ForetellError
from foretell.plugins.connectors.common import Staging, demand_columns

_DEEPEST = 20
_LONGEST_NAME = 1000
_AUTH = frozenset({13, 18, 31, 33, 334})
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    tzinfo=UTC,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
    uuid_representation=4,
)


class MongodbConnector:
    """See `foretell.core.connectors.Connector`."""

    async def check(self, target: Target) -> None:
        async with _connected(target) as database:
            with _translated():
                await database.command("ping")
                if target.username:
                    await database.list_collection_names()

    async def tables(self, target: Target) -> list[str]:
        async with _connected(target) as database:
            with _translated():
                names = await database.list_collection_names()
        hidden = ("system.", "_foretell_")
        return sorted(name for name in names if not name.startswith(hidden))

    @asynccontextmanager
    async def read(
        self, target: Target, source: Source, *, rows: int
    ) -> AsyncIterator[Reading]:
        async with _connected(target) as database:
            with _translated():
                known = await database.list_collection_names(
                    filter={"name": source.text}
                )
            if source.text not in known:
                raise SourceNotFound("collection", source.text)
            limit = int(target.timeout_seconds * 1000)
            wanted, order = _question(source)
            cursor = database[source.text].find(
                wanted, sort=order, batch_size=rows, max_time_ms=limit
            )
            try:
                yield Reading((), _chunks(cursor, rows))
            finally:
                with _translated():
                    await cursor.close()

    async def write(
        self, target: Target, sink: Sink, chunks: AsyncIterator[Chunk]
    ) -> int:
        demand_columns(sink.columns, longest=_LONGEST_NAME, is_case_blind=False)
        async with _connected(target) as database:
            with _translated(writes=True):
                return await _write(database, sink, chunks)


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Any]:
    milliseconds = int(target.connect_seconds * 1000)
    options: dict[str, Any] = {}
    if target.username:
        options["username"] = target.username
        options["password"] = target.password.get_secret_value()
    with _translated():
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            # By name with TLS: its certificate then proves who answers.
            host=target.host if target.tls else target.address,
            port=target.port,
            # Never to the members that a server names: they were not checked.
            directConnection=True,
            tls=target.tls,
            appname="foretell",
            connectTimeoutMS=milliseconds,
            serverSelectionTimeoutMS=milliseconds,
            retryWrites=False,
            **options,
        )
    try:
        yield client.get_database(target.database, codec_options=_OPTIONS)
    finally:
        await client.close()


@contextmanager
def _translated(*, writes: bool = False) -> Iterator[None]:
    try:
        yield
    except ForetellError:
        raise
    except ExecutionTimeout:
        raise SourceFailed(
            "The outside database stopped it: it took too long."
        ) from None
    except ServerSelectionTimeoutError as error:
        is_tls = "SSL" in str(error) or "certificate" in str(error)
        raise ConnectionUnreachable("tls" if is_tls else "unreachable") from None
    except AutoReconnect:
        raise ConnectionUnreachable from None
    except BulkWriteError as error:
        codes = {item.get("code") for item in error.details.get("writeErrors", ())}
        said = ", ".join(str(code) for code in sorted(codes, key=str)[:3])
        raise SinkFailed(f"The outside database does not take them: {said}.") from None
    except OperationFailure as error:
        if error.code in _AUTH:
            raise ConnectionRejected("auth") from None
        kind = SinkFailed if writes else SourceFailed
        raise kind(f"The outside database refuses it: error {error.code}.") from None
    except ConfigurationError:
        raise ConnectionRejected("database") from None
    except (PyMongoError, BSONError, OverflowError) as error:
        kind = SinkFailed if writes else SourceFailed
        raise kind(f"A value is not for MongoDB: {type(error).__name__}.") from None


# --- reading ----------------------------------------------------------------------


def _question(source: Source) -> tuple[dict[str, Any], list[tuple[str, int]] | None]:
    if source.after is None:
        return {}, None
    order = [(source.after.column, 1)]
    if source.after.value is None:
        return {}, order
    return {source.after.column: {"$gt": _asked(source.after.value)}}, order


def _asked(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return ObjectId(value)
        except InvalidId:
            return value
    return _stored(value)


async def _chunks(cursor: Any, rows: int) -> AsyncIterator[Chunk]:
    while True:
        with _translated():
            found = await cursor.to_list(rows)
        if not found:
            return
        yield [_flat(document) for document in found]


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    _flatten(document, "", row, _DEEPEST)
    return row


def _flatten(
    document: Mapping[str, Any], prefix: str, row: dict[str, Any], depth: int
) -> None:
    for key, value in document.items():
        name, number = prefix + key, 2
        if isinstance(value, Mapping) and value and depth:
            _flatten(value, f"{name}.", row, depth - 1)
            continue
        while name in row:  # a key that itself has the point
            name, number = f"{prefix}{key}_{number}", number + 1
        row[name] = _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, Binary):
        return bytes(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, DatetimeMS):
        return f"{int(value)} ms after 1970"
    return value


# --- writing ----------------------------------------------------------------------


async def _write(database: Any, sink: Sink, chunks: AsyncIterator[Chunk]) -> int:
    staging = Staging.of(sink)
    waiting = database[staging.new]
    await waiting.drop()
    await database.create_collection(staging.new)
    names = [column.name for column in sink.columns]
    rows = 0
    async for chunk in chunks:
        documents = [
            _document(row, names, f"{staging.new[-16:]}:{rows + place}")
            for place, row in enumerate(chunk, start=1)
        ]
        if documents:
            await waiting.insert_many(documents, ordered=True)
        rows += len(documents)
    if sink.mode == "replace":
        await waiting.rename(sink.name, dropTarget=True)
        return rows
    merge = {"into": sink.name, "on": "_id", "whenMatched": "keepExisting"}
    cursor = await waiting.aggregate([{"$merge": merge}])
    await cursor.to_list(None)
    await waiting.drop()
    return rows


def _document(row: Mapping[str, Any], names: list[str], own_id: str) -> dict[str, Any]:
    document: dict[str, Any] = {"_id": own_id}
    for name in names:
        value = _stored(row[name])
        if name == "_id" and value is None:
            continue
        _put(document, name, value)
    return document


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    """Put `a.b` into the document `a`; under its whole name where `a` is none."""
    *above, last = name.split(".")
    place: Any = document
    for part in above:
        if not part or not last:
            break
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            break
    else:
        if not isinstance(place.get(last), dict):
            place[last] = value
            return
    document[name.replace(".", "_")] = value


def _stored(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1_000_000)
    return value
