"""A project of a team's own, in a folder, as `foretell` on the command line sees it."""

import subprocess
from pathlib import Path

from tests.served import COMMAND, Server

EXTENSION = """
import os

from sqlalchemy.orm import Mapped, mapped_column

from foretell import Extension, JobContext, JobRead, Jobs, Session, requires
from foretell.core.db import Base

shop = Extension("shop")
shop.scope("tills:open", role="editor")


class Till(Base):
    __tablename__ = "shop_tills"
    id: Mapped[str] = mapped_column(primary_key=True)


@shop.task
async def open_till(job: JobContext, name: str) -> dict[str, object]:
    async with job.session() as session:
        session.add(Till(id=name))
    return {"pid": os.getpid(), "scopes": sorted(job.principal.scopes)}


@shop.router.post(
    "/tills/{name}", status_code=202, dependencies=[requires("tills:open")]
)
async def ask(name: str, jobs: Jobs) -> JobRead:
    return await jobs.enqueue(open_till, name=name)


@shop.router.get("/tills")
async def count(session: Session) -> list[str]:
    from sqlalchemy import select

    return list(await session.scalars(select(Till.id)))
"""
APP = """
from foretell import create_app
from shop.extension import shop

app = create_app(extensions=[shop])
"""


class Project:
    """The folder, and a server on it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.server = Server(folder / "data", **settings)
        self.write("shop/extension.py", EXTENSION)
        self.write("shop/app.py", APP)
        self.write("foretell.toml", 'app = "shop.app:app"\n')

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run a command in the folder; gives what it printed."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.server.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr
