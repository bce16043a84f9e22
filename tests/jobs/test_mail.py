"""Mail by a real SMTP conversation and into the outbox."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from foretell.auth.seal import Seal
from foretell.jobs.mail import Mailer, MailRefused, MailServerAway
from foretell.jobs.tasks import Mail


class _Post(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    reply_to_data = b"250 taken"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.received: list[str] = []


class _Conversation(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client without extensions needs."""

    server: _Post

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.received.append(self._data())
                self.wfile.write(self.server.reply_to_data + b"\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")

    def _data(self) -> str:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.decode("utf-8"))
        return "".join(lines)


@pytest.fixture
def post() -> Iterator[_Post]:
    with _Post() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mailer(tmp_path: Path, url: str | None) -> Mailer:
    return Mailer(url, "us@example.org", tmp_path, Seal([b"s" * 32], b"mail"))


def test_a_mail_reaches_the_server(post: _Post, tmp_path: Path) -> None:
    ours = mailer(tmp_path, f"smtp://127.0.0.1:{post.server_address[1]}")
    assert ours.send(ours.compose("job-1", "a@example.org", "Hi", "Body")) == "smtp"
    assert "Message-ID: <job-1@example.org>" in post.received[0]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(b"452 later", MailServerAway), (b"550 never", MailRefused)],
)
def test_the_servers_answer_says_whether_another_try_helps(
    post: _Post, tmp_path: Path, reply: bytes, kind: type[Exception]
) -> None:
    post.reply_to_data = reply
    ours = mailer(tmp_path, f"smtp://127.0.0.1:{post.server_address[1]}")
    with pytest.raises(kind):
        ours.send(ours.compose("job-1", "a@example.org", "Hi", "Body"))


def test_a_server_that_is_not_there_is_away(tmp_path: Path) -> None:
    ours = mailer(tmp_path, "smtp://127.0.0.1:9")
    with pytest.raises(MailServerAway):
        ours.send(ours.compose("job-1", "a@example.org", "Hi", "Body"))


def test_headers_cannot_be_smuggled_in(tmp_path: Path) -> None:
    with pytest.raises(MailRefused):
        mailer(tmp_path, None).compose("j", "a@x.org", "Hi\r\nBcc: b@x.org", "")
    with pytest.raises(ValidationError):
        Mail(to="a@example.org", subject="Hi\nBcc: b@x.org", text="")
    with pytest.raises(ValidationError):
        Mail(to="a@example.org\nBcc: b@x.org", subject="Hi", text="")


def test_the_same_job_writes_the_same_file(tmp_path: Path) -> None:
    ours = mailer(tmp_path, None)
    for _ in range(2):
        ours.send(ours.compose("job-1", "a@example.org", "Hi", "Body"))
    assert [path.name for path in tmp_path.iterdir()] == ["job-1.eml"]
