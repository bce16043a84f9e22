"""Who may do what with whose rows."""

import pytest

from tests.resources.application import Served
from tests.resources.test_rows import made

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_owned_rows_exist_for_their_owner_and_admins(resources: Served) -> None:
    customer = await made(resources.ann, "/api/customers", email="a", name="Ann")
    order = await made(
        resources.ann, "/api/orders", customer_id=customer["id"], total=5
    )
    assert order["owner_id"] == "ann"
    place = f"/api/orders/{order['id']}"
    for answer in (
        await resources.ben.get(place),
        await resources.ben.patch(place, json={"note": "mine"}),
        await resources.ben.delete(place),
    ):
        assert answer.status_code == 404
    assert (await resources.ben.get("/api/orders")).json()["items"] == []
    assert (await resources.admin.get(place)).json() == order
    assert (await resources.admin.get("/api/orders")).json()["items"] == [order]
    assert (await resources.admin.patch(place, json={"note": "x"})).status_code == 200


async def test_nobody_gives_a_row_to_somebody_else(resources: Served) -> None:
    body = {"text": "x", "owner_id": "ben"}
    answer = await resources.ann.post("/api/notes", json=body)
    assert answer.json()["errors"][0]["pointer"] == "/owner_id"


async def test_public_rows_are_read_by_all_and_written_by_their_owner(
    resources: Served,
) -> None:
    note = await made(resources.ann, "/api/notes", text="hello")
    place = f"/api/notes/{note['id']}"
    assert (await resources.nobody.get(place)).json() == note
    assert (await resources.nobody.get("/api/notes")).json()["items"] == [note]
    assert (await resources.nobody.patch(place, json={"text": "x"})).status_code == 401
    theirs = await resources.ben.patch(place, json={"text": "x"})
    assert theirs.status_code == 403
    assert theirs.json()["type"].endswith("/not-yours")
    assert (await resources.ben.delete(place)).status_code == 403
    assert (await resources.ben.delete("/api/notes/none")).status_code == 404


async def test_scopes_come_before_bodies(resources: Served) -> None:
    assert (await resources.nobody.get("/api/customers")).status_code == 401
    broken = await resources.nobody.post("/api/customers", content=b"{")
    assert broken.status_code == 401
    assert (await resources.viewer.get("/api/customers")).status_code == 200
    refused = await resources.viewer.post("/api/customers", content=b"{")
    assert refused.status_code == 403
    assert (await resources.stranger.get("/api/orders")).status_code == 403
