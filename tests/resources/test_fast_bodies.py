"""The structs of the fast path take no more than the schemas, and make the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.resources.columns import Kind
from foretell.resources.fast.bodies import Bodies, NotSimple, _Structs
from foretell.resources.writing import values_of
from tests.resources.models import customers, everything, gadgets, orders

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "12.50",
            "-0.5",
            "+1",
            "1e3",
            "0012.5",
            "1.234",
            "2026-01-31",
            "2026-02-30",
            "2026-01-31T12:30:00Z",
            "2026-01-31T12:30:00",
            "2026-01-31 12:30:00Z",
            "2026-01-31T12:30:00.1234567Z",
            "0001-01-01T00:00:00+14:00",
            "12:30:00",
            "12:30:00.1",
            "24:00:00",
            "12:30",
            "12:30:00Z",
            "red",
            "RED",
            "01939f2c-7d1e-7c3a-9b3f-2f8d1c5e6a70",
            "01939f2c7d1e7c3a9b3f2f8d1c5e6a70",
            "x" * 61,
            "\x00",
        ]
    ),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False),
    TEXTS,
    st.lists(st.integers(), max_size=2),
    st.just({}),
)
RESOURCES = (customers, orders, gadgets, everything)


def bodies(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from([*names, "nope"]), VALUES, max_size=6)


@pytest.mark.parametrize("description", RESOURCES, ids=lambda d: d.name)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_struct_takes_what_the_schema_takes(description: Any, data: Any) -> None:
    written = [c for c in description.columns if c.is_writable]
    body: dict[str, Any] = data.draw(bodies([c.name for c in written]))
    if data.draw(st.booleans()):
        needed = {"email": "a", "name": "b", "label": "c", "id": "d", "total": "1.5"}
        needed["customer_id"] = "e"
        names = {c.name for c in written}
        body = {k: v for k, v in needed.items() if k in names} | body
    sent = json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode(
        errors="surrogatepass"
    )
    for model, is_new in ((description.create, True), (description.update, False)):
        columns = written if is_new else [c for c in written if c.is_changeable]
        simple = [c for c in columns if c.kind is not Kind.JSON]
        try:
            found = _Structs(simple, is_new=is_new).one(sent)
        except NotSimple:
            continue
        wanted = values_of(
            description, model.model_validate(json.loads(sent)), is_new=is_new
        )
        assert found == wanted
        assert {k: str(v) for k, v in found.items()} == {
            k: str(v) for k, v in wanted.items()
        }


def test_the_usual_body_needs_no_schema() -> None:
    body = {"email": "a@x.org", "name": "é", "age": 3, "balance": "12.50"}
    sent = json.dumps(body).encode()
    assert Bodies(customers).created(sent)["balance"].as_tuple().exponent == -2
    assert len(Bodies(customers).created_many(b'{"items": [%s]}' % sent)) == 1
