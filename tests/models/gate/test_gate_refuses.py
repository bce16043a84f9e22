"""No hostile pickle passes the gate, and nothing happens while it is read."""

import io
import os
import pickle
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.models.gate.scan import scan
from foretell.models.gate.verdict import Verdict

from . import hostile

MARKER = Path(tempfile.gettempdir()) / f"foretell-gate-{os.getpid()}"
SAMPLES = hostile.corpus(MARKER)


def judged(data: bytes, folder: Path, **terms) -> Verdict:
    path = folder / "artifact"
    path.write_bytes(data)
    scanned = scan(path, scratch=folder, **terms)
    scanned.stream.close()
    return scanned.verdict


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_hostile_file_is_refused_and_does_nothing(name, tmp_path):
    verdict = judged(SAMPLES[name], tmp_path)
    assert not verdict.is_admitted
    assert verdict.reasons
    assert not MARKER.exists()


def test_the_corpus_would_really_run():
    pickle.loads(SAMPLES["os.system"])  # noqa: S301
    assert MARKER.exists()
    MARKER.unlink()


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "xz",
        "joblib lzma",
        "code by value",
        "ufunc",
        "INST",
    ],
)
def test_what_would_run_is_hostile_and_not_merely_unknown(name, tmp_path):
    verdict = judged(SAMPLES[name], tmp_path)
    assert verdict.outcome == "hostile"


def test_the_offending_name_and_its_place_are_told(tmp_path):
    data = SAMPLES["attribute of a model"]
    reason = judged(data, tmp_path).reasons[0]
    assert reason.name in ("posix.system", "os.system")
    assert reason.opcode == "STACK_GLOBAL"
    assert reason.position == data.index(b"system") + 7


def test_a_class_of_a_notebook_is_unknown_and_the_ways_out_are_named(tmp_path):
    data = hostile.PROTO + hostile.name("__main__", "Clip") + b")\x81}b."
    verdict = judged(data, tmp_path)
    assert verdict.outcome == "unknown"
    assert "__main__.Clip" in verdict.reasons[0].message
    for way in ("PICKLE_ALLOW", "extension", "ONNX"):
        assert way in verdict.reasons[0].message


def test_a_listed_package_is_admitted_and_its_neighbours_are_not(tmp_path):
    data = hostile.PROTO + hostile.name("mypkg.models", "Clip") + b")\x81}b."
    assert judged(data, tmp_path).outcome == "unknown"
    assert "PICKLE_ALLOW=mypkg" in judged(data, tmp_path).reasons[0].message
    assert judged(data, tmp_path, allow=["mypkg"]).outcome == "gated"
    assert judged(data, tmp_path, allow=["mypkg.models"]).outcome == "gated"
    assert judged(data, tmp_path, allow=["mypkg.model"]).outcome == "unknown"


def test_a_listed_package_cannot_lead_out_of_itself(tmp_path):
    data = hostile.PROTO + hostile.call("mypkg", "os.system", hostile.text("x")) + b"."
    assert not judged(data, tmp_path, allow=["mypkg"]).is_admitted


def test_a_bomb_is_refused_before_it_has_filled_the_disk(tmp_path):
    packer = zlib.compressobj(9)
    bomb = packer.compress(hostile.PROTO + b"\x8e" + struct.pack("<Q", 100_000_000))
    for _ in range(100):
        bomb += packer.compress(bytes(1_000_000))
    verdict = judged(bomb + packer.flush(), tmp_path)
    assert verdict.outcome == "hostile"
    assert "unpacks to more than" in verdict.reasons[0].message


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_make_the_gate_fail(data, tmp_path_factory):
    verdict = judged(data, tmp_path_factory.getbasetemp())
    assert verdict.outcome in ("gated", "hostile", "unknown")


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), value=st.integers(0, 255))
def test_a_changed_byte_never_makes_the_gate_fail(place, value, tmp_path_factory):
    data = bytearray(MODEL)
    data[place % len(data)] = value
    judged(bytes(data), tmp_path_factory.getbasetemp())


MODEL = pickle.dumps(hostile.fitted(), 4)


def test_whatever_the_gate_admits_loads_with_the_same_names(tmp_path):
    """The gate's reading of names is the unpickler's reading."""
    seen: set[str] = set()

    class Recording(pickle.Unpickler):
        def find_class(self, module, name):
            seen.add(f"{module}.{name}")
            return super().find_class(module, name)

    Recording(io.BytesIO(MODEL)).load()
    assert seen == set(judged(MODEL, tmp_path).globals)
