"""Foretell as a contender: a served application with the extension `shop`."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.crud.contenders import Contender

APP = "benchmarks.crud.shop.app:app"
CONNECTIONS = "10"


@dataclass(frozen=True)
class Foretell(Contender):
    """Key, scope, validation and ETag on.

    Attributes:
        is_fast: Whether the fast path may answer.
    """

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
    database_url: str, *arguments: str, data_dir: str = "", text: str | None = None
) -> str:
    """Run a command of ours on a database and give back what it prints."""
    environment = {**os.environ, **_environment(database_url)}
    if data_dir:
        environment["FORETELL_DATA_DIR"] = data_dir
    return subprocess.run(
        [sys.executable, "-m", "foretell", *arguments],
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def contenders_on(database_url: str, data_dir: str) -> list[Contender]:
    """Foretell with its fast path and without, and a key for both."""
    create = ("user", "create", "bench@example.org")
    foretell(database_url, *create, data_dir=data_dir, text="correct horse battery\n")
    made = foretell(
        database_url, "key", "create", "--name", "bench", "--json", data_dir=data_dir
    )
    token = json.loads(made)["key"]
    ways = {"Foretell": True, "Foretell, portable": False}
    return [
        Foretell(
            name,
            address="/api/customers",
            full="?expand=orders",
            if_match='"%s-1"',
            token=token,
            is_fast=is_fast,
            data_dir=data_dir,
        )
        for name, is_fast in ways.items()
    ]
