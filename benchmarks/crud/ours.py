"""Foretell as a contender: a served application with the extension `shop`."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks import processes
from benchmarks.crud.contenders import Contender

APP = "benchmarks.crud.shop.app:app"
VARIANTS = "benchmarks.crud.variants.app:app"
PASSWORD = "correct horse battery\n"
CONNECTIONS = "10"


@dataclass(frozen=True)
class Foretell(Contender):
    """Key, scope, validation and ETag on.

    Attributes:
        is_fast: Whether the fast path may answer.
    """

    may_fail: bool = False
    is_fast: bool = True
    data_dir: str = ""

    def environment_on(self, database_url: str) -> dict[str, str]:
        return {
            **_environment(database_url),
            "FORETELL_FAST_PATH": str(self.is_fast),
            "FORETELL_DATA_DIR": self.data_dir,
            **self.environment,
        }

    def command(self, port: int) -> list[str]:
        serve = [sys.executable, "-m", "foretell", "serve", "--no-worker"]
        return [*serve, "--port", str(port)]

    def readiness(self) -> str:
        return "/healthz"


def _environment(database_url: str) -> dict[str, str]:
    return {
        "FORETELL_APP": APP,
        "FORETELL_DATABASE_URL": database_url,
        "FORETELL_DATABASE_POOL_SIZE": CONNECTIONS,
    }


def foretell(
    database_url: str,
    *arguments: str,
    data_dir: str = "",
    text: str | None = None,
    **variables: str,
) -> str:
    """Run a command of ours on a database and give back what it prints."""
    environment = {**_environment(database_url), **variables}
    if data_dir:
        environment["FORETELL_DATA_DIR"] = data_dir
    return processes.foretell(environment, *arguments, text=text)


def contenders_on(database_url: str, data_dir: str) -> list[Contender]:
    """Foretell as it is, with the user's own code in each write, and by its routes
    alone; and a key for all."""
    create = ("user", "create", "bench@example.org")
    foretell(database_url, *create, data_dir=data_dir, text=PASSWORD)
    token = _key(database_url, data_dir)
    return [
        _contender("Foretell", data_dir, token),
        _contender(
            "Foretell, hooks", data_dir, token, environment={"BENCH_HOOKS": "1"}
        ),
        _contender("Foretell, routes", data_dir, token, is_fast=False),
    ]


def variants_on(database_url: str, data_dir: str) -> list[Contender]:
    """Foretell with an owner for each row, and with an audit log of each write."""
    environment = {"FORETELL_APP": VARIANTS}
    foretell(database_url, "db", "upgrade", data_dir=data_dir, **environment)
    somebody = ("user", "create", "owner@example.org", "--role", "editor")
    foretell(database_url, *somebody, data_dir=data_dir, text=PASSWORD)
    user = ("--user", "owner@example.org")
    token = _key(database_url, data_dir, *user, **environment)
    return [
        _contender(
            f"Foretell, {name}",
            data_dir,
            token,
            address=f"/api/{name}_customers",
            table=f"{name}_customers",
            environment=environment,
        )
        for name in ("owned", "audited")
    ]


COPIES = (
    "INSERT INTO owned_customers (id, version, created_at, updated_at, email, name,"
    " city, credit, active, owner_id) SELECT c.id, c.version, c.created_at,"
    " c.updated_at, c.email, c.name, c.city, c.credit, c.active, u.id"
    " FROM customers c, users u WHERE u.email = 'owner@example.org'",
    "INSERT INTO audited_customers (id, version, created_at, updated_at, email, name,"
    " city, credit, active) SELECT id, version, created_at, updated_at, email, name,"
    " city, credit, active FROM customers",
)
"""Statements that give the variants the rows of the others."""


def _key(database_url: str, data_dir: str, *options: str, **environment: str) -> str:
    command = ("key", "create", "--name", "bench", "--json", *options)
    made = foretell(database_url, *command, data_dir=data_dir, **environment)
    key: str = json.loads(made)["key"]
    return key


def _contender(name: str, data_dir: str, token: str, **options: Any) -> Contender:
    return Foretell(
        name,
        token=token,
        data_dir=data_dir,
        full="?expand=orders",
        if_match='"%s-1"',
        **{"address": "/api/customers", **options},
    )
