"""Sends mail by a job, so that it goes out exactly when the caller's data commits."""

from pydantic import SecretStr

from foretell.auth.seal import Seal
from foretell.jobs.service import JobsService


class MailByJob:
    """A mailer for areas below: `mail.send` in the caller's unit of work.

    Args:
        seal: Closes the text until the mail is sent.
    """

    def __init__(self, jobs: JobsService, seal: Seal) -> None:
        self._jobs = jobs
        self._seal = seal

    async def send(
        self, *, to: str, subject: str, text: str, is_decoy: bool = False
    ) -> None:
        """Queue one mail; it commits with the caller's transaction."""
        sealed = self._seal.close(SecretStr(text))
        args = {"to": to, "subject": subject, "text": sealed, "is_sealed": True}
        args |= {"is_decoy": is_decoy}
        await self._jobs.submit("mail.send", args, owner_id=None)
