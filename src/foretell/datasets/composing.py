"""Builds the datasets service for a unit of work, in requests and jobs alike."""

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.core.quota import StorageQuota
from foretell.datasets.following import Followers
from foretell.datasets.reading import DatasetReader
from foretell.datasets.service import DatasetsService
from foretell.datasets.source_files import SourceFiles
from foretell.datasets.source_store import SourceStore
from foretell.datasets.store import DatasetStore
from foretell.jobs.composing import jobs_service


def datasets_parts(parts: Parts, session: AsyncSession) -> dict[str, Any]:
    """What `DatasetsService` is made of, its statements in `session`."""
    return {
        "store": DatasetStore(session),
        "blobs": parts.blobs,
        "sources": SourceStore(session),
        "refuse": partial(parts.port(StorageQuota).refuse, session),
        "jobs": jobs_service(parts, session),
        "clock": parts.clock,
        "cursors": parts.cursors,
        "reader": parts.port(DatasetReader),
        "followers": [
            partial(follow, parts, session)
            for follow in parts.ports.get(Followers, Followers()).functions
        ],
    }


def datasets_service(parts: Parts, session: AsyncSession) -> DatasetsService:
    """The service whose statements run in `session`."""
    return DatasetsService(**datasets_parts(parts, session))


def source_files(parts: Parts) -> SourceFiles:
    """What removes source files that nothing needs."""
    days = parts.settings.job_retention_days
    return SourceFiles(parts.database, parts.clock, parts.blobs, days)
