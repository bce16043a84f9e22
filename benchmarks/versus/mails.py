"""Rows about `POST /api/send-email/{user_id}`.

Both sides have a Redis of their own, which these rows freeze and kill. Only the
plain one needs it.
"""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2

from benchmarks.versus.rows import Seen, all_by_status, by_status, row, told, until
from benchmarks.versus.sides import STOP_SECONDS, Person, Side

PATIENCE = 3.0


def send(side: Side, person: Person | None = None, **headers: str) -> httpx2.Response:
    """The answer to somebody who sends a mail to themselves."""
    person = person or side.somebody()
    client = side.with_token(person.token)
    return side.ask(client, "POST", f"/api/send-email/{person.id}", headers=headers)


def beside(side: Side) -> tuple[str, bool, float]:
    """A mail while `/health` is asked again and again: what is told of the mail,
    whether it was taken, and the slowest answer in seconds."""
    slowest = 0.0
    watcher = side.stranger()
    with ThreadPoolExecutor(1) as pool:
        mail = pool.submit(_sent, side)
        while not mail.done():
            started = time.perf_counter()
            with suppress(httpx2.TimeoutException):
                watcher.get(side.health, timeout=PATIENCE)
            slowest = max(slowest, time.perf_counter() - started)
            time.sleep(0.01)
        words, is_taken = mail.result()
    return words, is_taken, slowest


def _sent(side: Side) -> tuple[str, bool]:
    try:
        path = f"/api/send-email/{side.somebody().id}"
        answer = side.signed_in().post(path, timeout=PATIENCE)
    except httpx2.TimeoutException:
        return f"no answer in {PATIENCE:.0f} s", False
    except httpx2.TransportError as error:
        return type(error).__name__, False
    return str(answer.status_code), answer.status_code in (200, 202, 503)


@row("D66", "the state of a mail")
def state(side: Side) -> Seen:
    answer = send(side)
    if "id" not in answer.json():
        return Seen(f"{answer.status_code}, no id to ask for", False)
    job = side.ask(side.signed_in(), "GET", answer.headers["location"])
    return Seen(f"{job.status_code} {job.json()['state']}", job.status_code == 200)


@row("D62", "no worker: what is the caller told?")
def no_worker(side: Side) -> Seen:
    with side.without_worker():
        answer = send(side)
        found = answer.json()
        ready = side.ask(side.stranger(), "GET", side.readiness)
    is_visible = "jobs" in ready.json().get("parts", {})
    words = f"{answer.status_code} {found.get('state', found.get('message'))}, "
    words += "queue in readyz" if is_visible else "queue nowhere"
    return Seen(words, answer.status_code == 202 and "id" in found and is_visible)


@row("D63", "mail to user 999999; -1; 10^30")
def nobody_there(side: Side) -> Seen:
    paths = [f"/api/send-email/{user}" for user in (999999, -1, 10**30)]
    answers = [side.ask(side.signed_in(), "POST", path) for path in paths]
    return all_by_status(answers, 404, 422)


@row("D64", "the same request twice, one Idempotency-Key")
def twice(side: Side) -> Seen:
    person, headers = side.person(), {"Idempotency-Key": secrets.token_hex(8)}
    for _ in range(2):
        send(side, person, **headers)
    until(lambda: side.mails(person) > 1, 1 + 3 * side.mails_take)
    sent = side.mails(person)
    return Seen(f"{sent} mails", sent == 1)


@row("D67", "mail by nobody")
def anonymous(side: Side) -> Seen:
    path = f"/api/send-email/{side.somebody().id}"
    return by_status(side.ask(side.stranger(), "POST", path), 401)


@row("D68", "progress, priority and cancelling of a job")
def control(side: Side) -> Seen:
    found = send(side)
    job = found.headers.get("location", "/api/jobs/none")
    answer = side.ask(side.signed_in(), "GET", job)
    if answer.status_code != 200:
        return Seen(told(answer), False)
    return Seen("there", {"progress", "priority"} <= set(answer.json()))


@row("D60", "worker killed in the middle of a job of 2 s")
def killed_worker(side: Side) -> Seen:
    job = side.start_slow_job()
    side.kill_worker()
    is_done = until(lambda: side.is_done(job), 5)
    return Seen("ran again" if is_done else "lost", is_done)


@row("D61", "3 mails wait; Redis is killed and started")
def killed_redis(side: Side) -> Seen:
    person = side.person()
    with side.without_worker():
        for _ in range(3):
            send(side, person)
        side.redis.kill()
        side.redis.start()
    until(lambda: side.mails(person) > 2, 2 + 2 * side.mails_take)
    found = side.mails(person)
    return Seen(f"{found} of 3 sent", found == 3)


@row("D58", "Redis down: a mail; /health meanwhile")
def redis_down(side: Side) -> Seen:
    side.redis.kill()
    try:
        words, is_taken, slowest = beside(side)
    finally:
        side.redis.start()
    return Seen(f"{words}; health {slowest * 1000:.0f} ms", is_taken and slowest < 0.5)


@row("D59", "Redis frozen: a mail; /health meanwhile; stopping")
def redis_frozen(side: Side) -> Seen:
    with side.redis.frozen():
        words, is_taken, slowest = beside(side)
        seconds = side.restart()
    stopped = f"{seconds:.1f} s" if seconds < STOP_SECONDS else "killed"
    words = f"{words}; health {slowest * 1000:.0f} ms; {stopped}"
    return Seen(words, is_taken and slowest < 0.5 and seconds < STOP_SECONDS)
