"""Builds the models service for a unit of work, in requests and jobs alike."""

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.jobs.composing import jobs_service
from foretell.models.changes import Changes
from foretell.models.service import Audit, ModelsService, Surroundings
from foretell.models.store import ModelStore


def models_service(parts: Parts, session: AsyncSession) -> ModelsService:
    """The service whose statements run in `session`."""
    around = Surroundings(
        jobs=jobs_service(parts, session),
        audit=audit_log(parts, session),
        changes=parts.port(Changes),
        clock=parts.clock,
        cursors=parts.cursors,
    )
    return ModelsService(ModelStore(session), around)
