"""Inspects bytes as an upload is, and watches that nothing of them runs."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretell.models.inspecting import inspect_artifact
from foretell.models.reports import InspectRequest, InspectResult

MARKER = Path(tempfile.gettempdir()) / f"foretell-nets-{os.getpid()}"


class Inspect:
    """Runs the inspection in this process, where a payload would leave its mark."""

    def __init__(self, folder: Path) -> None:
        self._artifact = folder / "artifact"
        self.output = folder / "output"
        self.output.mkdir()

    def __call__(self, data: bytes, filename: str = "", **options) -> InspectResult:
        self._artifact.write_bytes(data)
        request = InspectRequest(
            str(self._artifact), str(self.output), filename, **options
        )
        return inspect_artifact(request, lambda _progress: None)


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch) -> Iterator[Inspect]:
    """An inspection after which there must be no marker file and no connection."""
    opened: list[object] = []
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address):
        opened.append(address)
        return real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    MARKER.unlink(missing_ok=True)
    made = Inspect(tmp_path)
    yield made
    assert not MARKER.exists()
    assert opened == []
    assert list(made.output.glob("net-*")) == []
