"""The jobs of models: inspect an upload, remove the files of a deleted model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from foretell.core.parts import Parts
from foretell.core.principal import Scope
from foretell.errors import ForetellError, Throttled, Unavailable
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry
from foretell.models.composing import models_service
from foretell.models.errors import ModelScopeMissing
from foretell.models.importing import STEPS, ModelImporter, Uploaded
from foretell.models.reports import InspectProgress
from foretell.models.service import IMPORT_TASK, REMOVE_TASK

tasks = TaskRegistry()


@tasks.task(
    IMPORT_TASK,
    scope=Scope.MODELS_WRITE,
    objects=lambda args: [(Scope.MODELS_WRITE, args.model)],
    timeout_seconds=3600,
    version=2,
    # Its arguments name stored files, which only an upload may choose.
    is_exposed=False,
)
async def import_version(job: JobContext, args: Uploaded) -> dict[str, Any]:
    """Inspect an uploaded artifact and publish it as the next version."""
    parts: Parts = job.services
    if args.trust and not job.principal.may(Scope.MODELS_TRUST, args.model):
        raise ModelScopeMissing(Scope.MODELS_TRUST, args.model)

    async def report(progress: InspectProgress) -> None:
        done = STEPS.index(progress.step)
        await job.progress(done, len(STEPS), "steps", progress.step)

    async with _leaving_no_empty_model(job, args):
        found = await parts.port(ModelImporter).inspect(args, report)
        found.demand_features(args)
    engine = found.result.engine
    job.log(f"{found.result.flavour} model, answered by {engine}")
    await job.progress(len(STEPS), len(STEPS), "steps", "publish")
    async with job.session() as session:
        service = models_service(parts, session)
        number = await service.publish(args, found, job.owner_id or "")
    job.target = f"/api/models/{args.model}/versions/{number}"
    return {"model": args.model, "version": number}


@asynccontextmanager
async def _leaving_no_empty_model(
    job: JobContext, args: Uploaded
) -> AsyncIterator[None]:
    """When the upload comes to nothing for good, its model goes with it."""
    try:
        yield
    except (Unavailable, Throttled):
        raise  # the next try may publish
    except (ForetellError, asyncio.CancelledError) as error:
        if isinstance(error, ForetellError) or job.stop_reason == "cancelled":
            async with job.services.database.writing() as session:
                await models_service(job.services, session).forget_empty(args)
        raise


@tasks.task(REMOVE_TASK, is_exposed=False)
async def remove_files(job: JobContext, prefix: str) -> None:
    """Remove the blobs of a deleted model."""
    parts: Parts = job.services
    await parts.blobs.delete(prefix)
