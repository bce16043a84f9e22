"""Own tasks: by function, with typed arguments, in the transaction of the request."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from foretell import Extension, JobContext, JobRead, Jobs, Session, create_app
from foretell.errors import NotFound
from foretell.extension.errors import ExtensionInvalid
from foretell.jobs.composing import jobs_service
from foretell.jobs.errors import TaskUnknown

post = Extension("post-office")
delivered: list[str] = []


class Parcel(BaseModel):
    to: str
    grams: int = 100


@post.task(max_attempts=5, timeout_seconds=60)
async def send_letter(job: JobContext, to: str, lines: int = 1) -> dict[str, str]:
    """Send a letter."""
    delivered.append(f"{to} {lines}")
    return {"to": to, "owner": job.principal.email}


@post.task
def send_parcel(job: JobContext, parcel: Parcel) -> int:
    job.log(f"{parcel.to} gets {parcel.grams} g")
    return parcel.grams


async def _known_town(session, principal, args) -> None:
    if args.town != "Ulm":
        raise NotFound(f"There is no town {args.town!r}.")


@post.task(name="visit", guard=_known_town, is_exposed=False)
async def go_there(job: JobContext, town: str) -> None:
    async with job.session() as session:
        jobs = jobs_service(job.services, session)
        await jobs.submit(
            "post-office.send_letter", {"to": town}, owner_id=job.owner_id
        )


@post.router.post("/letters/{to}", status_code=202)
async def write(to: str, jobs: Jobs, fails: bool = False) -> JobRead:
    job = await jobs.enqueue(send_letter, to, lines=2)
    if fails:
        raise NotFound("Changed my mind.")
    return job


@post.router.post("/parcels", status_code=202)
async def pack(parcel: Parcel, jobs: Jobs) -> JobRead:
    slow = jobs.with_options(priority=-5, unique_key=parcel.to)
    return await slow.enqueue(send_parcel, parcel)


@post.router.post("/visits/{town}")
async def visit(town: str, jobs: Jobs, session: Session) -> str:
    later = jobs.with_options(queue="slow", max_attempts=1)
    return (await later.enqueue("post-office.visit", town=town)).queue


@post.router.post("/nonsense")
async def nonsense(jobs: Jobs) -> str:
    with pytest.raises(TaskUnknown):
        await jobs.enqueue(len)  # type: ignore[call-overload]  # mypy refuses it too
    return (await jobs.enqueue("post-office.send_letter", to=3)).id


BASE = "/api/ext/post-office"


@pytest.fixture
def extensions():
    delivered.clear()
    return [post]


async def test_a_job_by_its_function_runs_for_the_caller(client, run_jobs):
    answer = await client.post(f"{BASE}/letters/ann")
    assert answer.status_code == 202
    job = answer.json()
    assert job["task"] == "post-office.send_letter"
    assert job["args"] == {"to": "ann", "lines": 2}
    assert job["max_attempts"] == 5
    assert answer.headers["location"] == f"/api/jobs/{job['id']}"
    assert await run_jobs() == 1
    assert delivered == ["ann 2"]
    done = (await client.get(answer.headers["location"])).json()
    assert done["result"] == {"to": "ann", "owner": "admin@example.org"}


async def test_a_refused_request_leaves_no_job(client, run_jobs):
    answer = await client.post(f"{BASE}/letters/ann?fails=true")
    assert answer.status_code == 404
    assert await run_jobs() == 0


async def test_an_idempotency_key_sends_one_letter(client, run_jobs):
    headers = {"Idempotency-Key": "one"}
    first, again = [
        await client.post(f"{BASE}/letters/ann", headers=headers) for _ in range(2)
    ]
    assert first.json() == again.json()
    assert (first.status_code, again.status_code) == (202, 202)
    assert await run_jobs() == 1


async def test_a_task_of_one_model_and_options(client, run_jobs):
    first, second = [
        (await client.post(f"{BASE}/parcels", json={"to": "bob", "grams": 7})).json()
        for _ in range(2)
    ]
    assert first["id"] == second["id"]
    assert (first["priority"], first["unique_key"]) == (-5, "bob")
    await run_jobs()
    log = await client.get(f"/api/jobs/{first['id']}/log")
    assert "bob gets 7 g" in log.text


async def test_a_guard_refuses_before_anything_is_queued(client, run_jobs):
    assert (await client.post(f"{BASE}/visits/Rome")).status_code == 404
    assert await run_jobs() == 0
    assert (await client.post(f"{BASE}/visits/Ulm")).json() == "slow"
    assert await run_jobs() == 2
    assert delivered == ["Ulm 1"]


async def test_what_is_no_task_or_does_not_fit_is_refused(client):
    answer = await client.post(f"{BASE}/nonsense")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/args/to"


async def test_own_tasks_can_be_asked_for_by_name(client, run_jobs, clock):
    tasks = (await client.get("/api/tasks")).json()["items"]
    mine = {t["name"]: t for t in tasks if t["name"].startswith("post-office.")}
    assert set(mine) == {"post-office.send_letter", "post-office.send_parcel"}
    later = (clock.now() + timedelta(hours=1)).isoformat()
    body = {"task": "post-office.send_letter", "args": {"to": "cy"}, "run_at": later}
    assert (await client.post("/api/jobs", json=body)).status_code == 202
    assert await run_jobs() == 0
    clock.advance(hours=2)
    assert await run_jobs() == 1
    assert delivered == ["cy 1"]


def test_a_task_cannot_need_a_scope_that_nobody_declares(settings):
    odd = Extension("odd")
    odd.task(scope="moon:land")(send_letter)
    with pytest.raises(ExtensionInvalid, match="moon:land"):
        create_app(settings, extensions=[odd])
