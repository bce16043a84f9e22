"""Files that are not served, over HTTP with the real sandbox; no library is needed.

The server is the same process afterwards, no library of nets is in it, and nothing of
the files ran: no marker file is there.
"""

import pickle
from pathlib import Path

import pytest

from tests.conftest import Callers
from tests.served import unique

from ..models.gate import hostile
from .editing import edited, member, real, with_json
from .inspecting import MARKER
from .test_keras_gate import CHANGES
from .test_torch_gate import PROGRAM, PROGRAM_EDITS, SCRIPT_EDITS, root_of
from .uploading import upload

pytestmark = pytest.mark.slow

PAYLOAD = pickle.dumps(hostile.system(MARKER), protocol=2)


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("weights.pth", "torch.export.save"),
        ("module.pt", "torch.export.save"),
        ("old.pt", "torch.export.save"),
        ("net.h5", "model.keras"),
        ("lambda.keras", "Lambda layer"),
    ],
)
def test_what_is_not_served_says_what_to_do(callers: Callers, filename: str, said: str):
    refused = upload(callers.admin, unique("net"), filename, trust=True)
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("/model-refused")
    assert said in refused.json()["detail"]
    _is_untouched(callers)


def _is_untouched(callers: Callers) -> None:
    server = callers.server.process
    assert server is not None
    assert server.poll() is None
    assert not MARKER.exists()
    mapped = Path(f"/proc/{server.pid}/maps")
    if mapped.exists():  # where the system tells: no library of nets in the server
        assert "libtorch" not in mapped.read_text()


def with_pickle(name: str) -> bytes:
    """A file of PyTorch whose first pickle calls the system."""
    data = real(name)
    return edited(data, {member(data, "/data.pkl"): PAYLOAD})


def with_second_pickle(name: str) -> bytes:
    data = real(name)
    return edited(data, {f"{root_of(data)}/data/evil.pkl": PAYLOAD})


HOSTILE = {
    "a pickle that calls": with_pickle("module.pt"),
    "a script whose pickle calls": with_pickle("script.pt"),
    "a second pickle": with_second_pickle("weights.pth"),
    "a second pickle in a program": with_second_pickle("net.pt2"),
    "a script that writes": SCRIPT_EDITS["writes a file"],
    "a script that reads": SCRIPT_EDITS["reads a file"],
    "code as a size": with_json(
        real("net.pt2"), PROGRAM, PROGRAM_EDITS["code as a size"]
    ),
    "a function as an operator": with_json(
        real("net.pt2"), PROGRAM, PROGRAM_EDITS["a function as an operator"]
    ),
    "a lambda": real("lambda.keras"),
    "a lambda inside": with_json(
        real("net.keras"), "config.json", CHANGES["a lambda inside"]
    ),
    "a name that climbs": edited(real("net.keras"), {"../../evil.pkl": PAYLOAD}),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_net_is_refused_for_everybody(callers: Callers, name: str):
    refused = upload(callers.admin, unique("net"), "net", HOSTILE[name], trust=True)
    assert refused.status_code == 422, refused.text
    assert refused.json()["type"].endswith("/model-refused")
    assert refused.json()["safety"]["outcome"] == "hostile"
    _is_untouched(callers)
