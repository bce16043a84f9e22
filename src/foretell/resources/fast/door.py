"""The fast path as the edge knows it: claims addresses, lets callers in, steps aside."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from foretell.core.principal import Authenticator, Principal
from foretell.errors import ForetellError, Unavailable
from foretell.http.compression import compressed
from foretell.http.problems import on_unexpected, problem_response
from foretell.resources.fast.answers import Answer
from foretell.resources.fast.bodies import NotSimple
from foretell.resources.fast.requests import (
    Aside,
    Call,
    Gone,
    demand_json,
    path_of,
    receive_body,
    replayed,
)

BULK = "bulk"


class Refused(Exception):
    """The answer is this error. To ask the routes would repeat what was done."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class FastResource(Protocol):
    """The use cases of one resource. Each may raise `Aside` or an error that says
    that the routes answer, as long as it has changed nothing; or `Refused`."""

    address: str

    async def list_page(self, call: Call) -> Answer: ...

    async def get(self, call: Call, text: str) -> Answer: ...

    async def create(self, call: Call, body: bytes) -> Answer: ...

    async def create_many(self, call: Call, body: bytes) -> Answer: ...

    async def change(self, call: Call, text: str, body: bytes) -> Answer: ...

    async def delete(self, call: Call, text: str) -> Answer: ...


class ResourceFastPath:
    """Answers the usual requests of `resources`; see the package's head."""

    def __init__(
        self, resources: Sequence[FastResource], authenticator: Authenticator
    ) -> None:
        self._by_address = {r.address: r for r in resources}
        self._authenticator = authenticator
        self._compressed = compressed(self._serve)

    def claims(self, scope: Scope) -> bool:
        method, path = scope["method"], path_of(scope)
        if path in self._by_address:
            return method in ("GET", "POST")
        address, _, tail = path.rpartition("/")
        if not tail or address not in self._by_address:
            return False
        return method in ("GET", "PATCH", "DELETE") or (
            method == "POST" and tail == BULK
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if b"gzip" in headers.get(b"accept-encoding", b""):
            await self._compressed(scope, receive, send)
            return
        answer = await self._answer_or_send(headers, scope, receive, send)
        if answer is not None:
            await answer.send(send, is_compressed=False)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer into a compressor."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        answer = await self._answer_or_send(headers, scope, receive, send)
        if answer is not None:
            await answer.send(send, is_compressed=True)

    async def _answer_or_send(
        self,
        headers: Mapping[bytes, bytes],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> Answer | None:
        """The answer; `None` when the request needs none of ours any more."""
        request = _Body(receive)
        try:
            return await self._answer(scope, headers, request)
        except Gone:
            return None
        except Unavailable as error:
            response = problem_response(Request(scope), error)
        except Refused as refused:
            response = await _refusal(Request(scope), refused.error)
        except (Aside, NotSimple, ForetellError):
            again = replayed(request.body, receive)
            await scope["app"].handle(scope, again, send)
            return None
        except Exception as error:
            response = await on_unexpected(Request(scope), error)
        await response(scope, receive, send)
        return None

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], request: "_Body"
    ) -> Answer:
        if len(headers) != len(scope["headers"]):
            raise Aside  # which of two counts is for the routes to say
        path, method = path_of(scope), scope["method"]
        resource = self._by_address.get(path)
        key = ""
        if resource is None:
            address, _, key = path.rpartition("/")
            resource = self._by_address[address]
        scope["fast_route"] = _route_of(resource, method, key)
        principal = await self._admit(resource, headers, is_read=method == "GET")
        call = Call(scope, headers, principal)
        if method == "GET":
            return await (resource.get(call, key) if key else resource.list_page(call))
        if method == "DELETE":
            return await resource.delete(call, key)
        if b"idempotency-key" in headers or b"prefer" in headers:
            raise Aside
        demand_json(headers)
        body = await request.receive()
        if method == "PATCH":
            return await resource.change(call, key, body)
        return await (
            resource.create_many(call, body) if key else resource.create(call, body)
        )

    async def _admit(
        self,
        resource: FastResource,
        headers: Mapping[bytes, bytes],
        *,
        is_read: bool,
    ) -> Principal | None:
        principal = self._authenticator.authenticate_cached(headers)
        if principal is None:
            principal = await self._authenticator.authenticate(
                headers, is_safe_method=is_read
            )
        return principal


class _Body:
    """The body of a request, and whether it was read already."""

    __slots__ = ("_receive", "body")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.body: bytes | None = None

    async def receive(self) -> bytes:
        self.body = await receive_body(self._receive)
        return self.body


async def _refusal(request: Request, error: Exception) -> Response:
    """What the application makes of an error of a route."""
    handlers = request.app.exception_handlers
    known = [handlers[cls] for cls in type(error).__mro__ if cls in handlers]
    answered: Response | Awaitable[Response] = known[0](request, error)
    return await answered if isinstance(answered, Awaitable) else answered


def _route_of(resource: FastResource, method: str, key: str) -> str:
    address = resource.address
    if not key:
        return address
    return f"{address}/{BULK}" if method == "POST" else f"{address}/{{id}}"
