"""The parts of one process: settings, database, blobs, and the ports of areas.

API processes and workers are composed alike by `app.py`. This module knows no
area, so an area's parts are kept by their type and asked for by it:
`parts.port(TaskRegistry)`.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from foretell.core.blobs import BlobStore
from foretell.core.clock import Clock
from foretell.core.db import Database
from foretell.core.pagination import Cursors
from foretell.core.permissions import Permissions
from foretell.settings import Settings

T = TypeVar("T")


@dataclass(slots=True)
class Parts:
    """What a process holds from start to end."""

    settings: Settings
    database: Database
    clock: Clock
    cursors: Cursors
    blobs: BlobStore
    permissions: Permissions = field(default_factory=Permissions)
    ports: dict[type[Any], Any] = field(default_factory=dict)

    def port(self, kind: type[T]) -> T:
        """The part registered for `kind`; a missing one is a fault of `app.py`."""
        return cast("T", self.ports[kind])

    def provide(self, part: object, kind: type[Any] | None = None) -> None:
        """Register `part` under `kind`, its own class when not given."""
        self.ports[kind or type(part)] = part
