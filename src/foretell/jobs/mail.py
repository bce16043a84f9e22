"""Sends mail by SMTP, or into DATA_DIR/outbox where no server is set.

A message's id is that of its job: a mail server or reader that sees it twice (the
worker died after sending and before saying so) can tell.
"""

import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from foretell.auth.seal import Seal, SealBroken
from foretell.core.secret import load_secrets
from foretell.errors import Invalid, Unavailable
from foretell.settings import Settings

_TIMEOUT_SECONDS = 20.0
_DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


class MailRefused(Invalid):
    """The mail server will not take this message, now or later."""

    slug = "mail-refused"
    title = "Mail refused"


class MailServerAway(Unavailable):
    """The mail server does not answer, or asks to come back later."""

    slug = "mail-server-away"


@dataclass(frozen=True, slots=True)
class Mailer:
    """Where mails go.

    Attributes:
        url: `smtp://user:password@host:587?tls=start`, `smtps://…`, or `None`.
        outbox: Folder for mails when there is no server.
        seal: Closes texts that wait in a job: a mail may hold a link that sets a
            password, and the table of jobs is read and copied by many.
    """

    url: str | None
    sender: str
    outbox: Path
    seal: Seal

    @classmethod
    def of(cls, settings: Settings) -> "Mailer":
        url = settings.smtp_url
        return cls(
            None if url is None else url.get_secret_value(),
            settings.mail_from,
            settings.data_dir / "outbox",
            Seal(load_secrets(settings), b"mail"),
        )

    def opened(self, sealed: str) -> str:
        """The text of a mail that the server sealed.

        Raises:
            MailRefused: It was sealed with a secret that is not there any more.
        """
        try:
            return self.seal.open(sealed).get_secret_value()
        except SealBroken:
            words = "The mail was sealed with another secret of the server."
            raise MailRefused(words) from None

    def compose(
        self, message_id: str, to: str, subject: str, text: str
    ) -> EmailMessage:
        """Make a message.

        Raises:
            MailRefused: A line break in a header would add headers of its own.
        """
        message = EmailMessage()
        try:
            message["From"] = self.sender
            message["To"] = to
            message["Subject"] = subject
        except ValueError:
            raise MailRefused("Addresses and subjects hold no line breaks.") from None
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{message_id}@{self.sender.rpartition('@')[2]}>"
        message.set_content(text)
        return message

    def send(self, message: EmailMessage) -> str:
        """Deliver a message; blocks. Answers `smtp` or `outbox`.

        Raises:
            MailRefused: For good; MailServerAway: for now.
        """
        if self.url is None:
            self._keep(message)
            return "outbox"
        try:
            self._deliver(self.url, message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
            raise _refusal(error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerAway("The mail server does not answer.") from error
        return "smtp"

    def _keep(self, message: EmailMessage) -> None:
        self.outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        unfinished = self.outbox / f".{name}.part"
        unfinished.write_bytes(bytes(message))
        os.replace(unfinished, self.outbox / f"{name}.eml")

    def _deliver(self, url: str, message: EmailMessage) -> None:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 25)
        context = ssl.create_default_context()
        client: smtplib.SMTP
        if parts.scheme == "smtps":
            client = smtplib.SMTP_SSL(
                host, port, timeout=_TIMEOUT_SECONDS, context=context
            )
        else:
            client = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
        with client:
            client.ehlo()
            # A password never travels in the clear, whatever the URL says.
            needs_tls = "tls=start" in parts.query or parts.username is not None
            if parts.scheme == "smtp" and needs_tls:
                client.starttls(context=context)
                client.ehlo()
            if parts.username is not None:
                client.login(unquote(parts.username), unquote(parts.password or ""))
            client.send_message(message)


def _refusal(
    error: smtplib.SMTPRecipientsRefused | smtplib.SMTPResponseException,
) -> Invalid | Unavailable:
    """4xx answers of a mail server pass; 5xx ones do not (RFC 5321 section 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = min((reply[0] for reply in error.recipients.values()), default=550)
    else:
        code = error.smtp_code
    if 400 <= code < 500:
        return MailServerAway(f"The mail server says later ({code}).")
    return MailRefused(f"The mail server refused the message ({code}).")
