"""Puts the parts of every area together, for API processes and workers alike.

Knows no HTTP: a worker that starts from here loads neither FastAPI nor a data
library, so that a killed one is back within a second.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.identity import Identity
from foretell.auth.work import AuthOptions
from foretell.connections import tasks as connections_tasks
from foretell.connections.addresses import allowed_addresses
from foretell.connections.composing import provide_connections
from foretell.core.blobs import BlobStore
from foretell.core.clock import Clock, SystemClock
from foretell.core.db import Database
from foretell.core.logs import configure_logs
from foretell.core.pagination import Cursors
from foretell.core.parts import Parts
from foretell.core.permissions import Permissions
from foretell.core.plugins import load_plugin
from foretell.core.principal import Principal
from foretell.core.quota import StorageQuota
from foretell.core.scratch import Scratch
from foretell.core.secret import load_secret
from foretell.datasets import heavy as datasets_heavy
from foretell.datasets import importing as datasets_importing
from foretell.datasets import outside_tasks as datasets_outside_tasks
from foretell.datasets import querying as datasets_querying
from foretell.datasets import store as datasets_store
from foretell.datasets import tasks as datasets_tasks
from foretell.datasets.following import Followers
from foretell.datasets.heavy import HeavyReaders
from foretell.datasets.importing import DatasetImporter
from foretell.datasets.key_filters import KeyFilters
from foretell.datasets.querying import SqlReaders
from foretell.datasets.reading import DatasetReader
from foretell.extension.active import Extensions
from foretell.extension.discovery import found
from foretell.features.composing import bind
from foretell.features.service import OwnFunctionsOf
from foretell.jobs import tasks as jobs_tasks
from foretell.jobs.carrying import Carrier
from foretell.jobs.choosing import close_bells, open_executor
from foretell.jobs.composition import Composition
from foretell.jobs.doorbell import Doorbell, socket_folder
from foretell.jobs.mail import Mailer
from foretell.jobs.mailing import MailByJob
from foretell.jobs.registry import TaskRegistry
from foretell.models import importing as models_importing
from foretell.models import store as models_store
from foretell.models import tasks as models_tasks
from foretell.models.composing import provide_models
from foretell.models.features import FeatureBinder
from foretell.models.registry import flavour_variables
from foretell.predictions import batching as predictions_batching
from foretell.predictions import host as predictions_host
from foretell.predictions import tasks as predictions_tasks
from foretell.predictions.composing import provide_batches
from foretell.recipes import running as recipes_running
from foretell.recipes import tasks as recipes_tasks
from foretell.recipes.composing import follow
from foretell.recipes.running import RecipeRunner
from foretell.resources import tasks as resources_tasks
from foretell.sandbox.pool import Sandbox
from foretell.settings import Settings, load_settings

# Set by `foretell worker --queues` for the processes it starts; not a setting.
QUEUES_VARIABLE = "_FORETELL_QUEUES"
WORKER = "foretell.composition:worker_composition"


def registry(extensions: Extensions) -> TaskRegistry:
    """All tasks that jobs may run."""
    return TaskRegistry().include(
        jobs_tasks.tasks,
        connections_tasks.tasks,
        datasets_tasks.tasks,
        recipes_tasks.tasks,
        datasets_outside_tasks.tasks,
        models_tasks.tasks,
        predictions_tasks.tasks,
        resources_tasks.tasks,
        extensions.tasks(),
    )


def open_database(settings: Settings, *, pool_size: int) -> Database:
    """The database that the settings name. Opens no connection yet."""
    return Database(
        settings.database_address,
        pool_size=pool_size,
        pool_timeout_seconds=settings.database_pool_timeout,
        slow_query_seconds=settings.slow_query_ms / 1000,
    )


def open_blobs(settings: Settings) -> BlobStore:
    """The blob store that the settings name."""
    url = settings.storage_url or f"file://{settings.data_dir.resolve() / 'blobs'}"
    scheme = url.partition("://")[0]
    store: BlobStore = load_plugin("foretell.blobstores", scheme)(url)
    return store


def provide_ports(parts: Parts, extensions: Extensions) -> None:
    """Give `parts` the port of every area."""
    parts.provide(extensions)
    settings = parts.settings
    sandbox = _open_sandbox(settings, extensions)
    parts.provide(sandbox)
    # Work in progress; nothing in it is needed after a restart.
    parts.provide(Scratch(settings.data_dir / "work"))
    parts.provide(
        StorageQuota(
            settings.user_quota_bytes,
            [datasets_store.stored_bytes_of, models_store.stored_bytes_of],
        )
    )
    parts.provide(registry(extensions))
    parts.provide(Doorbell(socket_folder(settings.data_dir), "worker"))
    executor = open_executor(settings, extensions.executors())
    if executor is not None:
        parts.provide(Carrier(executor, parts.database, parts.clock))
    parts.provide(Mailer.of(settings))
    parts.provide(
        DatasetImporter(
            sandbox,
            parts.blobs,
            parts.port(Scratch),
            int(settings.worker_memory),
        )
    )
    _provide_reading(parts, extensions)
    _provide_shaping(parts, extensions)
    provide_connections(parts, extensions.connectors())
    provide_models(parts, parts.port(Scratch))
    provide_batches(parts, parts.port(Scratch))


def _open_sandbox(settings: Settings, extensions: Extensions) -> Sandbox:
    """Where files from outside and models are opened."""
    preload = [
        *datasets_importing.PRELOAD,
        "foretell.tabular.spool",
        *models_importing.PRELOAD,
        *predictions_host.PRELOAD,
        *predictions_batching.PRELOAD,
        *recipes_running.PRELOAD,
        # Folders of a team's own are closed to children; what they need of them has
        # to be there before the doors close.
        *(place.partition(":")[0] for place in extensions.flavours().values()),
        *(own.place.partition(":")[0] for own in extensions.functions().values()),
        *(step.place.partition(":")[0] for step in extensions.steps().values()),
    ]
    return Sandbox(
        preload=preload,
        require=settings.sandbox == "require",
        variables=flavour_variables(extensions.flavours()),
    )


def _provide_reading(parts: Parts, extensions: Extensions) -> None:
    """What answers questions about stored versions."""
    settings = parts.settings
    # Of its own: what models need takes seconds to import, and who asks for a group by
    # for the first time waits for it.
    readers = Sandbox(
        preload=[
            *datasets_heavy.PRELOAD,
            *datasets_querying.PRELOAD,
            *(own.place.partition(":")[0] for own in extensions.functions().values()),
        ],
        require=settings.sandbox == "require",
    )
    heavy = HeavyReaders(
        readers,
        lambda: parts.blobs.folder("datasets"),
        memory_bytes=int(settings.reader_memory),
        timeout_seconds=settings.reader_timeout,
    )
    parts.provide(heavy)
    parts.provide(
        DatasetReader(
            parts.blobs,
            lambda: load_plugin("foretell.table_engines", "polars")(),
            extensions.functions(),
            heavy,
            KeyFilters(parts.blobs, parts.port(Scratch), heavy),
        )
    )
    parts.provide(SqlReaders(readers, parts.blobs))


def _provide_shaping(parts: Parts, extensions: Extensions) -> None:
    """Recipes, what runs them on new versions, and feature sets."""
    followers = Followers()
    followers.add(follow)
    parts.provide(followers)
    parts.provide(
        RecipeRunner(
            parts.port(Sandbox),
            parts.blobs,
            parts.port(Scratch),
            memory_bytes=int(parts.settings.worker_memory),
            functions=extensions.functions(),
            steps=extensions.steps(),
        )
    )
    parts.provide(OwnFunctionsOf(extensions.functions()))
    parts.provide(FeatureBinder(bind))


def open_identity(
    database: Database,
    settings: Settings,
    clock: Clock,
    secret: bytes,
    permissions: Permissions,
    mailer_of: Callable[[AsyncSession], MailByJob] | None = None,
) -> Identity:
    """Users and credentials, on one database."""
    return Identity(
        database,
        secret=secret,
        clock=clock,
        cursors=Cursors(secret),
        options=AuthOptions.of(settings, permissions),
        mailer_of=mailer_of,
    )


def worker_composition() -> Composition:
    """What a worker process is made of, from the environment."""
    settings = load_settings()
    configure_logs(settings.log_format)
    allowed_addresses(settings)  # refused now, before a database is open
    extensions = found(settings)
    permissions = extensions.permissions()
    clock, secret = SystemClock(), load_secret(settings)

    async def principal_of(database: Database, owner_id: str) -> Principal | None:
        identity = open_identity(database, settings, clock, secret, permissions)
        return await identity.principal_of(owner_id)

    @asynccontextmanager
    async def open_services(database: Database) -> AsyncIterator[Parts]:
        parts = Parts(
            settings=settings,
            database=database,
            clock=clock,
            cursors=Cursors(secret),
            blobs=open_blobs(settings),
            permissions=permissions,
        )
        provide_ports(parts, extensions)
        await parts.port(Scratch).sweep()
        try:
            yield parts
        finally:
            await parts.port(HeavyReaders).close()
            await parts.port(Sandbox).close()
            close_bells(parts)

    return Composition(
        registry=registry(extensions),
        make_database=lambda: open_database(settings, pool_size=2),
        data_dir=settings.data_dir,
        principal_of=principal_of,
        services=open_services,
        clock=clock,
        executor=open_executor(settings, extensions.executors()),
        queues=tuple(filter(None, os.environ.get(QUEUES_VARIABLE, "").split(","))),
    )
