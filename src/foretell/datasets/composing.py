"""Builds the datasets service for a unit of work, in requests and jobs alike."""

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.datasets.importing import DatasetImporter
from foretell.datasets.reading import DatasetReader
from foretell.datasets.service import DatasetsService, People
from foretell.datasets.store import DatasetStore
from foretell.jobs.composing import jobs_service


def datasets_service(
    parts: Parts, session: AsyncSession, people: People | None = None
) -> DatasetsService:
    """The service whose statements run in `session`."""
    return DatasetsService(
        DatasetStore(session),
        jobs_service(parts, session),
        parts.clock,
        parts.cursors,
        importer=parts.port(DatasetImporter),
        reader=parts.port(DatasetReader),
        people=people,
    )
