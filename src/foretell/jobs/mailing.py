"""Sends mail by a job, so that it goes out exactly when the caller's data commits."""

from foretell.jobs.service import JobsService


class MailByJob:
    """A mailer for areas below: `mail.send` in the caller's unit of work."""

    def __init__(self, jobs: JobsService) -> None:
        self._jobs = jobs

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Queue one mail; it commits with the caller's transaction."""
        args = {"to": to, "subject": subject, "text": text}
        await self._jobs.submit("mail.send", args, owner_id=None)
