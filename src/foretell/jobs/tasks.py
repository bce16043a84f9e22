"""Tasks that belong to no other area: mail, and two for trying things out."""

import asyncio
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    StringConstraints,
)

from foretell.jobs.context import JobContext
from foretell.jobs.mail import Mailer
from foretell.jobs.registry import TaskRegistry

tasks = TaskRegistry()


def _one_line(text: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("holds a line break or another control character")
    return text


class Mail(BaseModel):
    """One mail to one address."""

    model_config = ConfigDict(extra="forbid")

    to: EmailStr
    subject: Annotated[
        str, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_line)
    ]
    text: Annotated[str, StringConstraints(max_length=100_000)]
    is_sealed: bool = Field(
        False, description="Whether the server itself has sealed the text."
    )
    is_decoy: bool = Field(
        False, description="Whether nobody gets it: it hides that there is nobody."
    )


class Sleep(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(ge=0, le=86_400, allow_inf_nan=False)


class Echo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: Any = None


@tasks.task("mail.send", max_attempts=5, timeout_seconds=120, is_admin_only=True)
async def send_mail(job: JobContext, args: Mail) -> dict[str, str]:
    """Send one mail, by SMTP or into the outbox folder."""
    mailer = job.services.port(Mailer)
    text = mailer.opened(args.text) if args.is_sealed else args.text
    message = mailer.compose(job.job_id, args.to, args.subject, text)
    by = "nobody"
    if not args.is_decoy:
        by = await asyncio.to_thread(mailer.send, message)
    job.log(f"sent by {by}")
    return {"to": args.to, "by": by}


@tasks.task("system.sleep", max_attempts=3, timeout_seconds=90_000)
async def sleep(job: JobContext, args: Sleep) -> dict[str, float]:
    """Wait for some seconds, with progress."""
    job.log(f"sleeping for {args.seconds:g} seconds")
    loop = asyncio.get_running_loop()
    started = loop.time()
    while (slept := loop.time() - started) < args.seconds:
        await job.progress(int(slept), max(1, round(args.seconds)), "seconds")
        await asyncio.sleep(min(1.0, args.seconds - slept))
    whole = max(1, round(args.seconds))
    await job.progress(whole, whole, "seconds")
    return {"slept": args.seconds}


@tasks.task("system.echo", timeout_seconds=60)
async def echo(job: JobContext, args: Echo) -> dict[str, Any]:
    """Answer the value that was given."""
    job.log("echo")
    return {"value": args.value}
