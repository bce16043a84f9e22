"""Wake-ups between processes."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from foretell.jobs.doorbell import (
    Doorbell,
    Listener,
    socket_folder,
    sweep_sockets,
)
from foretell.jobs.identity import (
    is_alive,
    is_local,
    is_responsive,
    worker_identity,
)
from foretell.jobs.worker import Worker
from tests.jobs import work


async def test_a_ring_is_heard_by_its_audience_only(tmp_path: Path) -> None:
    heard = {"worker": asyncio.Event(), "server": asyncio.Event()}
    folder = socket_folder(tmp_path)
    worker = Listener(folder, "worker", heard["worker"].set)
    server = Listener(folder, "server", heard["server"].set)
    bell = Doorbell(folder, "worker")
    bell.ring()
    async with asyncio.timeout(5):
        await heard["worker"].wait()
    assert not heard["server"].is_set()
    for part in (bell, worker, server):
        part.close()


async def test_a_socket_that_came_a_moment_ago_is_rung(tmp_path: Path) -> None:
    folder = socket_folder(tmp_path)
    bell = Doorbell(folder, "worker")
    bell.ring()  # looks at the folder while it is empty
    heard = asyncio.Event()
    # The time of the folder has steps, on some file systems of some milliseconds.
    await asyncio.sleep(0.02)
    worker = Listener(folder, "worker", heard.set)
    bell.ring()
    async with asyncio.timeout(5):
        await heard.wait()
    worker.close()
    bell.close()


async def test_a_worker_hears_the_ears_of_its_composition(tmp_path: Path) -> None:
    ring: dict[str, Callable[[], None]] = {}

    class Ear:
        def close(self) -> None:
            ring.clear()

    def open_ear(audience: str, on_ring: Callable[[], None]) -> Ear:
        ring[audience] = on_ring
        return Ear()

    url = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"
    composition = replace(work.composition_for(url, tmp_path), ears=(open_ear,))
    worker = Worker(composition)
    database = composition.make_database()
    ears = worker._open_ears(None, database)
    ring["worker"]()
    assert worker._rung.is_set()
    for ear in ears:
        ear.close()
    assert not ring
    await database.close()


def test_ringing_where_nobody_listens_does_nothing(tmp_path: Path) -> None:
    folder = socket_folder(tmp_path)
    assert folder is not None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(os.fspath(folder / "worker-1-00.sock"))
    bell = Doorbell(folder, "worker")
    bell.ring()
    bell.close()
    sweep_sockets(folder)
    assert list(folder.iterdir()) == []


def test_a_long_data_folder_gets_a_short_one_of_its_own(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    folder = socket_folder(deep)
    assert folder is not None
    assert len(os.fsencode(folder)) < 80
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()


def test_an_identity_names_one_process_for_ever() -> None:
    me = worker_identity()
    assert is_local(me)
    assert is_alive(me)
    assert is_responsive(os.getpid())
    host, pid, started = me.rsplit("/", 2)
    assert not is_alive(f"{host}/{pid}/{int(started) + 1}")
    assert not is_local(f"elsewhere/{pid}/{started}")
