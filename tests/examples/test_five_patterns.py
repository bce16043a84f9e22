"""examples/five_patterns as a user runs it: served, asked over HTTP, with bad input."""

import ast
import gzip
import io
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pandas
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from tests.models.application import dump
from tests.served import PASSWORD, Server

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCES = sorted((EXAMPLES / "five_patterns").glob("*.py"))
HEADER = "id,name,email\n"
FIGURES = {
    "type",
    "count",
    "distinct",
    "mean",
    "std",
    "min",
    "25%",
    "50%",
    "75%",
    "max",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("five") / "data",
        signup="open",
        trusted_proxies="127.0.0.1",
        max_upload_bytes="1000000",
    )
    server.environment["PYTHONPATH"] = str(EXAMPLES)
    with server.start("--app", "five_patterns.app:app").running():
        yield server


@pytest.fixture(scope="module")
def admin(server: Server) -> Iterator[httpx2.Client]:
    with server.client(server.make_admin()) as client:
        yield client


@pytest.fixture(scope="module")
def ann(server: Server) -> Iterator[httpx2.Client]:
    """Somebody who signed up by herself."""
    email = f"ann-{secrets.token_hex(4)}@example.org"
    with server.client() as nobody:
        body = {"email": email, "password": PASSWORD, "name": "Ann"}
        made = nobody.post("/api/users", json=body)
        assert made.status_code == 201
        assert {"id", "email", "name"} <= set(made.json())
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        tokens = nobody.post("/token", data=form)
    with server.client(tokens.json()["access_token"]) as client:
        yield client


def people(client: httpx2.Client, content: str | bytes) -> httpx2.Response:
    body = content.encode() if isinstance(content, str) else content
    return client.post("/api/upload-csv", files={"file": ("people.csv", body)})


def summed_up(client: httpx2.Client, content: str | bytes) -> dict[str, Any]:
    answer = people(client, content)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert all(set(column) == FIGURES for column in found["summary"].values())
    return found


def own_id(client: httpx2.Client) -> str:
    """The id of whoever calls."""
    user_id: str = client.get("/api/me").json()["id"]
    return user_id


def lines_of_code(path: Path) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    source = path.read_text("utf-8")
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and at not in left_out
        for at, line in enumerate(source.splitlines(), 1)
    )


def test_it_is_a_short_read() -> None:
    whole = sum(len(path.read_text("utf-8").splitlines()) for path in SOURCES)
    code = sum(map(lines_of_code, SOURCES))
    print(f"five patterns: {code} lines of code, {whole} with words and blanks")
    assert code < whole <= 120


def test_people_are_cleaned_counted_and_kept(ann: httpx2.Client) -> None:
    rows = "1,Ann, ANN@x.org \n2,Bob,bob@x.org\n3,Cy,ann@x.org\n4,Di,  \n5,Ed,odd\n"
    answer = people(ann, HEADER + rows)
    found = answer.json()
    assert found["total_rows"] == 4
    assert found["unique_emails"] == 3
    assert (found["blank_emails"], found["invalid_emails"]) == (1, 1)
    assert found["summary"]["id"]["mean"] == pytest.approx(2.75)
    assert found["summary"]["id"]["25%"] == pytest.approx(1.75)
    assert found["summary"]["email"] == {
        **dict.fromkeys(FIGURES),
        **{"type": "text", "count": 4, "distinct": 3},
    }
    assert ann.get(answer.headers["location"]).json() == found
    kept = ann.get(f"/api/datasets/{found['dataset']}/rows?where=id=1").json()["items"]
    assert kept == [{"id": 1, "name": "Ann", "email": " ANN@x.org "}]


@pytest.mark.parametrize(
    ("content", "total", "unique"),
    [
        (HEADER + "1,Ann,a@x.org\n", 1, 1),
        (HEADER, 0, 0),
        ("id,name,email,v\n1,A,a@x.org,\n2,B,b@x.org,\n", 2, 2),
        ("id,name,email,v\n1,A,a@x.org,inf\n2,B,b@x.org,1\n", 2, 2),
        (f"{HEADER}1,Müller,a@x.org\n2,B,b@x.org\n".encode("cp1252"), 2, 2),
        (f"{HEADER}1,Björn,a@x.org\n2,B,b@x.org\n".encode("utf-16"), 2, 2),
        (f"{HEADER}1,李雷和韩梅梅,a@x.org\n2,B,b@x.org\n".encode("gb18030"), 2, 2),
        (gzip.compress(f"{HEADER}1,A,a@x.org\n".encode()), 1, 1),
        ("ID; Name; Email\n1;A;a@x.org\n2;B;A@x.org\n", 2, 1),
        (HEADER + "1,A,a@x.org,\n2,B,b@x.org,\n", 2, 2),
        (HEADER + "1,A,\n2,B,\n", 0, 0),
        (HEADER + "1,A,5\n2,B,6\n", 2, 2),
        (HEADER + "1,NA,null\n2,B,b@x.org\n", 2, 2),
        (HEADER + "a,A,a@x.org\nb,B,b@x.org\n", 2, 2),
    ],
    ids=[
        *("one row", "no row", "empty column", "inf", "latin-1", "utf-16", "gb18030"),
        *("gzip", "semicolons and capitals", "trailing commas", "blank e-mails"),
        *("numbers as e-mails", "na and null", "text ids"),
    ],
)
def test_odd_files_are_read(
    ann: httpx2.Client, content: str | bytes, total: int, unique: int
) -> None:
    found = summed_up(ann, content)
    assert (found["total_rows"], found["unique_emails"]) == (total, unique)


def test_a_workbook_is_read_too(ann: httpx2.Client) -> None:
    file = io.BytesIO()
    table = {"ID": [1, 2], "Name": ["A", "B"], "Email": ["a@x.org", "b@x.org"]}
    pandas.DataFrame(table).to_excel(file, index=False)
    assert summed_up(ann, file.getvalue())["unique_emails"] == 2


def test_ids_are_exact_and_zeros_stay(ann: httpx2.Client) -> None:
    rows = "9007199254740993,A,a@x.org\n9007199254740995,B,b@x.org\n"
    assert summed_up(ann, HEADER + rows)["summary"]["id"]["max"] == 9007199254740995
    found = summed_up(ann, HEADER + "007,A,a@x.org\n010,B,b@x.org\n")
    assert found["summary"]["id"]["type"] == "text"
    items = ann.get(f"/api/datasets/{found['dataset']}/rows").json()["items"]
    assert [row["id"] for row in items] == ["007", "010"]


def test_bad_rows_are_kept_aside_with_their_line(ann: httpx2.Client) -> None:
    rows = '1,A,a@x.org\n2,B,b@x.org,more\n3,"C,c@x.org\n4,D,d@x.org\n'
    found = summed_up(ann, HEADER + rows)
    assert (found["total_rows"], found["rejects"]) == (2, 2)
    aside = ann.get(f"/api/datasets/{found['dataset']}/rejects").json()["items"]
    assert [item["line"] for item in aside] == [3, 4]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ("", 422, ["empty"]),
        ("id,title,mail\n1,Dr,a@x.org\n", 422, ["missing: name, email", "title, mail"]),
        (
            HEADER + "1,A,a@x.org,paris\n2,B,b@x.org,rome\n",
            422,
            ["3 columns", "4 cells"],
        ),
        (b"\x89PNG\r\n\x1a\n0", 415, ["PNG"]),
        (b"x" * 1_000_001, 413, ["1,000,000"]),
    ],
    ids=["empty", "wrong columns", "shifted", "picture", "too large"],
)
def test_what_is_no_table_of_people_is_refused(
    ann: httpx2.Client, content: str | bytes, status: int, words: list[str]
) -> None:
    answer = people(ann, content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    for word in words:
        assert word in answer.json()["detail"]
    if status == 422 and "missing" in words[0]:
        assert answer.json()["missing"] == ["name", "email"]
        assert answer.json()["found"] == ["id", "title", "mail"]


def test_one_key_is_one_upload(ann: httpx2.Client) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    files = {"file": ("p.csv", f"{HEADER}1,A,a@x.org\n".encode())}
    answers = [
        ann.post("/api/upload-csv", files=files, headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_others_do_not_see_an_upload(ann: httpx2.Client, server: Server) -> None:
    found = summed_up(ann, HEADER + "1,A,a@x.org\n")
    with server.client() as nobody:
        assert nobody.get(f"/api/upload-csv/{found['dataset']}").status_code == 401
        assert people(nobody, HEADER).status_code == 401
    # The scope of the upload opens nothing else.
    answer = ann.post("/api/datasets?name=mine", content=b"a\n1\n")
    assert answer.status_code == 403


def test_a_mail_is_a_job_and_lies_in_the_outbox(
    server: Server, ann: httpx2.Client
) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    path = f"/api/send-email/{own_id(ann)}"
    answers = [ann.post(path, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["message"] == "Email queued"
    job = answers[0].headers["location"]
    assert {answer.json()["id"] for answer in answers} == {job.rpartition("/")[2]}
    deadline = time.monotonic() + 30
    while ann.get(job).json()["state"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    mails = list((server.data_dir / "outbox").glob("*.eml"))
    assert [re.findall("Hello (.*),", mail.read_text()) for mail in mails] == [["Ann"]]


def test_who_may_be_mailed(
    ann: httpx2.Client, admin: httpx2.Client, server: Server
) -> None:
    for nobody_there in ("999999", "-1", "1" * 30):
        for client in (ann, admin):
            assert client.post(f"/api/send-email/{nobody_there}").status_code == 404
    assert ann.post(f"/api/send-email/{own_id(admin)}").status_code == 404
    with server.client() as nobody:
        assert nobody.post(f"/api/send-email/{own_id(ann)}").status_code == 401


def test_the_shared_model_predicts(ann: httpx2.Client, admin: httpx2.Client) -> None:
    data = load_breast_cancer()
    model = LogisticRegression(max_iter=5000).fit(data.data, data.target)
    made = admin.post(
        "/api/models/tumours/versions",
        files={"artifact": ("m.joblib", dump(model))},
        headers={"Prefer": "wait=50"},
    )
    assert made.status_code == 201, made.text
    body = {"features": data.data[0].tolist()}
    assert ann.post("/api/predict", json=body).status_code == 404
    shared = {"visibility": "everyone"}
    assert admin.patch("/api/models/tumours", json=shared).status_code == 200
    found = ann.post("/api/predict", json=body).json()
    assert (found["prediction"], found["model"], found["version"]) == (0, "tumours", 1)
    wanted = model.predict_proba(data.data[:1])[0][0]
    assert found["probability"] == pytest.approx(wanted, abs=1e-5)
    for bad in ([0] * 29, [], ["13.0"] * 30, [True] * 30):
        assert ann.post("/api/predict", json={"features": bad}).status_code == 422


def test_all_five_ask_for_a_credential_in_the_document(ann: httpx2.Client) -> None:
    paths = ann.get("/openapi.json").json()["paths"]
    for path in ("/api/upload-csv", "/api/send-email/{user_id}", "/api/predict"):
        assert paths[path]["post"]["security"]
    answers = paths["/api/upload-csv"]["post"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"]["$ref"]
    body = paths["/api/upload-csv"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/octet-stream"}
