"""python-jose, as an older backend runs it: in an environment of its own.

Foretell neither installs nor imports it: its known faults have no fix. `uv` brings it
into a cache of its own, once.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import json, sys
from jose import jwt
call, args = json.load(sys.stdin)
if call == "encode":
    print(json.dumps(jwt.encode(args["claims"], args["key"], algorithm="HS256")))
else:
    keys, token = args["keys"], args["token"]
    options = {"algorithms": ["ES256"], "audience": args["audience"]}
    print(json.dumps(jwt.decode(token, keys, **options)))
"""


def encode(claims: dict[str, Any], key: str) -> str:
    """A token of the older backend, HS256."""
    found: str = _call("encode", claims=claims, key=key)
    return found


def decode(token: str, keys: dict[str, Any], audience: str) -> dict[str, Any]:
    """The claims of a token of ours, checked by the published keys."""
    found: dict[str, Any] = _call("decode", token=token, keys=keys, audience=audience)
    return found


def _call(name: str, **arguments: Any) -> Any:
    done = subprocess.run(
        [_uv(), "run", "--quiet", "--no-project", *_WITH, "python", "-c", _PROGRAM],
        input=json.dumps([name, arguments]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_WITH = ("--with", "python-jose[cryptography]==3.5.0")


def _uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    assert Path(found).exists(), "uv is needed; make setup brings it"
    return found
