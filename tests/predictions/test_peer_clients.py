"""The clients of Triton and KServe, unchanged and with their defaults, over HTTP."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.models.application import dump
from tests.served import Server

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("peer_clients.py")
PACKAGES = {"triton": ["tritonclient[http]"], "kserve": ["kserve"]}
UV = os.environ.get("UV") or shutil.which("uv")


def asked(which: str, address: str, key: str) -> dict[str, Any]:
    """What a client got, in an environment that holds nothing but it."""
    assert UV is not None
    packages = [f"--with={package}" for package in PACKAGES[which]]
    done = subprocess.run(
        [UV, "run", "--no-project", *packages, "python", SCRIPT, which, address, key],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(UV is None, reason="uv brings the peers' clients")
@pytest.mark.parametrize("which", list(PACKAGES))
def test_a_peers_client_runs_unchanged(which: str, tmp_path: Path) -> None:
    data = load_iris()
    model = LogisticRegression(max_iter=500)
    model.fit(data.data, data.target_names[data.target])
    server = Server(tmp_path).start()
    with server.running():
        key = server.make_admin()
        with server.client(key) as admin:
            answer = admin.post(
                "/api/models/iris/versions",
                files={"artifact": ("m.joblib", dump(model))},
                headers={"Prefer": "wait=60"},
                timeout=90,
            )
            assert answer.status_code == 201, answer.text
            found = asked(which, server.url.removeprefix("http://"), key)
    rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
    assert found.pop("prediction") == list(model.predict(rows))
    wanted = model.predict_proba(rows)
    for got, row in zip(found.pop("probabilities"), wanted, strict=True):
        assert got == pytest.approx(list(row), abs=1e-9)
    (given,) = found.pop("inputs", [{"shape": [-1, 4]}])
    assert given["shape"] == [-1, 4]
    assert found.pop("server", "foretell") == "foretell"
    assert found.pop("index", ["iris"]) == ["iris"]
    assert set(found.values()) == {True}, found
