"""A generated project installs as people install projects: venv and pip, poetry, pipenv.

Each brings some eighty packages over the network and takes minutes, so they run when
asked for: `INSTALLERS=venv,poetry,pipenv pytest tests/builder/test_installs.py`.
"""

import os
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.served import COMMAND

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PYPI = "https://pypi.org/simple"
ASKED = [name for name in os.environ.get("INSTALLERS", "").split(",") if name]


def run(folder: Path, *command: str | Path, **more: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        # Poetry and pipenv would take the environment that runs the tests for theirs.
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert (
        done.returncode == 0
    ), f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


class Index(BaseHTTPRequestHandler):
    """A package index that has this Foretell and knows where all the rest is."""

    wheel: Path

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[-1]
        if name == "foretell":
            self._send(f'<a href="{self.wheel.name}">{self.wheel.name}</a>'.encode())
        elif name == self.wheel.name:
            self._send(self.wheel.read_bytes())
        else:
            self.send_response(302)
            self.send_header("Location", f"{PYPI}/{name}/")
            self.end_headers()

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        is_page = body.startswith(b"<")
        kind = "text/html" if is_page else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: pytest shows what the installers say."""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the installers that were asked for."""
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    others = [name for name in ASKED if name != "venv"]
    if others:
        run(folder, folder / "bin/pip", "install", "-q", *others)
    return folder / "bin"


@pytest.fixture(scope="module")
def index(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a package index that offers this Foretell."""
    wheels = tmp_path_factory.mktemp("wheels")
    run(wheels, tools / "pip", "wheel", "-q", "--no-deps", "-w", wheels, ROOT)
    (wheel,) = wheels.glob("foretell-*.whl")
    handler = type("Handler", (Index,), {"wheel": wheel})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    run(tmp_path, *COMMAND, "new", "shop", "--api")
    return tmp_path / "shop"


def wanted(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(name not in ASKED, reason=f"INSTALLERS names no {name}")


@wanted("venv")
def test_it_installs_with_venv_and_pip(project: Path, index: str) -> None:
    run(project, sys.executable, "-m", "venv", ".venv")
    pip = (".venv/bin/pip", "install", "-q", "--index-url", index)
    run(project, *pip, "-e", ".[dev]")
    assert "foretell" in run(project, ".venv/bin/foretell", "--version")
    run(project, ".venv/bin/pytest", "-q")


@wanted("poetry")
def test_it_installs_with_poetry(project: Path, tools: Path, index: str) -> None:
    poetry = tools / "poetry"
    run(project, poetry, "config", "--local", "virtualenvs.in-project", "true")
    run(project, poetry, "source", "add", "--priority=primary", "mirror", index)
    run(project, poetry, "install", "--extras", "dev")
    assert "foretell" in run(project, poetry, "run", "foretell", "--version")
    run(project, poetry, "run", "pytest", "-q")


@wanted("pipenv")
def test_it_installs_with_pipenv(project: Path, tools: Path, index: str) -> None:
    here = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_PYPI_MIRROR": index}
    pipenv = tools / "pipenv"
    run(project, pipenv, "install", "-e", ".[dev]", **here)
    assert "foretell" in run(project, pipenv, "run", "foretell", "--version", **here)
    run(project, pipenv, "run", "pytest", "-q", **here)
