"""Rows about sign-up, log-in and tokens."""

import json
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import jwt

from benchmarks.versus.rows import Seen, all_by_status, by_status, counted, row, told
from benchmarks.versus.sides import PASSWORD, Side, address

# The constant that a tutorial puts into its source.
KNOWN_SECRET = "your-secret-key"
JSON = {"Content-Type": "application/json"}


def forged(subject: str) -> str:
    """A token without an end, by anybody who has read the tutorial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyJWT says how short the key is
        return jwt.encode({"sub": subject}, KNOWN_SECRET, "HS256")


@row("D15", "the same e-mail twice")
def same_address(side: Side) -> Seen:
    email = address()
    side.sign_up(email)
    return by_status(side.sign_up(email), 409)


@row("D16", "8 sign-ups at once, one e-mail")
def at_once(side: Side) -> Seen:
    email = address()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: side.sign_up(email).status_code, range(8)))
    return Seen(counted(found), sorted(found) == [201] + [409] * 7)


@row("D18", "the same e-mail in capitals; log-in with them")
def capitals(side: Side) -> Seen:
    email = address()
    side.sign_up(email)
    second = side.sign_up(email.upper(), password="another password").status_code
    found = [second, side.log_in(email.upper()).status_code]
    return Seen(f"sign-up {found[0]}, log-in {found[1]}", found == [409, 200])


@row("D19", "a password of 73 bytes; of 25 Chinese characters")
def long_passwords(side: Side) -> Seen:
    passwords = ("é" + "x" * 71, "密码" * 12 + "长")
    answers = [side.sign_up(address(), password=p) for p in passwords]
    return all_by_status(answers, 201, 422)


@row("D20", "log-in with a password of 73 bytes")
def long_log_in(side: Side) -> Seen:
    email = address()
    side.sign_up(email)
    return by_status(side.log_in(email, "x" * 73), 400, 401)


@row("D21", "an empty password; an empty name")
def nothing(side: Side) -> Seen:
    answers = [
        side.sign_up(address(), password=""),
        side.sign_up(address(), name=""),
    ]
    return all_by_status(answers, 422)


@row("D22", "NUL in the name; half a surrogate pair")
def unstorable(side: Side) -> Seen:
    client = side.stranger()
    answers = []
    for name in ("A\x00", "A\ud800"):
        body = json.dumps({"email": address(), "password": PASSWORD, "name": name})
        answers.append(
            side.ask(client, "POST", "/api/users", content=body, headers=JSON)
        )
    return all_by_status(answers, 422)


@row("D23", "the name forgotten: is the password told back?")
def echo(side: Side) -> Seen:
    body = {"email": address(), "password": "TopSecret1"}
    answer = side.ask(side.stranger(), "POST", "/api/users", json=body)
    is_told = "TopSecret1" in answer.text
    words = f"{answer.status_code}, {'told back' if is_told else 'not told'}"
    return Seen(words, answer.status_code == 422 and not is_told)


@row("D24", "a name of 5 MB")
def endless_name(side: Side) -> Seen:
    answer = side.sign_up(address(), name="x" * 5_000_000)
    words = f"{answer.status_code}, answer of {len(answer.content):,} bytes"
    return Seen(words, answer.status_code in (413, 422) and len(answer.content) < 65536)


@row("D25", "an unknown field is_admin")
def unknown_field(side: Side) -> Seen:
    return by_status(side.sign_up(address(), is_admin=True), 422)


@row("D26", "25 sign-ups from one address; a list of users")
def sign_ups(side: Side) -> Seen:
    client = side.stranger()
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda _: side.sign_up(address(), client=client).status_code, range(25)
            )
        )
    listed = side.ask(client, "GET", "/api/users").status_code
    return Seen(f"{counted(found)}; list {listed}", 429 in found and listed == 401)


@row("D27", "10 wrong passwords in a row")
def guesses(side: Side) -> Seen:
    client, email = side.stranger(), address()
    side.sign_up(email)
    found = [
        side.log_in(email, f"wrong {n}", client=client).status_code for n in range(10)
    ]
    return Seen(counted(found), found[-1] == 429)


@row("D28", "wrong password: known beside unknown account")
def timing(side: Side) -> Seen:
    email, taken = address(), {True: list[float](), False: list[float]()}
    side.sign_up(email)
    for _ in range(4):
        for is_known in taken:
            account = email if is_known else address()
            started = time.perf_counter()
            side.log_in(account, "wrong")
            taken[is_known].append((time.perf_counter() - started) * 1000)
    known, unknown = (statistics.median(times) for times in taken.values())
    words = f"{known:.0f} ms beside {unknown:.0f} ms"
    return Seen(words, 1 / 3 < known / unknown < 3)


@row("D29", "the token of a log-in")
def token_of_log_in(side: Side) -> Seen:
    email = address()
    side.sign_up(email)
    token = side.log_in(email).json()["access_token"]
    return by_status(side.me(token), 200)


@row("D30", "a token without end, signed with the tutorial's secret")
def endless_token(side: Side) -> Seen:
    return by_status(side.me(forged("999999")), 401)


@row("D31", "a bad token: is there a challenge?")
def challenge(side: Side) -> Seen:
    answer = side.me("a.b.c")
    found = answer.headers.get("www-authenticate", "none")
    return Seen(f"{answer.status_code}, {found}"[:46], found.startswith("Bearer"))


@row("D32", "the caller's id: the same value as at sign-up?")
def typed_caller(side: Side) -> Seen:
    email = address()
    made = side.sign_up(email).json()
    answer = side.me(side.log_in(email).json()["access_token"])
    if answer.status_code == 401:  # what its author does next: sub as text
        answer = side.me(forged(str(made["id"])))
    me = answer.json()
    found = me.get("id", me.get("user_id"))
    if isinstance(found, str) and len(found) == 36:
        return Seen("the same", found == made["id"])
    return Seen(f"{made['id']!r} became {found!r}", found == made["id"])


@row("D33", "refresh token; API key; revocation")
def renewal(side: Side) -> Seen:
    email = address()
    side.sign_up(email)
    tokens = side.log_in(email).json()
    if "refresh_token" not in tokens:
        return Seen("none of them", False)
    client = side.with_token(tokens["access_token"])
    body = {"name": "k", "scopes": ["models:read"]}
    answers = [
        side.refresh(tokens["refresh_token"]),
        side.ask(client, "POST", "/api/keys", json=body),
        side.ask(
            client, "POST", "/token/revoke", data={"token": tokens["access_token"]}
        ),
    ]
    return all_by_status(answers, 200, 201)


@row("D34", "routes of the five that ask for no credential")
def open_routes(side: Side) -> Seen:
    caller = side.signed_in()
    paths = side.ask(caller, "GET", "/openapi.json").json()["paths"]
    guarded = ("/api/upload-csv", "/api/send-email/{user_id}", "/api/predict")
    found = [path for path in guarded if not paths[path]["post"].get("security")]
    return Seen(f"{len(found)} of 3", not found)


@row("D87", "malformed JSON; 90,000 brackets deep")
def malformed(side: Side) -> Seen:
    answers = [
        side.ask(side.stranger(), "POST", "/api/users", content=content, headers=JSON)
        for content in (b"{", b"[" * 90_000)
    ]
    return all_by_status(answers, 400, 422)


@row("D11", "database connections cut, then 6 sign-ups at once")
def cut_connections(side: Side) -> Seen:
    side.sign_up(address())
    side.cut_connections()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: side.sign_up(address()), range(6)))
    found = [answer.status_code for answer in answers]
    return Seen(counted(found), found == [201] * 6)


@row("D9", "database away: sign-up; readiness")
def no_database(side: Side) -> Seen:
    with side.closed_database():
        answer = side.sign_up(address())
        ready = side.ask(side.stranger(), "GET", side.readiness).status_code
    words = f"{told(answer)[:28]}; ready {ready}"
    return Seen(words, (answer.status_code, ready) == (503, 503))
