"""What the built-in executors have in common: names at the broker, and patience."""

from urllib.parse import urlsplit

from foretell.errors import Unavailable
from foretell.settings import SettingsError

TASK = "foretell.run"
PREFIX = "foretell."
# For one call. Nobody waits for it but the thread that sends.
TIMEOUT_SECONDS = 2.0


class BrokerUnavailable(Unavailable):
    """The broker does not answer."""

    slug = "broker-unavailable"
    title = "Broker unavailable"


def away(error: BaseException) -> BrokerUnavailable:
    """The error of ours for one of a broker's library; its text may quote the URL."""
    return BrokerUnavailable(f"The broker does not answer ({type(error).__name__}).")


def at_broker(queue: str) -> str:
    """The broker's name of a queue of jobs."""
    return PREFIX + queue


def demand_scheme(executor: str, url: str, *schemes: str) -> str:
    """The URL's scheme.

    Raises:
        SettingsError: This executor cannot use such a broker.
    """
    scheme = urlsplit(url).scheme
    if scheme not in schemes:
        raise SettingsError(
            f"FORETELL_BROKER_URL: {executor} takes {', '.join(schemes)}; "
            f"this is {scheme or 'no URL'}"
        )
    return scheme
