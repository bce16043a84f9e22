"""The use cases of one resource by the service of its routes, in front of FastAPI.

For databases without a direct path, and for resources in which the user's own code
takes part: the same service in the same unit of work, without FastAPI's solving of
dependencies, which takes longer than most statements.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from foretell.auth.dependencies import services_of
from foretell.http.state import AppState
from foretell.jobs.composing import jobs_parts
from foretell.jobs.enqueueing import RequestJobs
from foretell.resources.access import Access
from foretell.resources.addresses import bulk_location, row_location
from foretell.resources.description import ResourceDescription
from foretell.resources.etags import body_etag, is_known, nested_etag, row_etag
from foretell.resources.fast.answers import Answer, links_of
from foretell.resources.fast.bodies import validated
from foretell.resources.fast.door import Refused
from foretell.resources.fast.requests import (
    Aside,
    Call,
    ParameterReader,
    expand_of,
    reader_of,
)
from foretell.resources.listing import Sent
from foretell.resources.rows import to_bytes
from foretell.resources.service import ResourceService, Shown

Opening = Callable[[], AbstractAsyncContextManager[AsyncSession]]


class SessionResource:
    """See the module's head."""

    def __init__(self, description: ResourceDescription, state: AppState) -> None:
        self.description = description
        self.address = description.address
        self._state = state
        self._key = description.key.name
        self._parameters = ParameterReader(description)
        self._read_key = reader_of(description.key)

    # --- reading ----------------------------------------------------------------

    async def list_page(self, call: Call) -> Answer:
        self._demand_reader(call)
        asked = self._parameters.list_parameters(call.scope["query_string"])
        async with self._reading(call) as service:
            page = await service.list_page(
                Sent(asked.where, asked.sort, asked.filters),
                cursor=asked.cursor,
                limit=asked.limit,
                expand=asked.expand,
            )
        body = to_bytes({"items": page.items, "next": page.next, "prev": page.prev})
        links = links_of(call, asked, page.next, page.prev)
        return _unless_known(call, body, body_etag(body), **links)

    async def get(self, call: Call, text: str) -> Answer:
        self._demand_reader(call)
        key = self._read_key(text)
        expand = expand_of(call.scope["query_string"])
        async with self._reading(call) as service:
            shown = await service.get(key, expand)
        body, etag = to_bytes(shown.answer), self._etag(shown)
        if expand is not None:
            etag = nested_etag(shown.row[self._key], shown.version, body)
        return _unless_known(call, body, etag)

    # --- writing ----------------------------------------------------------------

    async def create(self, call: Call, body: bytes) -> Answer:
        self._demand_writer(call)
        new: BaseModel = validated(self.description.create, body)
        async with self._writing(call) as service:
            shown = await service.create(new)
        place = call.root + row_location(self.description, shown.row)
        return self._one(shown, 201, location=place)

    async def create_many(self, call: Call, body: bytes) -> Answer:
        self._demand_writer(call)
        new: Any = validated(self.description.bulk, body)
        async with self._writing(call) as service:
            many = await service.create_many(new.items)
        place = call.root + bulk_location(self.description, [s.row for s in many])
        items = [shown.answer for shown in many]
        page = to_bytes({"items": items, "next": None, "prev": None})
        return Answer(201, page, location=place)

    async def change(self, call: Call, text: str, body: bytes) -> Answer:
        self._demand_writer(call)
        key = self._read_key(text)
        changes: BaseModel = validated(self.description.update, body)
        async with self._writing(call) as service:
            shown = await service.change(key, changes, call.header(b"if-match"))
        return self._one(shown, 200)

    async def delete(self, call: Call, text: str) -> Answer:
        self._demand_writer(call)
        key = self._read_key(text)
        async with self._writing(call) as service:
            await service.delete(key, call.header(b"if-match"))
        return Answer(204, b"")

    # --- helpers ----------------------------------------------------------------

    def _demand_reader(self, call: Call) -> None:
        if not self.description.is_public:
            _demand(call, self.description.read_scope)

    def _demand_writer(self, call: Call) -> None:
        _demand(call, self.description.write_scope)

    def _reading(self, call: Call) -> AbstractAsyncContextManager[ResourceService]:
        return self._unit_of_work(call, self._state.database.reading)

    def _writing(self, call: Call) -> AbstractAsyncContextManager[ResourceService]:
        return self._unit_of_work(call, self._state.database.writing)

    @asynccontextmanager
    async def _unit_of_work(
        self, call: Call, opening: Opening
    ) -> AsyncIterator[ResourceService]:
        try:
            async with opening() as session:
                yield self._service(call, session)
        except Exception as error:
            # Hooks may have run: whoever is asked again would run them again.
            raise Refused(error) from error

    def _service(self, call: Call, session: AsyncSession) -> ResourceService:
        state, description = self._state, self.description
        audit = None
        if description.audit:
            audit = services_of(Request(call.scope), session).audit
        return ResourceService(
            Access(description, call.principal),
            session,
            clock=state.clock,
            cursors=state.cursors,
            jobs=lambda: RequestJobs(
                session,
                principal=call.principal,
                announce=_nobody,
                **jobs_parts(state),
            ),
            audit=audit,
        )

    def _one(self, shown: Shown, status: int, **headers: str) -> Answer:
        body = to_bytes(shown.answer)
        return Answer(status, body, etag=self._etag(shown), **headers)

    def _etag(self, shown: Shown) -> str:
        return row_etag(shown.row[self._key], shown.version)


def _demand(call: Call, scope: str) -> None:
    if call.principal is None or not call.principal.may_some(scope):
        raise Aside


def _unless_known(call: Call, body: bytes, etag: str, **headers: str) -> Answer:
    if is_known(call.header(b"if-none-match"), etag):
        return Answer(304, b"", etag=etag, **headers)
    return Answer(200, body, etag=etag, **headers)


def _nobody(_job_id: str) -> None:
    """No route of a resource but the snapshot, which is not here, tells of a job."""
