"""Connections: where outside databases are, and their secrets, sealed."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from foretell.auth.ownership import Owned
from foretell.core.db import Base, LongText


class Connection(Owned, Base):
    """Credentials for one outside database.

    `settings` is what may be shown: host, port, database, … `sealed` is the password
    under a key made of the server's secret (`seal.py`).
    """

    __tablename__ = "connections"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    settings: Mapped[dict[str, Any]]
    sealed: Mapped[str | None] = mapped_column(LongText)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
