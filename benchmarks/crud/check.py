"""Every contender must give the same answers before anything is measured."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2

from benchmarks.crud import database
from benchmarks.crud.contenders import Running
from benchmarks.crud.counting_proxy import CountingProxy

Answers = dict[str, Any]
_MOMENTS, _DECIMALS = ("created_at", "updated_at"), ("credit", "amount")
COUNTED, ROUNDS = 10, 3


def new_customer(number: int, nonce: str) -> dict[str, Any]:
    return {
        "email": f"{nonce}-{number}@example.org",
        "name": "Ada Lovelace",
        "city": database.city(number),
        "credit": "12.50",
        "active": True,
    }


def same_values(row: dict[str, Any]) -> dict[str, Any]:
    """A row as values, whatever way its moments and decimals are written."""
    found = dict(row)
    for name in _MOMENTS:
        moment = datetime.fromisoformat(found[name])
        found[name] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for name in _DECIMALS:
        if name in found:
            found[name] = Decimal(found[name])
    if "orders" in found:
        orders = found["orders"]
        items = orders["items"] if isinstance(orders, dict) else orders
        found["orders"] = [same_values(order) for order in items]
    return found


class Caller:
    """The six routes of one contender."""

    def __init__(self, running: Running, client: httpx2.Client) -> None:
        self._contender = running.contender
        self._client = client
        self._address = running.contender.address

    def page(self, city: str, cursor: str | None = None) -> httpx2.Response:
        return self._client.get(self.page_path(city, cursor))

    def page_path(self, city: str, cursor: str | None = None) -> str:
        more = "" if cursor is None else f"&cursor={cursor}"
        return f"{self._address}?city={city}&limit=20{more}"

    def get(self, customer: str) -> httpx2.Response:
        return self._client.get(f"{self._address}/{customer}")

    def full(self, customer: str) -> httpx2.Response:
        return self._client.get(f"{self._address}/{customer}{self._contender.full}")

    def create(self, body: dict[str, Any]) -> httpx2.Response:
        return self._client.post(self._address, json=body)

    def create_many(self, bodies: list[dict[str, Any]]) -> httpx2.Response:
        return self._client.post(f"{self._address}/bulk", json={"items": bodies})

    def patch(self, customer: str, name: str) -> httpx2.Response:
        """Change a row that is at version 1."""
        body: dict[str, Any] = {"name": name}
        headers = {}
        if self._contender.if_match is None:
            body["version"] = 1
        else:
            headers = {"If-Match": self._contender.if_match.replace("%s", customer)}
        path = f"{self._address}/{customer}"
        return self._client.patch(path, json=body, headers=headers)


def answers(running: Running) -> Answers:
    """What the contender says, as values; refusals must be of the right kind."""
    with running.client() as client:
        caller = Caller(running, client)
        first = _read(caller.page(database.city(7)))
        second = _read(caller.page(database.city(7), first["next"]))
        missing = database.customer_id(0)
        found: Answers = {
            "list": [same_values(row) for row in first["items"]],
            "next page": [same_values(row) for row in second["items"]],
            "get": same_values(_read(caller.get(database.customer_id(42)))),
            "full": same_values(_read(caller.full(database.customer_id(42)))),
        }
        _demand(caller.get(missing), 404)
        _demand(caller.full(missing), 404)
        created = _demand(caller.create(new_customer(1, "check")), 201).json()
        found["create"] = _without_server_values(created)
        _demand(caller.create(new_customer(1, "check")), 409)
        bulk = [new_customer(n, "bulk") for n in range(100)]
        made = _demand(caller.create_many(bulk), 201).json()["items"]
        found["bulk"] = [_without_server_values(row) for row in made]
        patched = _read(caller.patch(database.customer_id(9), "Grace Hopper"))
        found["patch"] = {k: patched[k] for k in ("id", "version", "name", "email")}
        _demand(caller.patch(database.customer_id(9), "Stale"), 409, 412)
        _demand(caller.patch(missing, "Nobody"), 404)
        if running.contender.validates:
            bad = new_customer(2, "bad") | {"credit": "much", "email": 3}
            _demand(caller.create(bad), 400, 422)
    return found


def round_trips(running: Running, proxy: CountingProxy) -> dict[str, float]:
    """Round trips to the database per request of each route, when warm."""
    with running.client() as client:
        caller = Caller(running, client)
        cursor = _read(caller.page(database.city(7)))["next"]
        calls: dict[str, Callable[[int], httpx2.Response]] = {
            "list": lambda n: caller.page(database.city(7), cursor),
            "get": lambda n: caller.get(database.customer_id(100 + n)),
            "full": lambda n: caller.full(database.customer_id(100 + n)),
            "create": lambda n: caller.create(new_customer(n, "trip")),
            "patch": lambda n: caller.patch(database.customer_id(200 + n), "Ada"),
            "bulk": lambda n: caller.create_many(
                [new_customer(n * 100 + i, "trips") for i in range(100)]
            ),
        }
        return {name: _trips(call, proxy) for name, call in calls.items()}


def _trips(call: Callable[[int], httpx2.Response], proxy: CountingProxy) -> float:
    # The first round prepares statements; a poll of the background may fall into
    # one of the others, hence the least.
    counts = []
    for turn in range(ROUNDS):
        before = proxy.count
        for n in range(COUNTED):
            _demand(call(turn * COUNTED + n), 200, 201)
        counts.append(proxy.count - before)
    return min(counts[1:]) / COUNTED


def differences(base: Answers, other: Answers) -> list[str]:
    """Which answers are not the same, in words."""
    return [
        f"{name}: {json.dumps(other[name], default=str)[:300]}\n"
        f"  instead of {json.dumps(base[name], default=str)[:300]}"
        for name in base
        if base[name] != other[name]
    ]


def _without_server_values(row: dict[str, Any]) -> dict[str, Any]:
    values = same_values(row)
    return {k: v for k, v in values.items() if k not in ("id", *_MOMENTS)}


def _read(response: httpx2.Response) -> Any:
    return _demand(response, 200).json()


def _demand(response: httpx2.Response, *statuses: int) -> httpx2.Response:
    if response.status_code not in statuses:
        request = response.request
        raise AssertionError(
            f"{request.method} {request.url}: {response.status_code} instead of"
            f" {statuses}: {response.text[:500]}"
        )
    return response
