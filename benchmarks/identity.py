"""`make bench-identity`: what it costs to know who calls, and what a storm of sign-ins does.

In one process: microseconds to check a token and a key that were seen a moment ago, and
ones that were not. Against a server: sign-ins a second by 16 people who do nothing
else, right and wrong passwords, and how long `/healthz` takes meanwhile.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.responsive import Watch, sign_in
from foretell.app import create_app
from foretell.auth.identity import Identity, create_access_token
from foretell.auth.keys import NewKey
from foretell.auth.service import NewUser
from foretell.settings import Settings

EMAIL, PASSWORD = "bench@example.org", "correct horse battery"
PEOPLE = 16
ROUNDS = 20_000
FRESH = 500


def header(credential: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + credential.encode()}


def show(what: str, seconds: Sequence[float]) -> None:
    micro = sorted(second * 1e6 for second in seconds)
    p99 = micro[int(len(micro) * 0.99)]
    print(f"{what} | {statistics.median(micro):.1f} | {p99:.1f}")


async def checks(folder: Path) -> None:
    """Microseconds of one check, in this process."""
    app = create_app(Settings(data_dir=folder), with_worker=False)
    async with app.router.lifespan_context(app):
        identity = app.state.foretell.port(Identity)
        async with identity.unit_of_work() as services:
            user = await services.accounts.create_local(
                NewUser(EMAIL, PASSWORD, "Bench")
            )
        async with identity.unit_of_work() as services:
            made = [
                await services.keys.create_for(user, NewKey(str(n), ["jobs:read"]))
                for n in range(FRESH)
            ]
        keys = [header(one.key) for one in made]
        tokens = [
            header(await create_access_token(identity, user.id)) for _ in range(FRESH)
        ]
        print("check | median us | p99 us")
        for name, sent in (("token", tokens), ("key", keys)):
            show(f"{name}, first time", await first(identity, sent))
            show(f"{name}, again", again(identity, sent[-1]))


async def first(identity: Identity, sent: list[dict[bytes, bytes]]) -> list[float]:
    taken = []
    for headers in sent:
        started = time.perf_counter()
        await identity.authenticator.authenticate(headers, is_safe_method=True)
        taken.append(time.perf_counter() - started)
    return taken


def again(identity: Identity, headers: dict[bytes, bytes]) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        found = identity.authenticator.authenticate_cached(headers)
        if found is not None:  # once a second it asks the database instead
            taken.append(time.perf_counter() - started)
    return taken


async def storm(url: str, seconds: float) -> None:
    """Sign in from many sides and watch a route that has nothing to do with it."""
    watch, right = Watch(url), dict[int, int]()
    watching = asyncio.create_task(watch.run())
    people = [
        asyncio.create_task(sign_in(url, watch, right, EMAIL)) for _ in range(PEOPLE)
    ]
    await asyncio.sleep(seconds)
    watch.stopping.set()
    await asyncio.gather(watching, *people)
    times = sorted(watch.milliseconds)
    p99 = times[int(len(times) * 0.99)]
    print(f"\nsign-ins a second: {right.get(200, 0) / seconds:.1f}, answers {right}")
    print(f"/healthz meanwhile, ms: p50 {statistics.median(times):.1f}, p99 {p99:.1f}")


def serve_and_storm(folder: Path, seconds: float) -> None:
    environment: dict[str, Any] = {"FORETELL_DATA_DIR": str(folder)}
    processes.foretell(environment, "user", "create", EMAIL, text=PASSWORD + "\n")
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "foretell", "serve", "--no-worker"]
    command += ["--port", str(port)]
    with processes.served(command, f"{url}/healthz", **environment):
        asyncio.run(storm(url, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(checks(Path(temporary) / "checks"))
        serve_and_storm(Path(temporary) / "storm", options.seconds)


if __name__ == "__main__":
    main()
