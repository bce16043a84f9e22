"""A real server for tests: `foretell serve` with its worker, as a user starts it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

PASSWORD = "correct horse battery"
START_SECONDS = 90.0


def free_environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment without anybody's settings but ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FORETELL_")}
    ours = {f"FORETELL_{name.upper()}": value for name, value in settings.items()}
    return {**kept, "FORETELL_DATA_DIR": str(data_dir), **ours}


class Server:
    """One `foretell serve` on a data directory of its own."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.environment = free_environment(data_dir, **settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.log = data_dir.parent / f"{data_dir.name}-{secrets.token_hex(3)}.log"

    def start(self, *arguments: str) -> "Server":
        """Start and wait until it answers."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--port", str(port), *arguments],
                env=self.environment,
                cwd=self.data_dir.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()
        return self

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = 15) -> int:
        """End it and wait until it is gone; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(seconds)

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """Stop the server at the end of the block, whatever happens in it."""
        try:
            yield self
        finally:
            if self.process is not None and self.process.poll() is None:
                self.stop()

    def run(
        self, *arguments: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line on the same data directory."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=self.data_dir.parent,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def make_admin(self, email: str = "admin@example.org") -> str:
        """Make the first user by the command line; returns an API key of theirs."""
        self.run("user", "create", email, "--role", "admin", text=PASSWORD + "\n")
        done = self.run("key", "create", "--name", "test", "--user", email, "--json")
        key: str = json.loads(done.stdout)["key"]
        return key

    def make_user(self, admin: httpx2.Client, name: str, role: str) -> str:
        """Make another user over HTTP; returns an API key with all its scopes."""
        email = f"{name}@example.org"
        made = admin.post(
            "/api/users",
            json={"email": email, "password": PASSWORD, "name": name, "role": role},
        )
        assert made.status_code == 201, made.text
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        token = httpx2.post(f"{self.url}/token", data=form).json()["access_token"]
        with self.client(token) as user:
            scopes = user.get("/api/me").json()["scopes"]
            answer = user.post("/api/keys", json={"name": "test", "scopes": scopes})
        key: str = answer.json()["key"]
        return key

    def client(self, key: str | None = None, **headers: str) -> httpx2.Client:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60)

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log.read_text()}")
            try:
                if httpx2.get(f"{self.url}/healthz", timeout=1).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"no answer: {self.log.read_text()}")


COMMAND = [sys.executable, "-m", "foretell"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def upload(
    client: httpx2.Client,
    name: str,
    content: bytes | str,
    *,
    filename: str = "table.csv",
    wait: int = 50,
    path: str = "/api/datasets",
    **fields: Any,
) -> httpx2.Response:
    """POST a file as a form and wait for the import."""
    data = {
        k: json.dumps(v) if isinstance(v, Mapping) else str(v)
        for k, v in fields.items()
    }
    if path == "/api/datasets":
        data["name"] = name
    body = content.encode() if isinstance(content, str) else content
    return client.post(
        path,
        files={"file": (filename, body)},
        data=data,
        headers={"Prefer": f"wait={wait}"},
    )


def resident_bytes(pid: int) -> int:
    """Memory of its own that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text()
    line = next(x for x in text.splitlines() if x.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
