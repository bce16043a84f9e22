"""Builds the models service for a unit of work, in requests and jobs alike."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.audit import Audit
from foretell.core.parts import Parts
from foretell.core.quota import StorageQuota
from foretell.core.scratch import Scratch
from foretell.jobs.composing import jobs_service
from foretell.models.changes import Changes
from foretell.models.importing import ModelImporter
from foretell.models.service import ModelsService, People, Surroundings
from foretell.models.store import ModelStore
from foretell.sandbox.pool import Sandbox


def provide_models(parts: Parts, scratch: Scratch) -> None:
    """Give `parts` what the service and the import job need."""
    settings = parts.settings
    parts.provide(Changes())
    parts.provide(
        ModelImporter(
            parts.port(Sandbox),
            parts.blobs,
            scratch,
            memory_bytes=int(settings.worker_memory),
            allow=settings.pickle_allow,
            pickle=settings.pickle,
        )
    )


def models_service(
    parts: Parts,
    session: AsyncSession,
    audit: Audit | None = None,
    people: People | None = None,
) -> ModelsService:
    """The service whose statements run in `session`."""
    around = Surroundings(
        jobs=jobs_service(parts, session),
        changes=parts.port(Changes),
        clock=parts.clock,
        cursors=parts.cursors,
        refuse=partial(parts.port(StorageQuota).refuse, session),
        audit=audit,
        people=people,
    )
    return ModelsService(ModelStore(session), around)
