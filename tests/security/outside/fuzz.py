"""`make schemathesis`: what the OpenAPI document promises, asked of a running server.

Requests are made of the document, right and wrong ones, for so many seconds and from a
fixed seed. Every answer has to be one that the document knows: its status, its type, its
body, and never a fault of ours.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.security.outside.tools import SCHEMATHESIS, with_package
from tests.served import Server, upload

SEED = 20261201
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def fuzz(
    seconds: int, seed: int = SEED, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run it against a server of its own."""
    command = with_package(SCHEMATHESIS)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", max_upload_bytes="1000000").start()
        with server.running():
            key = server.make_admin()
            with server.client(key) as admin:
                made = upload(admin, "seeded", "a,b\n1,x\n2,y\n")
                assert made.status_code == 201, made.text
            done = subprocess.run(
                [
                    *(*command, "schemathesis", "--no-color"),
                    *("--config-file", str(CONFIGURATION), "run"),
                    f"{server.url}/openapi.json",
                    *("--max-time", str(seconds), "--seed", str(seed)),
                    *("--header", f"Authorization: Bearer {key}"),
                    *("--generation-database", "none", *options),
                ],
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=seconds + 300,
            )
        log = server.log.read_text()
    faults = [line for line in log.splitlines() if "unexpected_error" in line]
    assert not faults, faults[:5]
    return done


def main() -> None:
    seconds = int(os.environ.get("SECONDS") or 60)
    seed = int(os.environ.get("SEED") or SEED)
    try:
        done = fuzz(seconds, seed, *sys.argv[1:])
    except pytest.skip.Exception as reason:
        sys.exit(f"NOT RUN: {reason}")
    print(done.stdout, done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
