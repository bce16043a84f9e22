"""The mails that an application under test has sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as its reader sees it."""

    to: str
    subject: str
    text: str


class Outbox:
    """The mails so far, the oldest first. Mails go by jobs: run them before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Mail]:
        # File names begin with the id of the job, which grows with time.
        for file in sorted(self._folder.glob("*.eml")):
            yield _mail_of(file.read_bytes())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int) -> Mail:
        return list(self)[index]


def _mail_of(content: bytes) -> Mail:
    message = message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return Mail(str(message["To"]), str(message["Subject"]), text.rstrip("\n"))
