"""A file of people, and a mail to one of them; the rest is Foretell's own."""

from typing import Annotated, Any
from uuid import uuid4

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from foretell import (
    CurrentUser,
    Datasets,
    Extension,
    JobRead,
    Jobs,
    TableFile,
    Users,
    answers_finished,
    requires,
    takes_file,
)

five = Extension("five_patterns", prefix="/api")
PEOPLE = five.scope("people:upload", role="viewer", description="Upload people.")

COLUMNS = ["id", "name", "email"]
CLEANED = {"email": "nullif(lower(trim(email)), '')"}
KEPT = "email IS NOT NULL"
# No @ between a name and a host with a dot, more than one, or a space.
ODD = "NOT email LIKE '_%@_%._%' OR email LIKE '%@%@%' OR email LIKE '% %'"
# Names and addresses stay out of a summary.
Number = Annotated[
    int | float | None, BeforeValidator(lambda v: None if isinstance(v, str) else v)
]


def quantile(share: str, name: str) -> Any:
    """A field read from the quantiles of a profile, called as pandas calls it."""
    path = AliasPath("quantiles", share)
    return Field(None, validation_alias=path, serialization_alias=name)


class Figures(BaseModel):
    """One column. What it does not have (a mean of texts, the std of one row) is null."""

    type: str
    count: int
    distinct: int | None
    mean: float | None
    std: float | None
    min: Number
    q25: float | None = quantile("0.25", "25%")
    q50: float | None = quantile("0.5", "50%")
    q75: float | None = quantile("0.75", "75%")
    max: Number


class Queued(JobRead):
    message: str


class People(BaseModel):
    """The summary of an upload. Its rows stay in `dataset`, and the records that are
    no rows at `/api/datasets/{dataset}/rejects`."""

    dataset: str
    total_rows: int = Field(description="Rows with an e-mail, the ones summarised.")
    unique_emails: int
    blank_emails: int
    invalid_emails: int = Field(description="Rows whose e-mail is no address.")
    rejects: int
    summary: dict[str, Figures]


@five.router.post(
    "/upload-csv",
    status_code=202,
    responses={200: {"model": People}},
    dependencies=[requires(PEOPLE), takes_file, answers_finished(30)],
)
async def upload_csv(file: TableFile, user: CurrentUser, datasets: Datasets) -> JobRead:
    """Keep a table of people; answers its summary, or the job if that takes long."""
    name = f"people-{uuid4()}"
    owner = user.with_scopes(f"datasets:write:{name}")
    target = f"/api/upload-csv/{name}"
    options = {"required": COLUMNS, "types": {"email": "text"}}
    return await datasets.import_file(owner, name, file, target=target, **options)


@five.router.get("/upload-csv/{name}", dependencies=[requires(PEOPLE)])
async def read_people(name: str, user: CurrentUser, datasets: Datasets) -> People:
    """Summarise an upload: e-mails trimmed and in lower case, blank ones left out."""
    found = await datasets.profile(user, name, where=KEPT, derive=CLEANED)
    rows, columns = found["rows"], {c["name"]: c for c in found["columns"]}
    kept = await datasets.get(user, name)
    return People(
        dataset=name,
        total_rows=rows,
        unique_emails=columns["email"]["distinct"],
        blank_emails=kept.rows - rows,
        invalid_emails=await datasets.count(user, name, where=ODD, derive=CLEANED),
        rejects=kept.rejects,
        summary={n: Figures(count=rows - c["nulls"], **c) for n, c in columns.items()},
    )


@five.router.post("/send-email/{user_id}", status_code=202)
async def send_mail(
    user_id: str, user: CurrentUser, users: Users, jobs: Jobs
) -> Queued:
    """Queue a mail to yourself; those who may see users mail anybody."""
    to = await users.get_visible(user, user_id)
    text = f"Hello {to.name},\n\nwelcome.\n"
    job = await jobs.enqueue("mail.send", to=to.email, subject="Welcome", text=text)
    return Queued(message="Email queued", **job.model_dump())
