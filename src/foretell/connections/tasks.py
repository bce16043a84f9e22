"""The job that seals secrets anew after SECRET_KEY has changed."""

from foretell.connections.composing import connections_service
from foretell.core.parts import Parts
from foretell.jobs.context import JobContext
from foretell.jobs.registry import TaskRegistry

RESEAL_TASK = "connections.reseal"
_AT_ONCE = 100
tasks = TaskRegistry()


@tasks.task(RESEAL_TASK, scope="connections:write", is_admin_only=True)
async def reseal(job: JobContext) -> dict[str, int]:
    """Seal the secrets of all connections with the current SECRET_KEY.

    Set SECRET_KEY_OLD to the one before, restart, run this, and remove it.
    """
    parts: Parts = job.services
    after: str | None = ""
    done = lost = 0
    while after is not None:
        async with parts.database.writing() as session:
            service = connections_service(parts, session)
            after, sealed, failed = await service.reseal(after, _AT_ONCE)
        done, lost = done + sealed, lost + failed
        await job.progress(done, None, "secrets", "sealing")
    return {"sealed": done, "lost": lost}
