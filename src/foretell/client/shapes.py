"""Shapes of the API's answers, for type checkers: they are plain dicts of JSON.

Members that only some answers have are not required. What a newer server adds stays
in the dict.
"""

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

T = TypeVar("T")
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
LAST_STATES = frozenset({"succeeded", "failed", "cancelled"})


class Page(TypedDict, Generic[T]):
    items: list[T]
    next: str | None
    prev: NotRequired[str | None]


class Me(TypedDict):
    id: str
    email: str
    role: str
    scopes: list[str]


class User(TypedDict):
    id: str
    email: str
    name: str
    role: str
    created_at: str


class ApiKey(TypedDict):
    id: str
    name: str
    scopes: list[str]
    prefix: str
    key: NotRequired[str]
    expires_at: str | None
    last_used_at: NotRequired[str | None]


class Column(TypedDict):
    name: str
    type: str
    nullable: bool


class Dataset(TypedDict):
    name: str
    version: int
    current: NotRequired[int]
    rows: int
    rejects: int
    bytes: int
    columns: list[Column]
    source: dict[str, Any]
    created_at: str
    created_by: str


class DryRun(TypedDict):
    columns: list[Column]
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    source: dict[str, Any]
    options: dict[str, Any]


class Count(TypedDict):
    count: int
    exact: bool


class Groups(TypedDict):
    """Groups with their figures; `groups` is how many there are in all."""

    items: list[dict[str, Any]]
    groups: int


class QueryColumn(TypedDict):
    name: str
    type: str


class QueryAnswer(TypedDict):
    columns: list[QueryColumn]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float


class Reject(TypedDict):
    line: int
    record: int
    column: str | None
    code: str
    reason: str
    raw: str
    suggestion: NotRequired[str]


class Progress(TypedDict):
    done: int
    total: int | None
    unit: str
    message: str


class Job(TypedDict):
    id: str
    task: str
    args: dict[str, Any]
    state: JobState
    progress: Progress
    attempt: int
    max_attempts: int
    error: NotRequired[dict[str, Any] | None]
    result: NotRequired[Any]
    created_at: str
    started_at: str | None
    finished_at: str | None


class Schedule(TypedDict):
    name: str
    task: str
    args: dict[str, Any]
    cron: str | None
    every_s: float | None
    timezone: str
    overlap: str
    catch_up: str
    paused: bool
    pause_reason: NotRequired[str | None]
    next_runs: list[str]


class Tick(TypedDict):
    tick: str
    at: str
    outcome: str
    job_id: str | None
    error: dict[str, Any] | None


class Model(TypedDict):
    name: str
    description: NotRequired[str | None]
    traffic: NotRequired[dict[str, Any] | None]
    created_at: str


class ModelVersion(TypedDict):
    model: str
    version: int
    flavour: str
    engine: str
    signature: dict[str, Any]
    aliases: list[str]
    metrics: dict[str, Any]
    libraries: dict[str, Any]
    safety: dict[str, Any]
    parity: dict[str, Any]
    sha256: str
    created_at: str


class Prediction(TypedDict):
    prediction: Any
    probabilities: NotRequired[dict[str, float]]


class Predictions(TypedDict):
    model: str
    version: int
    predictions: list[Prediction]


class Distribution(TypedDict):
    """Values of one column in calls and in the example; `level` is `stable`,
    `moderate`, `major` or `unclear`."""

    name: str
    type: str
    psi: float | None
    noise: float | None
    level: str
    note: str | None
    rows: int
    reference_rows: int
    bins: list[dict[str, Any]]


Monitoring = TypedDict(
    "Monitoring",
    {
        "model": str,
        "version": int,
        "from": str,
        "to": str,
        "calls": int,
        "errors": int,
        "errors_by_problem": dict[str, int],
        "rows": int,
        "reference_rows": int,
        "latency_ms": dict[str, Any],
        "predictions": list[Distribution],
        "drift": list[Distribution],
        "days": list[dict[str, Any]],
        "versions": list[dict[str, Any]],
        "notes": list[str],
    },
)


class JobEvent(TypedDict):
    """One event of a job: `kind` is `state`, `progress` or `log`."""

    kind: str
    data: Any


class Recipe(TypedDict):
    name: str
    version: int
    latest: int
    description: str
    steps: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    owner_id: str
    visibility: str
    created_at: str
    created_by: str


class Preview(TypedDict):
    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    rows_out: int
    rejected: int


class FeatureSet(TypedDict):
    name: str
    version: int
    latest: int
    description: str
    features: list[dict[str, Any]]
    inputs: list[dict[str, Any]]
    owner_id: str
    visibility: str
    created_at: str
    created_by: str


class Computed(TypedDict):
    feature_set: str
    version: int
    rows: list[dict[str, Any]]


class Connection(TypedDict):
    name: str
    kind: str
    host: str | None
    port: int | None
    database: str | None
    username: str | None
    tls: bool
    path: str | None
    has_password: bool
    owner_id: str
    visibility: str
    readers: list[str]
    writers: list[str]
    created_at: str
    changed_at: str


class ConnectionTest(TypedDict):
    ok: bool
    code: str | None
    detail: str | None
    elapsed_ms: float
