"""The use cases of one resource straight on the driver, each one statement.

The rules are those of `resources.service`, made of the same parts: access, cursors,
tags, keys. Nothing here decides why something cannot be: a refusal of those parts,
`Aside` and `NotSimple` all say that the routes answer.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import asyncpg
from sqlalchemy import Dialect

from foretell.core.clock import Clock
from foretell.core.direct import DirectPool
from foretell.core.pagination import Cursors
from foretell.core.principal import Principal
from foretell.resources.access import Access
from foretell.resources.addresses import bulk_location, row_location
from foretell.resources.columns import Kind
from foretell.resources.description import ResourceDescription
from foretell.resources.etags import (
    body_etag,
    is_known,
    nested_etag,
    row_etag,
    wanted_versions,
)
from foretell.resources.fast.answers import Answer, links_of
from foretell.resources.fast.bodies import Bodies
from foretell.resources.fast.requests import (
    Aside,
    Call,
    ListParameters,
    ParameterReader,
    expand_of,
    reader_of,
)
from foretell.resources.fast.rows import PageBody, to_json
from foretell.resources.fast.sql import Prepared
from foretell.resources.fast.statements import FastStatements
from foretell.resources.fast.writing import Columns, completed_one
from foretell.resources.listing import ListQuery, Sent, cursor_of, page_ends, query_of
from foretell.resources.statements import KEY, OWNER_IS, VERSION_IS, new_values
from foretell.resources.writing import UPDATED, VERSION

Record = Any
"""A row as asyncpg gives it: values in order, and by name."""


# A statement that says so has changed nothing.
_REFUSED = (asyncpg.PostgresError, asyncpg.DataError)


class DirectResource:
    """See the module's head."""

    def __init__(
        self,
        description: ResourceDescription,
        pool: DirectPool,
        dialect: Dialect,
        *,
        clock: Clock,
        cursors: Cursors,
    ) -> None:
        self.description = description
        self.address = description.address
        self._pool = pool
        self._clock = clock
        self._cursors = cursors
        self._statements = FastStatements(description, dialect)
        self._parameters = ParameterReader(description)
        self._bodies = Bodies(description)
        self._read_key = reader_of(description.key)
        self._key = description.key.name
        self._decimals = frozenset(
            c.name for c in description.sortable if c.kind is Kind.DECIMAL
        )

    # --- reading ----------------------------------------------------------------

    async def list_page(self, call: Call) -> Answer:
        access = Access(self.description, call.principal)
        access.demand_read()
        asked = self._parameters.list_parameters(call.scope["query_string"])
        nests_owned = self._nests_owned(access, asked.expand)
        sent = Sent(asked.where, asked.sort, asked.filters)
        query = query_of(self.description, self._cursors, sent, asked.cursor)
        owner = access.reads_as
        plan = self._statements.plans.plan(query, owner=owner, take=asked.limit + 1)
        reading = self._statements.list_page(
            plan, asked.expand, nests_owned=nests_owned
        )
        values = dict(plan.parameters)
        if nests_owned:
            values[OWNER_IS] = self._user_of(access)
        records = await self._read(reading.prepared, values)
        page, links = self._page(call, asked, query, records)
        page.items = reading.maker.rows(page.items)
        body = to_json(page)
        etag = body_etag(body)
        if is_known(call.header(b"if-none-match"), etag):
            return Answer(304, b"", etag=etag, **links)
        return Answer(200, body, etag=etag, **links)

    def _page(
        self,
        call: Call,
        asked: ListParameters,
        query: ListQuery,
        records: list[Record],
    ) -> tuple[PageBody, dict[str, str]]:
        """The page of records, and its `Link`."""
        more, records = len(records) > asked.limit, records[: asked.limit]
        if query.position is not None and query.position.backwards:
            records.reverse()
        has_next, has_previous = page_ends(query, records, more=more)
        page = PageBody(items=records)
        if has_next:
            page.next = self._cursor(query, records[-1], backwards=False)
        if has_previous:
            page.prev = self._cursor(query, records[0], backwards=True)
        return page, links_of(call, asked, page.next, page.prev)

    def _cursor(self, query: ListQuery, record: Record, *, backwards: bool) -> str:
        row: Record = record
        if self._decimals and not self._decimals.isdisjoint(
            key.column for key in query.keys
        ):
            row = {
                name: Decimal(value) if name in self._decimals and value else value
                for name, value in record.items()
            }
        return cursor_of(
            self.description, self._cursors, query, row, backwards=backwards
        )

    async def get(self, call: Call, text: str) -> Answer:
        key = self._read_key(text)
        access = Access(self.description, call.principal)
        access.demand_read(key)
        expand = expand_of(call.scope["query_string"])
        nests_owned = self._nests_owned(access, expand)
        owner = access.reads_as
        reading = self._statements.get(
            is_owned=owner is not None, expand=expand, nests_owned=nests_owned
        )
        values = {KEY: key, OWNER_IS: self._user_of(access) if nests_owned else owner}
        records = await self._read(reading.prepared, values)
        if not records:
            raise Aside
        record = records[0]
        body = to_json(reading.maker.row(record))
        if expand is None:
            etag = row_etag(record[self._key], record[VERSION])
        else:
            etag = nested_etag(record[self._key], record[VERSION], body)
        if is_known(call.header(b"if-none-match"), etag):
            return Answer(304, b"", etag=etag)
        return Answer(200, body, etag=etag)

    # --- writing ----------------------------------------------------------------

    async def create(self, call: Call, body: bytes) -> Answer:
        Access(self.description, call.principal).demand_write()
        values = completed_one(
            self.description,
            self._bodies.created(body),
            _user_id(call.principal),
            self._clock.now(),
        )
        prepared = self._statements.insert(tuple(values))
        (record,) = await self._write(prepared, new_values(values))
        place = call.root + row_location(self.description, record)
        return self._one(record, 201, location=place)

    async def create_many(self, call: Call, body: bytes) -> Answer:
        Access(self.description, call.principal).demand_write()
        many = self._bodies.created_many(body)
        columns = Columns(
            self.description, many, _user_id(call.principal), self._clock.now()
        )
        prepared = self._statements.insert_many(columns.names, columns.arrays)
        records = await self._write(prepared, new_values(columns.values))
        records = self._as_sent(records, columns)
        page = PageBody(items=self._statements.maker.rows(records))
        place = call.root + bulk_location(self.description, records)
        return Answer(201, to_json(page), location=place)

    def _as_sent(self, records: list[Record], columns: Columns) -> list[Record]:
        # PostgreSQL gives rows back as it made them, but does not promise it.
        keys = [str(key) for key in columns.values[self._key]]
        if all(r[self._key] == k for r, k in zip(records, keys, strict=True)):
            return records
        by_key = {record[self._key]: record for record in records}
        return [by_key[key] for key in keys]

    async def change(self, call: Call, text: str, body: bytes) -> Answer:
        key = self._read_key(text)
        access = Access(self.description, call.principal)
        access.demand_write(key)
        values = self._bodies.changed(body)
        if not values:
            raise Aside
        values[UPDATED] = self._clock.now()
        matched = self._matched(call, access, key)
        prepared = self._statements.update(
            tuple(values),
            is_owned=OWNER_IS in matched,
            has_version=VERSION_IS in matched,
        )
        records = await self._write(prepared, new_values(values) | matched)
        if not records:
            raise Aside
        return self._one(records[0], 200)

    async def delete(self, call: Call, text: str) -> Answer:
        key = self._read_key(text)
        access = Access(self.description, call.principal)
        access.demand_write(key)
        matched = self._matched(call, access, key)
        prepared = self._statements.delete(
            is_owned=OWNER_IS in matched, has_version=VERSION_IS in matched
        )
        if not await self._write(prepared, matched):
            raise Aside
        return Answer(204, b"")

    # --- helpers ----------------------------------------------------------------

    def _matched(self, call: Call, access: Access, key: Any) -> dict[str, Any]:
        """What the row of a write must have."""
        found: dict[str, Any] = {KEY: key}
        if access.writes_as is not None:
            found[OWNER_IS] = access.writes_as
        versions = wanted_versions(call.header(b"if-match"), key)
        if versions is not None:
            if len(versions) != 1:
                raise Aside
            (found[VERSION_IS],) = versions
        return found

    def _one(self, record: Record, status: int, **headers: str) -> Answer:
        etag = row_etag(record[self._key], record[VERSION])
        body = to_json(self._statements.maker.row(record))
        return Answer(status, body, etag=etag, **headers)

    def _nests_owned(self, access: Access, expand: str | None) -> bool:
        """Whether nested rows are narrowed to the caller's own."""
        if expand is None:
            return False
        expansion = self._statements.expansion(expand)
        if not expansion.is_servable:
            raise Aside
        others = [access.to(target) for target in expansion.targets]
        for other in others:
            other.demand_read()
        return any(other.reads_as is not None for other in others)

    def _user_of(self, access: Access) -> str:
        return _user_id(access.principal) or ""

    async def _read(
        self, prepared: Prepared, values: Mapping[str, Any]
    ) -> list[Record]:
        try:
            return await self._pool.read(prepared.text, prepared.arguments(values))
        except _REFUSED as error:
            raise Aside from error

    async def _write(
        self, prepared: Prepared, values: Mapping[str, Any]
    ) -> list[Record]:
        try:
            return await self._pool.write(prepared.text, prepared.arguments(values))
        except _REFUSED as error:
            raise Aside from error


def _user_id(principal: Principal | None) -> str | None:
    return None if principal is None else principal.user_id
