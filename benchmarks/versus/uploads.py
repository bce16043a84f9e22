"""Rows about `POST /api/upload-csv`."""

import gzip
import io
import json
from typing import Any

import httpx2
import pandas

from benchmarks.versus.rows import Seen, all_by_status, by_status, row, told
from benchmarks.versus.sides import Side

HEADER = "id,name,email\n"
FIGURES = {"count", "mean", "std", "min", "max"}


def upload(
    side: Side, content: str | bytes, client: httpx2.Client | None = None
) -> httpx2.Response:
    """The answer to a file; by somebody signed in unless told otherwise."""
    body = content.encode() if isinstance(content, str) else content
    files = {"file": ("people.csv", body, "text/csv")}
    return side.ask(client or side.signed_in(), "POST", "/api/upload-csv", files=files)


def wanted(answer: httpx2.Response, **figures: Any) -> Seen:
    """Right if the answer is 200 and has these figures."""
    if answer.status_code != 200:
        return Seen(told(answer), False)
    found = answer.json()
    shown = {name: found.get(name) for name in figures}
    words = ", ".join(f"{name} {value}" for name, value in shown.items())
    return Seen(f"200 {words}"[:46], shown == figures)


@row("D36", "one row")
def one_row(side: Side) -> Seen:
    return wanted(upload(side, HEADER + "1,Ann,ann@x.org\n"), total_rows=1)


@row("D37", "a header and no row")
def no_row(side: Side) -> Seen:
    return wanted(upload(side, HEADER), total_rows=0, unique_emails=0)


@row("D38", "an empty file")
def empty(side: Side) -> Seen:
    answer = upload(side, "")
    return Seen(told(answer), answer.status_code == 422 and "empty" in answer.text)


@row("D39", "a numeric column without values; the value inf")
def no_values(side: Side) -> Seen:
    bodies = ("1,A,a@x.org,\n2,B,b@x.org,\n", "1,A,a@x.org,inf\n2,B,b@x.org,1\n")
    answers = [upload(side, "id,name,email,v\n" + body) for body in bodies]
    return all_by_status(answers, 200)


@row("D40", "latin-1; UTF-16; GB18030")
def encodings(side: Side) -> Seen:
    names = (("cp1252", "Müller"), ("utf-16", "Björn"), ("gb18030", "李雷和韩梅梅"))
    files = [(HEADER + f"1,{n},a@x.org\n2,B,b@x.org\n").encode(e) for e, n in names]
    return all_by_status([upload(side, file) for file in files], 200)


@row("D41", "a workbook (.xlsx); a picture")
def other_files(side: Side) -> Seen:
    file = io.BytesIO()
    people = {"id": [1, 2], "name": ["A", "B"], "email": ["a@x.org", "b@x.org"]}
    pandas.DataFrame(people).to_excel(file, index=False)
    found = [
        upload(side, c).status_code for c in (file.getvalue(), b"\x89PNG\r\n\x1a\n0")
    ]
    return Seen(f"{found[0]} {found[1]}", found[0] == 200 and found[1] in (415, 422))


@row("D42", "gzip")
def compressed(side: Side) -> Seen:
    content = (HEADER + "1,A,a@x.org\n2,B,b@x.org\n").encode()
    return wanted(upload(side, gzip.compress(content)), total_rows=2)


@row("D43", "semicolons and the header ID; Name; Email")
def semicolons(side: Side) -> Seen:
    content = "ID; Name; Email\n1;A;a@x.org\n2;B;b@x.org\n"
    return wanted(upload(side, content), total_rows=2, unique_emails=2)


@row("D44", "wrong columns: are missing and found ones named?")
def wrong_columns(side: Side) -> Seen:
    answer = upload(side, "id,title,mail\n1,Dr,a@x.org\n")
    is_told = all(word in answer.text for word in ("email", "name", "title", "mail"))
    return Seen(told(answer), answer.status_code in (400, 422) and is_told)


@row("D45", "one row with a cell too many; an unclosed quote")
def bad_rows(side: Side) -> Seen:
    rows = '1,A,a@x.org\n2,B,b@x.org,more\n3,"C,c@x.org\n4,D,d@x.org\n'
    return wanted(upload(side, HEADER + rows), total_rows=2, rejects=2)


@row("D46", "each row has one cell more than the header")
def shifted(side: Side) -> Seen:
    rows = "1,A,a@x.org,paris\n2,B,b@x.org,paris\n3,C,c@x.org,paris\n"
    answer = upload(side, HEADER + rows)
    if answer.status_code == 200:
        return wanted(answer, unique_emails=3)
    return by_status(answer, 400, 422)


@row("D47", "rows that end in a comma")
def trailing_commas(side: Side) -> Seen:
    answer = upload(side, HEADER + "1,A,a@x.org,\n2,B,b@x.org,\n")
    return wanted(answer, total_rows=2, unique_emails=2)


@row("D48", "all e-mails blank; e-mails that are numbers")
def odd_addresses(side: Side) -> Seen:
    bodies = ("1,A,\n2,B,\n", "1,A,5\n2,B,6\n")
    return all_by_status([upload(side, HEADER + body) for body in bodies], 200, 422)


@row("D49", "not-an-email and @@: are they told apart?")
def no_addresses(side: Side) -> Seen:
    rows = "1,A,not-an-email\n2,B,@@\n3,C,c@x.org\n"
    return wanted(upload(side, HEADER + rows), total_rows=3, invalid_emails=2)


@row("D50", "the name NA, the e-mail null: kept?")
def null_words(side: Side) -> Seen:
    answer = upload(side, HEADER + "1,NA,null\n2,B,b@x.org\n3,C,c@x.org\n")
    return wanted(answer, total_rows=3)


@row("D51", "ids 007 and 010; ids above 2^53")
def exact_ids(side: Side) -> Seen:
    big = (9007199254740993, 9007199254740995)
    body = "".join(f"{n},N{n},n{n}@x.org\n" for n in big)
    answer = upload(side, HEADER + body)
    zeros = upload(side, HEADER + "007,A,a@x.org\n010,B,b@x.org\n")
    found = [answer.json()["summary"]["id"][k] for k in ("min", "max")]
    least = zeros.json()["summary"]["id"].get("min")
    is_right = found == list(big) and least in (None, "007")
    return Seen(f"max {found[1]!r}, least id {least!r}"[:46], is_right)


@row("D52", "summary of text ids and 25-digit ids: one shape?")
def one_shape(side: Side) -> Seen:
    bodies = ("1,A,a@x.org\n2,B,b@x.org\n", "a,A,a@x.org\nb,B,b@x.org\n")
    long = "".join(f"{n}234567890123456789012345,N,n{n}@x.org\n" for n in (1, 2))
    shapes = []
    for body in (*bodies, long):
        summary = upload(side, HEADER + body).json()["summary"]
        shapes.append((sorted(summary), sorted(summary["id"])))
    is_one = (
        all(shape == shapes[0] for shape in shapes) and set(shapes[0][1]) >= FIGURES
    )
    return Seen(f"{len({json.dumps(s) for s in shapes})} shapes of 3", is_one)


@row("D53", "two rows without e-mail: is it said that they went?")
def dropped(side: Side) -> Seen:
    answer = upload(side, HEADER + "1,A,\n2,B,\n3,C,c@x.org\n4,D,d@x.org\n")
    return wanted(answer, total_rows=2, blank_emails=2)


@row("D54", "after the answer: can the rows be asked for?")
def kept(side: Side) -> Seen:
    client = side.signed_in()
    found = upload(side, HEADER + "1,A,a@x.org\n2,B,b@x.org\n", client).json()
    if "dataset" not in found:
        return Seen("no id, no address", False)
    path = f"/api/datasets/{found['dataset']}/rows?where=id%20%3E%201"
    answer = side.ask(client, "GET", path)
    return Seen(
        f"{answer.status_code}, {len(answer.json()['items'])} row by a filter",
        answer.status_code == 200,
    )


@row("D56", "an upload by nobody")
def by_nobody(side: Side) -> Seen:
    answer = upload(side, HEADER + "1,A,a@x.org\n2,B,b@x.org\n", side.stranger())
    return by_status(answer, 401)
