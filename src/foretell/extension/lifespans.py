"""What extensions do when an application starts and ends."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from foretell.core.parts import Parts
from foretell.extension.active import Extensions


@asynccontextmanager
async def running(extensions: Extensions, parts: Parts) -> AsyncIterator[None]:
    """Enter the lifespans of all extensions, in their order; leave in reverse."""
    async with AsyncExitStack() as stack:
        for extension in extensions:
            for lifespan in extension.lifespans:
                await stack.enter_async_context(asynccontextmanager(lifespan)(parts))
        yield
