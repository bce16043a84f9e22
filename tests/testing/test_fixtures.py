"""What the fixtures promise, as a test of somebody's backend sees it."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from foretell import Extension, Session
from foretell.core.db import Base
from tests.databases import SERVERS

garden = Extension("garden")


@garden.table
class Tree(Base):
    __tablename__ = "garden_trees"
    id: Mapped[str] = mapped_column(primary_key=True)


@garden.router.put("/trees/{name}")
async def plant(name: str, session: Session) -> str:
    session.add(Tree(id=name))
    return name


@garden.router.get("/trees")
async def trees(session: Session) -> list[str]:
    return list(await session.scalars(select(Tree.id)))


@pytest.fixture
def extensions():
    return [garden]


async def test_tables_without_a_migration_are_there_in_tests(client):
    await client.put("/api/ext/garden/trees/oak")
    assert (await client.get("/api/ext/garden/trees")).json() == ["oak"]


async def test_each_test_has_a_database_of_its_own(client):
    assert (await client.get("/api/ext/garden/trees")).json() == []


async def test_callers_of_each_role(sign_in, anonymous, client):
    roles = [
        (await (await sign_in(role)).get("/api/me")).json()["role"]
        for role in ("viewer", "editor", "admin")
    ]
    assert roles == ["viewer", "editor", "admin"]
    assert (await anonymous.get("/api/me")).status_code == 401
    assert (await client.get("/api/users")).status_code == 200


async def test_callers_stay_signed_in_when_time_moves(client, clock):
    clock.advance(days=3_000)
    assert (await client.get("/api/me")).status_code == 200


async def test_mails_are_in_the_outbox_when_their_jobs_ran(client, run_jobs, outbox):
    mail = {"to": "ann@x.org", "subject": "Grüße", "text": "Zwei\nZeilen"}
    await client.post("/api/jobs", json={"task": "mail.send", "args": mail})
    assert len(outbox) == 0
    assert await run_jobs() == 1
    assert [(m.to, m.subject, m.text) for m in outbox] == [tuple(mail.values())]
    assert outbox[0].to == "ann@x.org"


async def test_imports_run_by_run_jobs_as_in_a_worker(client, run_jobs):
    files = {"file": ("t.csv", b"a,b\n1,x\n2,y\n")}
    made = await client.post("/api/datasets", files=files, data={"name": "t"})
    assert made.status_code == 202
    await run_jobs()
    assert (await client.get("/api/datasets/t")).json()["rows"] == 2


def test_settings_keep_to_the_temporary_folder(settings, tmp_path: Path):
    assert settings.data_dir.is_relative_to(tmp_path)
    assert settings.smtp_url is None


PLUGIN_TEST = """
pytest_plugins = ["foretell.testing"]
"""
OWN_TEST = """
import pytest
from foretell import Extension, public

own = Extension("own")
own.router.get("/up", dependencies=[public])(lambda: "yes")

@pytest.fixture
def extensions():
    return [own]

async def test_it(anonymous, client, database_url):
    assert (await anonymous.get("/api/ext/own/up")).json() == "yes"
    assert KIND in database_url
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_a_teams_project_uses_it_as_a_plugin(kind: str, tmp_path: Path):
    (tmp_path / "conftest.py").write_text(PLUGIN_TEST)
    (tmp_path / "test_own.py").write_text(OWN_TEST.replace("KIND", repr(kind)))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    chosen = [f"--foretell-database={SERVERS[kind]}"] if kind in SERVERS else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *chosen],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
