"""What can go wrong between a program and a server, beyond the server's own problems."""

from foretell.errors import Conflict, Forbidden, ForetellError, Invalid, Unavailable


class ServerUnreachable(Unavailable):
    """Nothing answers at the address, after all retries."""

    slug = "server-unreachable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"No server answers at {url} ({reason}). Start one with foretell serve, "
            "or set FORETELL_URL.",
            url=url,
        )


class CredentialMissing(Forbidden):
    """There is no API key to send."""

    slug = "credential-missing"


class KeyFileExposed(Forbidden):
    """The key file can be read by other users of the machine."""

    slug = "key-file-exposed"


class JobCancelled(Conflict):
    """The job that was waited for was cancelled."""

    slug = "job-cancelled"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} was cancelled.", job=job_id)


class WaitedTooLong(Unavailable):
    """The job did not end in the time that the caller had; it goes on."""

    slug = "waited-too-long"

    def __init__(self, job_id: str, seconds: float) -> None:
        super().__init__(
            f"Job {job_id} did not end within {seconds:g} s. It goes on: "
            f"foretell job watch {job_id}",
            job=job_id,
        )


class LibraryMissing(ForetellError):
    """A data library that the call needs is not installed."""

    slug = "library-missing"
    title = "A library is missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"This needs {name}: pip install {name}", library=name)


class FrameUnreadable(Invalid):
    """The object is no table that can be sent."""

    slug = "frame-unreadable"
