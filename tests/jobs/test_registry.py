"""Tasks, their argument models, and what can be stored."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from foretell.jobs.context import JobContext
from foretell.jobs.errors import TaskArgumentsInvalid, TaskFailed, TaskUnknown
from foretell.jobs.registry import TaskRegistry, jsonable, make_task, unstorable

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        inner,
        max_size=3,
    ),
    max_leaves=10,
)


class Bounds(BaseModel):
    low: int
    high: int = 9


async def by_model(job: JobContext, args: Bounds) -> int:
    """Take one model."""
    return args.low


def by_name(job: JobContext, customer_id: str, *, count: int = 1) -> str:
    return customer_id * count


def test_the_arguments_model_comes_from_the_signature() -> None:
    task = make_task("shop.greet", by_name)
    args = task.check({"customer_id": "x"})
    assert task.stored(args) == {"customer_id": "x", "count": 1}
    assert task.call(None, args) == "x"
    assert not task.is_async


def test_a_model_as_only_parameter_is_the_arguments_model() -> None:
    task = make_task("shop.bounds", by_model)
    assert task.args is Bounds
    assert task.is_async
    assert task.description == "Take one model."


def test_each_wrong_argument_is_named_by_a_pointer() -> None:
    with pytest.raises(TaskArgumentsInvalid) as raised:
        make_task("shop.greet", by_name).check({"count": "many", "a/b": 1})
    pointers = {error.pointer for error in raised.value.errors}
    assert pointers == {"/args/customer_id", "/args/count", "/args/a~1b"}


def test_a_name_is_registered_once() -> None:
    registry = TaskRegistry()
    registry.task("a.b")(by_name)
    with pytest.raises(ValueError, match="twice"):
        registry.task("a.b")(by_model)
    with pytest.raises(TaskUnknown):
        registry.get("a.c")


@given(JSON)
def test_plain_json_is_stored_as_it_is(value: Any) -> None:
    assert unstorable(value) is None
    assert json.loads(json.dumps(jsonable(value))) == value


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": ["x\x00"]}, "/a/0"),
        ({"a": {"\ud800": 1}}, "/a/\ud800"),
        ([float("inf")], "/0"),
    ],
)
def test_what_some_database_cannot_store_is_found(value: Any, pointer: str) -> None:
    found = unstorable(value)
    assert found is not None
    assert found[0] == pointer


def test_deep_nesting_is_refused() -> None:
    deep: Any = None
    for _ in range(40):
        deep = [deep]
    assert unstorable(deep) is not None
    with pytest.raises(TaskFailed):
        jsonable(deep)
