"""Datasets and their immutable versions.

A version's rows are Parquet files in the blob store; the row here is its
manifest. `current` is the only thing about versions that ever moves.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foretell.auth.ownership import Owned
from foretell.core.db import Base, table_options


class Dataset(Owned, Base):
    """A named table of rows.

    `current` is null until the first version; `job_id` then names the import that
    holds the name, which is free again when that job has failed.
    """

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    description: Mapped[str] = mapped_column(String(2000), default="")
    current: Mapped[int | None]
    last_version: Mapped[int] = mapped_column(default=0)
    job_id: Mapped[str | None] = mapped_column(String(36))
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class DatasetVersion(Base):
    """One immutable Parquet snapshot of a dataset: its manifest.

    `parts` holds `{key, rows, bytes, sha256}` of each file, in row order.

    Attributes:
        stored_bytes: What it brought: its source file and the files that the version
            before does not share.
        source_sha256: The source file that it was made of, if it was one.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = table_options(UniqueConstraint("dataset_id", "number"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(
        ForeignKey("datasets.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    rows: Mapped[int]
    rejects: Mapped[int]
    bytes: Mapped[int]
    stored_bytes: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[list[Any]]
    parts: Mapped[list[Any]]
    rejects_key: Mapped[str | None] = mapped_column(String(255))
    source: Mapped[dict[str, Any]]
    source_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    lineage: Mapped[dict[str, Any]]
    # A version comes from exactly one job, so a job cannot publish twice.
    job_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(36))


class StoredSource(Base):
    """A source file in the blob store, by its content; `used_at`: by an upload."""

    __tablename__ = "source_files"
    __table_args__ = table_options()

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime]
