"""Generated projects pass every check at once, migrate on three databases, and serve.

A slice of the combinations of flags runs; `BUILDER_TEST_ALL=1` runs them all.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from tests.builder.projects import COMBINATIONS, SPEC
from tests.served import COMMAND, Server, free_environment

pytestmark = pytest.mark.slow

ALL = bool(os.environ.get("BUILDER_TEST_ALL"))
SLICE = [
    ("minimal", "sqlite", "celery", "flask"),
    ("api", "postgres", "celery", "django"),
    ("ml", "mysql", "embedded", "fastapi"),
]
LONG = "r" * 60
# Words of SQL, modules, and names that Pydantic or SQLAlchemy use for their own.
ODD_FIELDS = [
    "type:str^",
    "order:int",
    "user:str!",
    "group:bool?",
    "select:date",
    "model:str",
    "json:json",
    "schema:text",
    "copy:uuid",
    "date:date",
    "datetime:datetime?",
    "key:str",
    "owner:str?",
    "value:float",
    "table:str",
    "position:int",
]


def run(folder: Path, *command: str | Path, **settings: str) -> str:
    """Run a command in a folder as its owner would; gives what it prints."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=free_environment(folder / "foretell-data", **settings)
        | {"PYTHONWARNINGS": "default"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert (
        done.returncode == 0
    ), f"{command}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


def foretell(folder: Path, *words: str, **settings: str) -> str:
    return run(folder, *COMMAND, *words, **settings)


def new(folder: Path, *words: str) -> Path:
    """`foretell new shop …`; gives the project's folder."""
    foretell(folder, "new", "shop", *words)
    return folder / "shop"


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared: Foretell and its libraries are the same for every project."""
    return tmp_path_factory.mktemp("mypy")


def check(project: Path, mypy_cache: Path, tests: Sequence[str] = ()) -> None:
    """ruff, Black, mypy --strict and pytest, as the project's README says."""
    bin_ = Path(sys.executable).parent
    run(project, bin_ / "ruff", "check", "--no-cache")
    run(project, bin_ / "black", "--check", "-q", ".")
    run(project, sys.executable, "-m", "mypy", "--cache-dir", mypy_cache)
    run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


@pytest.mark.parametrize(
    ("style", "db", "jobs", "host"), COMBINATIONS if ALL else SLICE
)
def test_a_new_project_passes_every_check_at_once(
    tmp_path: Path, mypy_cache: Path, style: str, db: str, jobs: str, host: str
) -> None:
    flags = [f"--{style}", "--db", db, "--jobs", jobs, "--host", host]
    project = new(tmp_path, *flags)
    check(project, mypy_cache)


def test_the_five_patterns_pass_every_check(tmp_path: Path, mypy_cache: Path) -> None:
    check(new(tmp_path, "--from", "five_patterns"), mypy_cache)


@pytest.fixture(scope="module")
def specified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project from a spec file, and a resource of the longest names."""
    folder = tmp_path_factory.mktemp("spec")
    (folder / "backend.toml").write_text(_toml(SPEC))
    (folder / "data").mkdir()
    (folder / "data/sales.csv").write_text("day,amount\n2026-01-02,1.5\n")
    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "no", "yes"])
    joblib.dump(model, folder / "late.joblib")
    project = new(folder, "--spec", "backend.toml")
    words = [f"{'f' * 60}:str!", f"{'g' * 60}:int^", f"{'h' * 56}:ref:customer?"]
    foretell(project, "generate", "resource", LONG, *words)
    return project


def test_a_project_from_a_spec_passes_every_check(
    specified: Path, mypy_cache: Path
) -> None:
    check(specified, mypy_cache)


def test_it_migrates_on_every_database(specified: Path, database_url: str) -> None:
    def db(*words: str) -> str:
        return foretell(specified, "db", *words, database_url=database_url)

    assert "shop_0002" in db("upgrade")
    assert db("check").strip() == "the schema is current"
    db("downgrade", "shop@base")
    db("upgrade")
    db("check")
    db("downgrade", "base")
    db("upgrade")
    assert db("check").strip() == "the schema is current"


def test_it_brings_to_a_server_what_the_spec_names(specified: Path) -> None:
    server = Server(specified / "foretell-data").start()
    with server.running():
        key = server.make_admin()
        address = {"url": server.url, "api_key": key}
        provision = (sys.executable, "-m", "shop.provision")
        assert "dataset sales: 1 rows" in run(specified, *provision, **address)
        run(specified, *provision, **address)
        with server.client(key) as client:
            assert client.get("/api/datasets/sales").json()["version"] == 1
            row = {"features": [2.0]}
            assert client.post("/api/models/late/predict", json=row).is_success
            schedule = client.get("/api/schedules/nightly").json()
            assert schedule["task"] == "shop.tidy_up"


def test_parts_are_added_and_pass_every_check(tmp_path: Path, mypy_cache: Path) -> None:
    project = new(tmp_path, "--minimal")
    forty = [f"field{n}:{kind}" for n, kind in enumerate(["str", "int?"] * 20)]
    foretell(project, "generate", "resource", "odd", *ODD_FIELDS)
    foretell(project, "generate", "resource", "box", "name:str!", "parent:ref:box?")
    foretell(project, "generate", "resource", "child", "box:ref:box", "b:ref:box?")
    foretell(project, "generate", "resource", "series", *forty, "--owned")
    foretell(project, "generate", "task", "send", "to:str", "at:datetime?", "n:decimal")
    foretell(project, "generate", "feature", "rush_hour", "hour:int", "city:str")
    foretell(project, "generate", "client", "shop")
    table = 'Order Date;Amount;class;note\n2026-01-02;1.5;a;\n2026-01-03;2;b;"x"\n'
    (tmp_path / "Sales 2026.csv").write_text(table)
    source = str(tmp_path / "Sales 2026.csv")
    foretell(project, "generate", "resource", "sale", "--from-dataset", source)
    check(project, mypy_cache)


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        project = new(tmp_path / name)
        foretell(project, "generate", "resource", "customer", "email:str!")
        trees.append(
            {
                str(file.relative_to(project)): file.read_bytes()
                for file in sorted(project.rglob("*"))
                if file.is_file() and "__pycache__" not in file.parts
            }
        )
    assert trees[0] == trees[1]
    assert "shop/migrations/shop_0002_customers.py" in trees[0]


def test_edits_are_kept_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    project = new(tmp_path, "--minimal")
    before = sorted(project.rglob("*"))
    shown = foretell(project, "generate", "task", "send", "to:str", "--dry-run")
    assert "shop/tasks/send.py" in shown
    assert sorted(project.rglob("*")) == before
    foretell(project, "generate", "task", "send", "to:str")
    task = project / "shop/tasks/send.py"
    task.write_text("# mine\n")
    done = subprocess.run(
        [*COMMAND, "generate", "task", "send", "to:str"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "shop/tasks/send.py" in done.stderr
    assert task.read_text() == "# mine\n"


class Mounted(Server):
    """A server whose Foretell is below /ft."""

    def _wait(self) -> None:
        self.url += "/ft"
        super()._wait()


@pytest.mark.parametrize("host", ["fastapi", "django", "flask"] if ALL else ["django"])
def test_a_project_serves_its_resource_and_its_task(tmp_path: Path, host: str) -> None:
    project = new(tmp_path, "--host", host)
    kind = Server if host == "fastapi" else Mounted
    server = kind(project / "foretell-data").start()
    with server.running():
        key = server.make_admin()
        with server.client(key) as client, server.client() as nobody:
            note = client.post("/api/notes", json={"title": "a", "done": False})
            assert note.status_code == 201, note.text
            counted = client.post(
                "/api/ext/shop/notes/count", headers={"Prefer": "wait=30"}
            )
            assert counted.json()["result"] == {"open": 1}, counted.text
            assert nobody.get("/api/notes").status_code == 401
            assert "/api/notes" in client.get("/openapi.json").json()["paths"]
        if host != "fastapi":
            page = httpx2.get(server.url.removesuffix("/ft"))
            assert host.title() in page.text


def _toml(value: object, path: str = "") -> str:
    """TOML of nested tables, as much of it as the spec needs."""
    assert isinstance(value, dict)
    plain = {k: v for k, v in value.items() if not isinstance(v, dict)}
    lines = [f"[{path}]"] if path and (plain or not value) else []
    for key, item in plain.items():
        text = str(item).lower() if isinstance(item, bool) else repr(item)
        lines.append(f"{_key(key)} = {text}")
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(_toml(item, f"{path}.{_key(key)}" if path else _key(key)))
    return "\n".join(lines)


def _key(name: str) -> str:
    return f'"{name}"' if "@" in name else name
