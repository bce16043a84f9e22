"""Models over HTTP: names, versions, aliases, sharing, and what an upload may say."""

import json

import pytest
from sqlalchemy import select

from foretell.auth.tables import AuditEntry
from foretell.jobs.tables import Job
from foretell.models.composing import models_service
from foretell.models.errors import ModelNameTaken, ModelNotFound
from foretell.models.importing import Inspected, Uploaded
from foretell.models.service import REMOVE_TASK
from foretell.models.tables import ModelAliasMove
from tests.models.application import ROW, Running, Trained

MODELS = "/api/models"


async def problem(answer) -> str:
    slug: str = answer.json()["type"].rsplit("/", 1)[-1]
    return slug


async def test_put_makes_a_model_and_then_describes_it(running: Running):
    made = await running.client.put(f"{MODELS}/iris", json={"description": "flowers"})
    assert made.status_code == 201
    assert made.headers["location"] == f"{MODELS}/iris"
    again = await running.client.put(f"{MODELS}/iris")
    assert again.status_code == 200
    assert again.json()["description"] == "flowers"
    assert again.json()["latest"] is None
    found = (await running.client.get(MODELS)).json()
    assert [model["name"] for model in found["items"]] == ["iris"]


@pytest.mark.parametrize("name", ["Iris", "-x", "a.b", "x" * 64, "ünïcode"])
async def test_a_bad_name_is_refused(running: Running, name: str):
    assert (await running.client.put(f"{MODELS}/{name}")).status_code == 422


async def test_others_meet_a_taken_name_and_nothing_else(running: Running):
    await running.client.put(f"{MODELS}/iris")
    other = running.other
    assert (await other.put(f"{MODELS}/iris")).status_code == 409
    for method in ("get", "delete"):
        assert (await getattr(other, method)(f"{MODELS}/iris")).status_code == 404
    assert (await other.patch(f"{MODELS}/iris", json={})).status_code == 404
    assert (await other.get(MODELS)).json()["items"] == []


async def test_a_reader_may_not_write_and_a_writer_may_not_share(running: Running):
    await running.client.put(f"{MODELS}/iris")
    who = ["other@example.org"]
    await running.client.patch(f"{MODELS}/iris", json={"readers": who})
    assert (await running.other.get(f"{MODELS}/iris")).status_code == 200
    change = {"description": "mine"}
    assert (await running.other.patch(f"{MODELS}/iris", json=change)).status_code == 403
    await running.client.patch(f"{MODELS}/iris", json={"writers": who})
    assert (await running.other.patch(f"{MODELS}/iris", json=change)).status_code == 200
    share = {"visibility": "everyone"}
    assert (await running.other.patch(f"{MODELS}/iris", json=share)).status_code == 403
    assert (await running.other.delete(f"{MODELS}/iris")).status_code == 403


async def test_if_match_guards_a_change(running: Running):
    etag = (await running.client.put(f"{MODELS}/iris")).headers["etag"]
    change = {"description": "new"}
    headers = {"If-Match": etag}
    path = f"{MODELS}/iris"
    first = await running.client.patch(path, json=change, headers=headers)
    assert first.status_code == 200
    second = await running.client.patch(path, json=change, headers=headers)
    assert (second.status_code, await problem(second)) == (412, "model-changed")


async def test_lists_go_by_pages(running: Running):
    for number in range(5):
        await running.client.put(f"{MODELS}/m{number}")
    names, path = [], f"{MODELS}?limit=2"
    while path:
        page = await running.client.get(path)
        names += [model["name"] for model in page.json()["items"]]
        path = page.links.get("next", {}).get("url", "")
    assert names == [f"m{number}" for number in range(5)]


async def test_version_numbers_have_no_gap(running: Running, logreg: Trained):
    assert [await running.publish("iris", logreg) for _ in range(3)] == [1, 2, 3]
    found = (await running.client.get(f"{MODELS}/iris/versions?limit=2")).json()
    assert [version["version"] for version in found["items"]] == [3, 2]
    cursor = found["next"]
    rest = await running.client.get(f"{MODELS}/iris/versions?cursor={cursor}")
    assert [version["version"] for version in rest.json()["items"]] == [1]


async def test_a_version_tells_what_was_found_out(running: Running, logreg: Trained):
    await running.publish("iris", logreg)
    await running.client.put(f"{MODELS}/iris/aliases/champion", json={"version": 1})
    for reference in ("1", "latest", "champion"):
        path = f"{MODELS}/iris/versions/{reference}"
        found = (await running.client.get(path)).json()
        assert (found["model"], found["version"]) == ("iris", 1)
        assert found["aliases"] == ["champion"]
        assert [field["name"] for field in found["signature"]["inputs"]] == list(ROW)
        assert found["safety"]["outcome"] == "gated"
        assert found["parity"]["engine"] == found["engine"] == "linear"
        assert found["libraries"]["scikit-learn"]["saved"]
    missing = await running.client.get(f"{MODELS}/iris/versions/2")
    assert missing.status_code == 404


async def test_the_artifact_comes_back_byte_for_byte(running: Running, logreg: Trained):
    await running.publish("iris", logreg)
    answer = await running.client.get(f"{MODELS}/iris/versions/1/artifact")
    assert answer.content == logreg.artifact
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_the_schema_names_every_feature(running: Running, logreg: Trained):
    await running.publish("iris", logreg)
    schema = (await running.client.get(f"{MODELS}/iris/versions/1/schema")).json()
    assert schema["required"] == list(ROW)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["petal width (cm)"]["type"] == "number"


async def test_an_alias_moves_and_keeps_its_history(running: Running, logreg: Trained):
    await running.publish("iris", logreg)
    await running.publish("iris", logreg)
    path = f"{MODELS}/iris/aliases/champion"
    for version in (1, "latest", 1):
        moved = await running.client.put(path, json={"version": version})
        assert moved.status_code == 200
    assert (await running.client.delete(path)).status_code == 204
    found = (await running.client.get(path)).json()
    assert found["version"] is None
    moves = [(move["previous"], move["version"]) for move in found["history"]]
    assert moves == [(1, None), (2, 1), (1, 2), (None, 1)]
    assert (await running.client.delete(path)).status_code == 404
    async with running.state.database.reading() as session:
        noted = (await session.scalars(select(AuditEntry.action))).all()
        stored = (await session.scalars(select(ModelAliasMove))).all()
    assert noted.count("model.alias") == len(stored) == 4


@pytest.mark.parametrize("alias", ["latest", "12"])
async def test_some_names_cannot_be_aliases(running: Running, logreg, alias: str):
    await running.publish("iris", logreg)
    path = f"{MODELS}/iris/aliases/{alias}"
    answer = await running.client.put(path, json={"version": 1})
    assert (answer.status_code, await problem(answer)) == (422, "model-alias-reserved")


@pytest.mark.parametrize("version", [2, "nope", "champion"])
async def test_an_alias_points_at_nothing_else(running: Running, logreg, version):
    await running.publish("iris", logreg)
    path = f"{MODELS}/iris/aliases/challenger"
    answer = await running.client.put(path, json={"version": version})
    assert answer.status_code == 404


async def test_deleting_a_model_frees_its_name(running: Running, logreg: Trained):
    await running.publish("iris", logreg)
    assert (await running.client.delete(f"{MODELS}/iris")).status_code == 204
    assert (await running.client.get(f"{MODELS}/iris")).status_code == 404
    assert (await running.other.put(f"{MODELS}/iris")).status_code == 201
    assert (await running.other.get(f"{MODELS}/iris/versions")).json()["items"] == []


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ("nope", ""),
        ("[]", "/metadata"),
        ('{"flavour": "r"}', "/metadata/flavour"),
        ('{"metrics": {"auc": "' + "x" * 5 + '", "f1": [1]}}', "/metadata/metrics/f1"),
        ('{"tolerance": 1}', "/metadata/tolerance"),
        ('{"more": 1}', "/metadata/more"),
        ('{"signature": {"inputs": []}}', "/metadata/signature/inputs"),
    ],
)
async def test_wrong_metadata_is_named(running: Running, metadata: str, pointer: str):
    answer = await running.client.post(
        f"{MODELS}/iris/versions",
        files={"artifact": ("m.joblib", b"x")},
        data={"metadata": metadata},
    )
    assert (answer.status_code, await problem(answer)) == (
        422,
        "model-metadata-invalid",
    )
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert (await running.client.get(f"{MODELS}/iris")).status_code == 404


async def test_trust_needs_its_own_scope(running: Running):
    answer = await running.client.post(
        f"{MODELS}/iris/versions",
        files={"artifact": ("m.joblib", b"x")},
        data={"metadata": json.dumps({"trust": True})},
    )
    assert (answer.status_code, await problem(answer)) == (403, "scope-missing")


async def test_an_upload_is_taken_in_any_form_and_starts_a_job(running: Running):
    path = f"{MODELS}/iris/versions"
    form = await running.client.post(path, files={"artifact": ("m.joblib", b"x")})
    raw = await running.client.post(
        f"{path}?filename=m.onnx&metadata={{}}", content=b"x"
    )
    for answer, name in ((form, "m.joblib"), (raw, "m.onnx")):
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["location"] == f"/api/jobs/{job['id']}"
        assert job["args"]["filename"] == name
    assert (await running.client.get(f"{MODELS}/iris")).json()["latest"] is None
    assert (await running.other.post(path, content=b"x")).status_code == 404


async def uploads(running: Running, *names: str) -> list[Uploaded]:
    """Uploads that were taken, as their jobs get them."""
    found = []
    for name in names:
        answer = await running.client.post(
            f"{MODELS}/iris/versions?filename={name}", content=b"x"
        )
        assert answer.status_code == 202, answer.text
        found.append(Uploaded.model_validate(answer.json()["args"]))
    return found


async def refuse(running: Running, uploaded: Uploaded) -> None:
    async with running.state.database.writing() as session:
        await models_service(running.state, session).forget_empty(uploaded)


async def publish(running: Running, uploaded: Uploaded, trained: Trained) -> int:
    async with running.state.database.writing() as session:
        service = models_service(running.state, session)
        found = Inspected(trained.result, None)
        return await service.publish(uploaded, found, running.owner.user_id)


async def names(running: Running) -> list[str]:
    items = (await running.client.get(MODELS)).json()["items"]
    return [model["name"] for model in items]


async def test_a_refused_first_upload_leaves_no_model(running: Running):
    (first,) = await uploads(running, "m.joblib")
    assert await names(running) == ["iris"]
    await refuse(running, first)
    assert await names(running) == []
    assert (await running.other.put(f"{MODELS}/iris")).status_code == 201
    await refuse(running, first)
    assert (await running.other.get(f"{MODELS}/iris")).status_code == 200


async def test_a_refused_upload_takes_no_model_that_somebody_made_or_used(
    running: Running, logreg: Trained
):
    await running.client.put(f"{MODELS}/iris")
    (second,) = await uploads(running, "m.joblib")
    await refuse(running, second)
    assert await names(running) == ["iris"]
    await running.client.delete(f"{MODELS}/iris")
    first, second = await uploads(running, "m.joblib", "n.joblib")
    assert await publish(running, second, logreg) == 1
    await refuse(running, first)
    assert await names(running) == ["iris"]
    await running.client.delete(f"{MODELS}/iris")
    (described,) = await uploads(running, "m.joblib")
    await running.client.patch(f"{MODELS}/iris", json={"description": "mine"})
    await refuse(running, described)
    assert await names(running) == ["iris"]


async def test_an_upload_beside_a_refused_first_one_makes_the_model_again(
    running: Running, logreg: Trained
):
    first, second, third = await uploads(running, "a.joblib", "b.joblib", "c.joblib")
    await refuse(running, first)
    assert await names(running) == []
    assert await publish(running, second, logreg) == 1
    assert await publish(running, third, logreg) == 2
    assert (await running.client.get(f"{MODELS}/iris")).json()["latest"] == 2


async def test_an_upload_does_not_publish_into_the_model_of_somebody_else(
    running: Running, logreg: Trained
):
    first, second = await uploads(running, "a.joblib", "b.joblib")
    await refuse(running, first)
    assert (await running.other.put(f"{MODELS}/iris")).status_code == 201
    with pytest.raises(ModelNameTaken):
        await publish(running, second, logreg)


async def test_files_of_a_model_that_was_made_again_go_with_it(
    running: Running, logreg: Trained
):
    first, second = await uploads(running, "a.joblib", "b.joblib")
    await refuse(running, first)
    assert (await running.client.put(f"{MODELS}/iris")).status_code == 201
    assert await publish(running, second, logreg) == 1
    await running.client.delete(f"{MODELS}/iris")
    async with running.state.database.reading() as session:
        jobs = (await session.scalars(select(Job).where(Job.task == REMOVE_TASK))).all()
    assert second.prefix in {job.args["prefix"] for job in jobs}


async def test_a_version_of_a_model_that_was_deleted_meanwhile_is_not_published(
    running: Running, logreg: Trained
):
    await running.publish("iris", logreg)
    (late,) = await uploads(running, "m.joblib")
    await running.client.delete(f"{MODELS}/iris")
    with pytest.raises(ModelNotFound):
        await publish(running, late, logreg)


async def test_an_address_says_all_that_it_takes(running: Running):
    answer = await running.client.post("/api/models/iris")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH, PUT"
    # Not what /api/users/{user_id} takes, which is another address.
    answer = await running.client.put("/api/users/me")
    assert answer.headers["allow"] == "GET, PATCH"


async def test_an_artifact_of_no_bytes_is_refused_at_once(running: Running):
    answer = await running.client.post("/api/models/fresh/versions", content=b"")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/artifact"
    assert (await running.client.get("/api/models/fresh")).status_code == 404
