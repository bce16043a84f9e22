"""Every file of L01-L22 (docs/explanation/trust.md) against a served process.

Whatever is sent: an answer with the reason, or the table without what is wrong, in
seconds; the server is the same process, the child keeps its memory, others are
answered meanwhile, and nothing is left behind.
"""

import contextlib
import gzip
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from foretell.sandbox.memory import resident_bytes
from tests.acceptance import hostile_files as files
from tests.acceptance.conftest import first_admin
from tests.acceptance.processes import command, descendants
from tests.served import Server, unique

MIB = files.MIB
WORKER_MEMORY = 1024 * MIB
LARGEST_UPLOAD = 128 * MIB
SECONDS = 15.0
# A neighbour's request waits for its turn of the processor, not for the import.
NEIGHBOUR_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer is a problem.

    Attributes:
        slug, said: Of its type, and of its detail; regular expressions.
    """

    status: int
    slug: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What can be read is imported.

    Attributes:
        rejects: Line and code of each; with `first`, of the first one only.
    """

    rows: int
    rejects: tuple[tuple[int, str], ...] = ()
    first: bool = False


Outcome = Refused | Kept


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file and what becomes of it."""

    row: str
    what: str
    make: Callable[[], bytes]
    outcome: Outcome
    is_slow: bool = False
    options: str = "{}"


def hostile(
    row: str,
    what: str,
    make: Callable[[], bytes],
    outcome: Outcome,
    **more: Any,
) -> Any:
    case = Hostile(row, what, make, outcome, **more)
    marks = [pytest.mark.slow] if case.is_slow else []
    return pytest.param(case, id=f"{row} {what}", marks=marks)


INFLATED = Refused(413, "inflated-too-large", "100 times its size")
NOT_READ = Refused(415, "not-a-table")
SPANS = Refused(413, "sheet-too-large", "17,179,869,184 cells")
ENTITIES = Refused(422, "damaged-file", "entit|damaged")
WIDE = Refused(413, "too-many-columns", "10000")
MEMORY = Refused(422, "child-out-of-memory", "1024 MiB")
PROCESSOR = Refused(422, "child-timed-out", "processor time")

CASES = [
    hostile("L05", "a picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(999), NOT_READ),
    hostile("L05", "a program", lambda: b"MZ" + bytes(range(256)) * 9, NOT_READ),
    hostile("L05", "noise", lambda: os.urandom(2 * MIB), NOT_READ),
    hostile(
        "L05",
        "an archive in its first bytes only",
        lambda: b"PK\x03\x04" + bytes(500),
        Refused(422, "damaged-file", "directory"),
    ),
    # --- archives ---
    hostile(
        "L07",
        "10,001 members",
        lambda: files.archive([(f"{n}.csv", b"a") for n in range(10_001)]),
        Refused(413, "inflated-too-large", "10000 files"),
    ),
    hostile(
        "L07",
        "300,000 members",
        lambda: files.archive([(f"{n}", b"") for n in range(300_000)]),
        Refused(413, "inflated-too-large", "10000 files"),
        is_slow=True,
    ),
    hostile("L08", "a member of zeros", lambda: files.zip_zeros(80), INFLATED),
    hostile(
        "L09", "a hidden size", files.hidden_size, Refused(422, "damaged-file", "ZIP")
    ),
    hostile(
        "L09",
        "members that overlap",
        lambda: files.overlapping(9_000),
        Refused(422, "archive-member"),
    ),
    hostile(
        "L10",
        "an archive in an archive",
        lambda: files.archive([("in.zip", files.archive([("a.csv", files.CSV)]))]),
        Refused(415, "not-a-table", "ZIP archive inside of a ZIP archive"),
    ),
    hostile(
        "L10",
        "gzip in an archive",
        lambda: files.archive([("a.csv.gz", gzip.compress(files.CSV))]),
        Refused(415, "not-a-table", "gzip file inside of a ZIP archive"),
    ),
    hostile(
        "L10",
        "gzip in gzip",
        lambda: gzip.compress(gzip.compress(files.CSV)),
        Refused(415, "not-a-table", "gzip file inside of a gzip file"),
    ),
    hostile(
        "L11",
        "a symbolic link",
        files.symlink,
        Refused(422, "unsafe-archive", "symbolic link"),
    ),
    hostile(
        "L11",
        "an absolute path",
        lambda: files.archive([("/etc/cron.d/a.csv", files.CSV)]),
        Refused(422, "unsafe-archive", "absolute"),
    ),
    hostile(
        "L11",
        "a drive",
        lambda: files.archive([("C:\\a.csv", files.CSV)]),
        Refused(422, "unsafe-archive", "absolute"),
    ),
    hostile(
        "L11",
        "a path upwards",
        lambda: files.archive([("../../a.csv", files.CSV)]),
        Refused(422, "unsafe-archive", "upwards"),
    ),
    hostile(
        "L11",
        "a path upwards by backslashes",
        lambda: files.archive([("..\\..\\a.csv", files.CSV)]),
        Refused(422, "unsafe-archive", "upwards"),
    ),
    hostile(
        "L11",
        "a path upwards beside a table",
        lambda: files.archive([("a.csv", files.CSV), ("../b.csv", files.CSV)]),
        Refused(422, "unsafe-archive", "upwards"),
    ),
    hostile("L12", "gzip of zeros", lambda: files.gzip_zeros(80), INFLATED),
    hostile(
        "L12",
        "gzip of gigabytes",
        lambda: files.gzip_zeros(900),
        INFLATED,
        is_slow=True,
    ),
    hostile(
        "L12",
        "Zstandard of zeros",
        lambda: files.zstandard(b"0" * (80 * MIB)),
        INFLATED,
    ),
    hostile(
        "L12",
        "Zstandard with a window of 2 GiB",
        files.zstandard_wide_window,
        Refused(422, "damaged-file", "Zstandard"),
    ),
    hostile(
        "L12",
        "gzip members of nothing",
        lambda: files.many_gzip_members(100_000),
        Refused(422, "empty"),
    ),
    # --- workbooks ---
    hostile("L13", "a far cell", files.far_cell, SPANS),
    hostile("L13", "a far cell by another name", lambda: files.far_cell("x"), MEMORY),
    hostile("L13", "a dimension that lies", files.far_dimension, Kept(1)),
    hostile("L13", "a far cell (XLSB)", files.far_binary_cell, SPANS),
    hostile("L13", "repeated cells (ODS)", files.repeated_cells, SPANS),
    hostile("L13", "a far cell (XLS)", files.far_old_cell, MEMORY),
    hostile("L14", "shared texts of zeros", lambda: files.shared_texts(80), INFLATED),
    hostile("L14", "a cell of zeros", lambda: files.long_cell(80), INFLATED),
    hostile(
        "L14",
        "five million rows",
        lambda: files.many_rows(5_000_000),
        Refused(413, "inflated-too-large|sheet-too-large"),
    ),
    hostile(
        "L14",
        "a long text in every cell",
        lambda: files.one_text_many_times(500_000),
        MEMORY,
        is_slow=True,
    ),
    hostile(
        "L14",
        "a long text in every cell (XLS)",
        lambda: files.repeated_old_texts(400_000),
        MEMORY,
    ),
    hostile(
        "L14",
        "texts that are only counted (XLSB)",
        files.counted_binary_texts,
        Refused(422, "damaged-file|child-"),
    ),
    hostile(
        "L14",
        "texts that are only counted (XLS)",
        files.shared_text_of_an_old_workbook,
        Kept(1),
    ),
    hostile(
        "L14",
        "spaces in a number (ODS)",
        files.spaces_of_a_spreadsheet,
        Refused(422, "damaged-file|child-out-of-memory"),
    ),
    hostile(
        "L14",
        "a million merged cells",
        lambda: files.many_merges(1_000_000),
        Kept(1),
        is_slow=True,
    ),
    hostile("L15", "16,385 columns", lambda: files.wide_sheet(16_385), WIDE),
    hostile("L15", "a cell in column 16,385", files.beyond_the_last_column, WIDE),
    hostile("L16", "laughs in a sheet", files.laughing_sheet, ENTITIES),
    hostile("L16", "laughs in shared texts", files.laughing_texts, ENTITIES),
    hostile("L16", "laughs in the list of sheets", files.laughing_list, ENTITIES),
    hostile("L16", "laughs (ODS)", files.laughing_spreadsheet, ENTITIES),
    hostile(
        "L16", "a file of the server", lambda: files.laughing_sheet(True), ENTITIES
    ),
    hostile(
        "L16",
        "a file of the server (ODS)",
        lambda: files.laughing_spreadsheet(True),
        ENTITIES,
    ),
    hostile("L16", "macros", files.macros, Refused(415, "workbook-macros", "macros")),
    # --- text ---
    hostile(
        "L17",
        "a field of 2 MiB",
        lambda: files.long_field(2),
        Kept(2, ((3, "cell_too_large"),)),
    ),
    hostile(
        "L17",
        "a field of 100 MiB",
        lambda: files.long_field(100),
        Kept(2, ((3, "record_too_large"),)),
    ),
    hostile(
        "L17",
        "a quote that is not closed",
        lambda: files.unclosed_quote(20),
        Kept(5_242_880, ((2, "unclosed_quote"),)),
    ),
    hostile(
        "L17",
        "nothing but quotes",
        lambda: files.quotes(8),
        Kept(0, ((2, "too_few_cells"),)),
        is_slow=True,
    ),
    hostile(
        "L17",
        "nothing but delimiters",
        lambda: files.delimiters(40),
        Kept(1, ((3, "record_too_large"),)),
    ),
    hostile("L17", "10,001 columns", lambda: files.wide_header(10_001), WIDE),
    hostile("L17", "a million columns", lambda: files.wide_header(1_000_000), WIDE),
    hostile("L18", "a NUL byte", files.with_nul, Kept(2, ((3, "nul_byte"),))),
    hostile(
        "L18",
        "an encoding that its bytes are not of",
        lambda: b"a,b\n1,\xff\xfe\n2,x\n",
        Kept(1, ((2, "bad_encoding"),)),
        options='{"encoding": "utf-8"}',
    ),
    hostile(
        "L18",
        "an encoding that is code",
        lambda: files.CSV,
        Refused(422, "import-option|encoding"),
        options='{"encoding": "zlib_codec"}',
    ),
    # --- columns ---
    hostile(
        "L19",
        "rows of one text (Parquet)",
        lambda: files.parquet_of_one_value(3_000_000),
        INFLATED,
        is_slow=True,
    ),
    hostile(
        "L19",
        "rows of nothing (Parquet)",
        lambda: files.parquet_of_nulls(5_000_000, 80),
        INFLATED,
    ),
    hostile(
        "L19",
        "rows that are not there (Parquet)",
        lambda: files.parquet_that_claims(1 << 40),
        Refused(413, "inflated-too-large"),
    ),
    hostile(
        "L19",
        "2^40 rows of no byte (Arrow)",
        files.endless_nulls,
        Refused(422, "damaged-file", "more rows"),
    ),
    hostile(
        "L19",
        "a run of 2^31 rows (Arrow)",
        lambda: files.arrow_stream(files.endless_runs()),
        Refused(422, "column-unsupported", "run_end_encoded"),
    ),
    hostile(
        "L19",
        "columns inside of columns (Arrow)",
        lambda: files.deep_columns(60),
        Refused(422, "column-unsupported", "deeply"),
    ),
    hostile("L19", "10,001 columns (Arrow)", lambda: files.wide_columns(10_001), WIDE),
    # --- JSON ---
    hostile("L20", "depth", lambda: files.nested(200_000), NOT_READ),
    hostile(
        "L20",
        "depth in an array",
        lambda: b"[" * 500_000,
        Refused(422, "damaged-file", "deeply"),
    ),
    hostile(
        "L20",
        "depth in one line",
        lambda: files.nested_line(200_000),
        Kept(2, ((2, "nested_too_deeply"),)),
    ),
    hostile(
        "L20",
        "a line of 100 MB",
        lambda: files.long_line(100),
        Kept(2, ((2, "record_too_large"),)),
    ),
    hostile(
        "L20",
        "a number of 200,000 digits",
        lambda: files.long_number(200_000),
        Kept(2),
    ),
    hostile(
        "L20",
        "half of a surrogate pair",
        lambda: b'{"a": "x"}\n{"a": "\\ud800"}\n',
        Kept(1, ((2, "bad_encoding"),)),
    ),
    hostile("L20", "keys without end", lambda: files.new_keys(100_000), WIDE),
    hostile(
        "L20",
        "a wide table of next to nothing",
        lambda: files.wide_then_empty(9_999, 300_000),
        Refused(413, "too-sparse", "9,999 different keys"),
    ),
    # --- the child ---
    hostile("L21", "sectors in a circle (XLS)", files.circular_folder, MEMORY),
    hostile("L21", "tables in a circle (XLS)", files.circular_tables, MEMORY),
    hostile(
        "L21",
        "a stream in a circle (XLS)",
        files.circular_compound,
        Refused(422, "damaged-file|child-"),
    ),
    hostile(
        "L21",
        "ten million damaged rows in some kilobytes",
        lambda: gzip.compress(b"a,b\n1,2\n" + b"1,2,3\n" * 10_000_000),
        PROCESSOR,
        is_slow=True,
    ),
]


class Neighbour(threading.Thread):
    """Somebody else, who asks all the time and has to be answered.

    Attributes:
        worst: Longest wait, in seconds.
    """

    def __init__(self, client: httpx2.Client) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._is_over = threading.Event()
        self.worst = 0.0
        self.answered = 0
        self.failures: list[str] = []

    def run(self) -> None:
        while not self._is_over.wait(0.02):
            started = time.monotonic()
            try:
                answer = self._client.get("/api/me", timeout=60)
            except httpx2.TransportError as error:
                self.failures.append(repr(error))
                continue
            self.worst = max(self.worst, time.monotonic() - started)
            if answer.status_code == 200:
                self.answered += 1
            else:
                self.failures.append(answer.text)

    def finish(self) -> None:
        self._is_over.set()
        self.join(60)
        self._client.close()
        assert not self.failures, self.failures[:3]
        assert self.answered
        assert self.worst < NEIGHBOUR_SECONDS * crowding(), self.worst


class MemoryWatch(threading.Thread):
    """Looks at the children of the sandbox, which are forked from a zygote.

    Attributes:
        own_bytes: Most memory that one took beyond what it shares with its zygote.
    """

    def __init__(self, server: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._is_over = threading.Event()
        self.own_bytes = 0

    def run(self) -> None:
        while not self._is_over.wait(0.02):
            found = [p for p in descendants(self._server) if "zygote" in command(p)]
            held = {pid: resident_bytes(pid) for pid in found}
            if held:
                self.own_bytes = max(
                    self.own_bytes, max(held.values()) - min(held.values())
                )

    def finish(self) -> int:
        self._is_over.set()
        self.join(60)
        return self.own_bytes


def crowding() -> float:
    """How many others want each processor: the clock is not ours alone."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("besieged") / "data",
        worker_memory=str(WORKER_MEMORY),
        max_upload_bytes=str(LARGEST_UPLOAD),
    )
    with server.start().running():
        yield server


@pytest.fixture(scope="module")
def sender(besieged: Server) -> Iterator[httpx2.Client]:
    with besieged.client(first_admin(besieged)) as client:
        # The first import starts the process that children are forked from.
        send(client, unique("first"), files.CSV)
        yield client


def send(
    client: httpx2.Client, name: str, content: bytes, options: str = "{}"
) -> httpx2.Response:
    return client.post(
        "/api/datasets",
        files={"file": ("table.csv", content)},
        data={"name": name, "options": options},
        headers={"Prefer": "wait=60"},
        timeout=120,
    )


def left_behind(server: Server) -> list[Path]:
    """Files of requests and attempts that are over."""
    folders = (server.data_dir / "work", server.data_dir / "incoming")
    return [path for f in folders if f.is_dir() for path in f.iterdir()]


def check_refused(answer: httpx2.Response, wanted: Refused) -> None:
    assert answer.status_code == wanted.status, answer.text
    problem = answer.json()
    slug = problem["type"].rpartition("/")[2]
    assert re.match(wanted.slug, slug), problem
    assert re.search(wanted.said, problem["detail"]), problem


def check_kept(client: httpx2.Client, answer: httpx2.Response, wanted: Kept) -> None:
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["rows"], made["rejects"]) == (wanted.rows, len(wanted.rejects))
    found = client.get(f"/api/datasets/{made['name']}/rejects").json()["items"]
    assert tuple((item["line"], item["code"]) for item in found) == wanted.rejects


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_refused_or_read_in_seconds(
    besieged: Server, sender: httpx2.Client, case: Hostile
):
    assert besieged.process is not None
    content, name = case.make(), unique("hostile")
    neighbour = Neighbour(besieged.client(str(sender.headers["Authorization"])[7:]))
    watch = MemoryWatch(besieged.process.pid)
    neighbour.start()
    watch.start()
    started = time.monotonic()
    answer = send(sender, name, content, case.options)
    seconds = time.monotonic() - started
    neighbour.finish()
    own_bytes = watch.finish()
    if isinstance(case.outcome, Refused):
        check_refused(answer, case.outcome)
        assert sender.get(f"/api/datasets/{name}").status_code == 404
    else:
        check_kept(sender, answer, case.outcome)
    assert seconds <= SECONDS * crowding()
    assert own_bytes <= WORKER_MEMORY * 1.1
    assert besieged.process.poll() is None, besieged.log.read_text()[-2000:]
    assert left_behind(besieged) == []
    for secret in ("root:x:0", str(besieged.data_dir)):
        assert secret not in answer.text


# --- what is refused before there is a file --------------------------------------


def test_l01_a_json_body_has_a_size(sender: httpx2.Client):
    body = {"name": "x", "scopes": ["x" * 100] * 12_000}
    answer = sender.post("/api/keys", json=body)
    check_refused(answer, Refused(413, ""))


def test_l02_an_upload_is_counted_while_it_arrives(
    besieged: Server, sender: httpx2.Client
):
    largest = 0

    def endless() -> Iterator[bytes]:
        nonlocal largest
        for _ in range(2 * LARGEST_UPLOAD // MIB):
            largest = max(largest, received_bytes(besieged))
            yield b"1,2\n" * (MIB // 4)

    name = unique("endless")
    try:
        answer = sender.post(f"/api/datasets?name={name}", content=endless())
    except httpx2.TransportError:
        pass  # the connection is closed on a caller who goes on
    else:
        check_refused(answer, Refused(413, ""))
    assert 0 < largest <= LARGEST_UPLOAD
    assert left_behind(besieged) == []
    assert sender.get(f"/api/datasets/{name}").status_code == 404


def test_l02_a_body_that_says_it_is_too_large_is_not_received(besieged: Server):
    key = besieged.make_admin("second@example.org")
    head = (
        "POST /api/datasets?name=said HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {LARGEST_UPLOAD + 1}\r\n\r\n"
    )
    host, port = besieged.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(200)


def received_bytes(server: Server) -> int:
    """Size of the uploads that are under way."""
    files_there = (server.data_dir / "incoming").rglob("*.part")
    total = 0
    for path in files_there:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@pytest.mark.parametrize(
    "filename",
    ["../../../etc/passwd", "/etc/passwd", "..\\..\\x.csv", "a\0b.csv", "x" * 5_000],
)
def test_l04_a_file_name_is_a_label(
    besieged: Server, sender: httpx2.Client, filename: str
):
    before = {p for p in besieged.data_dir.parent.rglob("*") if "passwd" in p.name}
    name = unique("named")
    answer = sender.post(
        "/api/datasets",
        files={"file": (filename, files.CSV)},
        data={"name": name},
        headers={"Prefer": "wait=30"},
    )
    assert answer.status_code in (201, 400, 422), answer.text
    if answer.status_code == 201:
        shown = answer.json()["source"]["filename"]
        assert not set(shown) & {"/", "\\", "\0"}
        assert len(shown) <= 255
    after = {p for p in besieged.data_dir.parent.rglob("*") if "passwd" in p.name}
    assert before == after


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("no end", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\na,b\n'),
        ("20,000 headers", b"--b\r\n" + b"X-A: 1\r\n" * 20_000 + b"\r\n"),
        (
            "1,001 parts",
            b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n' * 1_001,
        ),
        (
            "a text of 2 MB",
            b'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n'
            + b"x" * 2_000_000
            + b"\r\n--b--\r\n",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_l06_a_form_has_limits(sender: httpx2.Client, what: str, body: bytes):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = sender.post("/api/datasets", content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["detail"]


def test_l22_numbers_stay_exact_and_what_is_none_is_null(sender: httpx2.Client):
    name = unique("numbers")
    content = (
        b"id,x\n123456789012345678901234567890,1.5\n9223372036854775808,nan\n7,inf\n"
    )
    assert send(sender, name, content).status_code == 201
    found = sender.get(f"/api/datasets/{name}/rows").json()["items"]
    assert [int(row["id"]) for row in found] == [
        123456789012345678901234567890,
        9223372036854775808,
        7,
    ]
    assert found[0]["x"] in (1.5, "1.5")
    assert "Infinity" not in sender.get(f"/api/datasets/{name}/rows").text
    refused = sender.post(
        "/api/jobs",
        content=b'{"task": "system.echo", "args": {"value": NaN}}',
        headers={"Content-Type": "application/json"},
    )
    assert refused.status_code == 422


def test_l22_a_formula_goes_out_as_a_text(sender: httpx2.Client):
    name = unique("formula")
    assert send(sender, name, b"a,n\n=1+1,-1\n@x,2\n+cmd,3\n").status_code == 201
    text = sender.get(f"/api/datasets/{name}/download", params={"format": "csv"}).text
    assert text.splitlines()[1:] == ["'=1+1,-1", "'@x,2", "'+cmd,3"]
