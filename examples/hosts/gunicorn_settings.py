"""What gunicorn has to know of Foretell: threads, and when a process comes and goes."""

from typing import Any

# Each answer of Foretell, a stream of events too, keeps one of them.
threads = 16
worker_class = "gthread"


def post_worker_init(_worker: Any) -> None:
    """Start now, so that jobs run before the first request."""
    # Here and not above: the process that watches the workers needs no application.
    from hosts.flask_host import mount

    mount.begin()


def worker_exit(_server: Any, _worker: Any) -> None:
    """End jobs and connections in order."""
    from hosts.flask_host import mount

    mount.end()
