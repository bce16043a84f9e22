"""The page on resources is true: its code runs, migrates and is described."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import KINDS, throw_away
from tests.docs.pages import read
from tests.served import free_environment

BLOCKS = re.findall(
    r"^```python\n(.*?)^```", read("how-to/resources.md"), re.MULTILINE | re.DOTALL
)
# What a project has beside what the page shows.
EVERY_KIND = """
import enum
import uuid
from datetime import date, datetime, time
from typing import Any
from sqlalchemy import Text


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@shop.resource
class Thing(Resource):
    id: Mapped[int] = mapped_column(primary_key=True)
    flag: Mapped[bool]
    ratio: Mapped[float]
    price: Mapped[Decimal | None]
    note: Mapped[str] = mapped_column(Text)
    day: Mapped[date]
    clock: Mapped[time]
    moment: Mapped[datetime]
    token: Mapped[uuid.UUID] = mapped_column(unique=True)
    size: Mapped[Size]
    extra: Mapped[dict[str, Any]]
"""
DESCRIBE = """
import asyncio, json
from foretell import create_app
from foretell.http.openapi import static_document
from shop.extension import shop
print(json.dumps(static_document(create_app(extensions=[shop], with_worker=False))))
"""


class Project:
    """The package of the page, and a way to run commands in it."""

    def __init__(self, folder: Path, url: str, *more: str) -> None:
        package = folder / "shop"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "extension.py").write_text("\n".join([BLOCKS[0], *more]))
        app = "from foretell import create_app\nfrom shop.extension import shop\n"
        (package / "app.py").write_text(app + "app = create_app(extensions=[shop])\n")
        settings = {"app": "shop.app:app", "database_url": url}
        self.folder = folder
        self.environment = free_environment(folder / "data", **settings)
        self.environment["PYTHONPATH"] = str(folder)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def foretell(self, *arguments: str) -> str:
        return self.run("-m", "foretell", *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_is_migrated_and_the_migration_needs_nothing_of_ours(
    kind: str, tmp_path: Path
) -> None:
    if kind == "sqlite":
        _migrate(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
        return
    with throw_away(kind) as url:
        _migrate(tmp_path, url)


def _migrate(folder: Path, url: str) -> None:
    project = Project(folder, url, EVERY_KIND)
    project.foretell("db", "revision", "-m", "first")
    versions = list((folder / "shop" / "migrations").glob("*.py"))
    assert len(versions) == 1
    text = versions[0].read_text()
    assert "foretell.resources" not in text
    assert "ix_orders_customer_id" in text
    project.foretell("db", "upgrade")
    project.foretell("db", "check")
    assert "op.drop_index" not in text.partition("def downgrade")[2]
    project.foretell("db", "downgrade", "base")


def test_the_code_of_the_page_is_served_and_described(tmp_path: Path) -> None:
    hooks = "async def send_welcome_email(job, customer_id: str) -> None: ...\n"
    more = [hooks, BLOCKS[2]]
    url = f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    project = Project(tmp_path, url, *more)
    document = json.loads(project.run("-c", DESCRIBE))
    paths = {path: set(item) for path, item in document["paths"].items()}
    assert paths["/api/customers"] == {"get", "post"}
    assert paths["/api/customers/{id}"] == {"get", "patch", "delete"}
    assert paths["/api/orders/bulk"] == {"post"}
    assert paths["/api/orders/snapshot"] == {"post"}
    listing = document["paths"]["/api/customers"]["get"]
    names = [parameter["name"] for parameter in listing["parameters"]]
    assert {"id", "email", "age", "where", "sort", "limit", "cursor", "expand"} <= set(
        names
    )
    assert listing["security"][0] == {"oauth2": ["customers:read"]}
    for path in paths:
        for method, operation in document["paths"][path].items():
            if not path.startswith(("/api/customers", "/api/orders")):
                continue
            good = [code for code in operation["responses"] if code.startswith("2")]
            assert good, (path, method)
            content = operation["responses"][good[0]].get("content", {})
            assert good == ["204"] or content["application/json"]["schema"]
    schemas = document["components"]["schemas"]
    assert schemas["OrderCreate"]["required"] == ["customer_id", "total"]
    assert schemas["OrderCreate"]["additionalProperties"] is False
    assert schemas["CustomerRead"]["properties"]["email"]["examples"] == ["text"]
