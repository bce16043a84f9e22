"""Whatever is changed in a net's file, the gates answer with a verdict."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.errors import ForetellError
from foretell.models.gate.archives import Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.exported import read_exported
from foretell.models.gate.keras_config import read_config
from foretell.models.gate.machine import Findings
from foretell.models.gate.torchscript import read_script
from foretell.plugins.flavours.torch_programs import check_program

from .editing import edited, members, real

PROGRAM, SCRIPT, KERAS = real("net.pt2"), real("script.pt"), real("net.keras")
CONFIG = members(KERAS)["config.json"]
VALUES: list[Any] = [None, True, -1, 1e300, "", "__class__", [], [7], {}, {"a": "b"}]
OUTCOMES = {"safe", "gated", "unknown", "hostile"}
some = settings(max_examples=60, deadline=None)
places = st.floats(0, 1, exclude_max=True)
edits = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)


def with_bytes(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    changed = bytearray(data)
    for place, byte in changes:
        changed[int(place * len(data))] = byte
    return bytes(changed)


def with_value(data: bytes, place: float, value: Any) -> bytes:
    """A JSON text with one of its values, keys aside, exchanged."""
    held = json.loads(data)
    found: list[tuple[Any, Any]] = []

    def walk(one: Any) -> None:
        keys = one if isinstance(one, dict) else range(len(one))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list):
                walk(one[key])

    walk(held)
    holder, key = found[int(place * len(found))]
    holder[key] = value
    return json.dumps(held).encode()


def opened(data: bytes) -> Archive:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artifact"
        path.write_bytes(data)
        return Archive(path)


def judge_program(data: bytes) -> None:
    with opened(data) as archive:
        found = read_exported(archive, "net/")
    assert found.verdict.outcome in OUTCOMES
    if found.program:
        with suppress(ForetellError):
            check_program(found.program)


@some
@given(place=places, value=st.sampled_from(VALUES), which=st.integers(0, 2))
def test_a_program_with_another_value_gets_a_verdict(
    place: float, value: Any, which: int
):
    name = [n for n in members(PROGRAM) if n.endswith(".json")][which]
    changed = with_value(members(PROGRAM)[name], place, value)
    judge_program(edited(PROGRAM, {name: changed}))


@some
@given(changes=edits, which=places)
def test_a_script_with_other_bytes_gets_a_verdict(
    changes: list[tuple[float, int]], which: float
):
    held = members(SCRIPT)
    names = [name for name in held if name.endswith((".py", ".pkl"))]
    name = names[int(which * len(names))]
    bad = edited(SCRIPT, {name: with_bytes(held[name], changes)})
    with opened(bad) as archive:
        found = read_script(archive, "script/", Findings(()))
    assert found.verdict.outcome in OUTCOMES


@some
@given(place=places, value=st.sampled_from(VALUES), changes=edits)
def test_a_description_with_other_values_gets_a_verdict(
    place: float, value: Any, changes: list[tuple[float, int]]
):
    for changed in (with_value(CONFIG, place, value), with_bytes(CONFIG, changes)):
        assert read_config(changed, 1)[0].outcome in OUTCOMES


@some
@given(changes=edits, which=st.sampled_from([PROGRAM, SCRIPT, KERAS]))
def test_an_archive_with_other_bytes_is_read_or_refused(
    changes: list[tuple[float, int]], which: bytes
):
    with (
        suppress(BadContainer),
        opened(with_bytes(which, changes)) as archive,
    ):
        for name in archive.sizes:
            archive.read(name, 1 << 20)


@pytest.mark.parametrize("data", [PROGRAM, SCRIPT, KERAS])
def test_the_files_themselves_are_whole(data: bytes):
    with opened(data) as archive:
        assert {name: len(found) for name, found in members(data).items()} == dict(
            archive.sizes
        )
