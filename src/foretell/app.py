"""create_app(): the one place where HTTP and every area meet."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from foretell.auth import routes as auth_routes
from foretell.auth.identity import Identity
from foretell.auth.keyring import derived_key
from foretell.auth.oauth import render_oauth_problem
from foretell.composition import (
    WORKER,
    open_blobs,
    open_database,
    open_identity,
    provide_ports,
)
from foretell.connections import routes as connections_routes
from foretell.core import idempotency, schema
from foretell.core.clock import Clock, SystemClock
from foretell.core.logs import ensure_logs, get_logger
from foretell.core.outages import DatabaseUnavailable
from foretell.core.pagination import Cursors
from foretell.core.scratch import Scratch
from foretell.core.secret import load_secret
from foretell.datasets import export_routes as datasets_export_routes
from foretell.datasets import figures_routes as datasets_figures_routes
from foretell.datasets import query_routes as datasets_query_routes
from foretell.datasets import routes as datasets_routes
from foretell.datasets import rows_routes as datasets_rows_routes
from foretell.datasets.composing import source_files
from foretell.datasets.figures import Figures
from foretell.datasets.heavy import HeavyReaders
from foretell.datasets.reading import DatasetReader
from foretell.extension.active import Extensions
from foretell.extension.definition import Extension
from foretell.extension.discovery import chosen, passed_on
from foretell.extension.lifespans import running
from foretell.extension.serving import mount
from foretell.features import routes as features_routes
from foretell.http import health, pages
from foretell.http.access_log import AccessLog
from foretell.http.edge import Edge
from foretell.http.metrics import Metrics
from foretell.http.problems import Renderers, install_handlers
from foretell.http.sharing import Sharing, share
from foretell.http.state import AppState
from foretell.jobs import routes as jobs_routes
from foretell.jobs import schedule_routes
from foretell.jobs.broker_health import BrokerHealth
from foretell.jobs.choosing import bell_of, close_bells, find_carrier
from foretell.jobs.composing import chores, jobs_service, retention, scheduler
from foretell.jobs.health import queue_health
from foretell.jobs.mailing import MailByJob
from foretell.jobs.supervisor import Supervisor
from foretell.jobs.watcher import Watcher
from foretell.models import routes as models_routes
from foretell.predictions import routes as predictions_routes
from foretell.predictions.composing import provide_predictions
from foretell.predictions.fastpath import PredictFastPath
from foretell.predictions.inference_protocol import routes as inference_routes
from foretell.predictions.inference_protocol.problems import render_inference_error
from foretell.predictions.openapi import contributor
from foretell.predictions.service import Predictions
from foretell.recipes import routes as recipes_routes
from foretell.resources.fast.composing import fast_path
from foretell.sandbox.level import level
from foretell.sandbox.pool import Sandbox
from foretell.settings import Settings, load_settings

log = get_logger("foretell.app")
HOUSEKEEPING_SECONDS = 3600
WITHDRAWN = "withdrawn"
DESCRIPTION = """
Tables and trained models as an HTTP API. Every refusal is a problem document
(RFC 9457) whose `request_id` finds the reason in the server's log.
""".strip()

ROUTERS = (
    health.routes,
    pages.routes,
    *auth_routes.routers,
    jobs_routes.routes,
    schedule_routes.routes,
    datasets_routes.routes,
    datasets_rows_routes.routes,
    recipes_routes.routes,
    features_routes.routes,
    datasets_export_routes.routes,
    connections_routes.routes,
    datasets_figures_routes.routes,
    datasets_query_routes.routes,
    models_routes.routes,
    predictions_routes.routes,
    inference_routes.routes,
)


def create_app(
    settings: Settings | None = None,
    *,
    extensions: Iterable[Extension] = (),
    with_worker: bool = True,
    with_migration: bool = True,
    clock: Clock | None = None,
) -> Edge:
    """Build the application: serve it, mount it, test it.

    Args:
        settings: Read from the environment when not given.
        extensions: Your own, beside the installed ones that EXTENSIONS names.
        with_worker: Start and supervise worker processes.
        with_migration: Upgrade an older database at start; otherwise refuse it.
        clock: Tells the time; a fake one in tests.
    """
    ensure_logs()
    settings = settings or load_settings()
    state = build_state(settings, chosen(settings, extensions), clock)
    app = Edge(
        title="Foretell",
        version=health.VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(state),
    )
    # Read when the lifespan starts: `foretell serve` sets them on anybody's app.
    app.state.with_worker = with_worker
    app.state.with_migration = with_migration
    app.state.foretell = state
    app.state.metrics = state.port(Metrics)
    app.state.renderers = Renderers()
    predictions = state.port(Predictions)
    app.state.openapi_contributors = [contributor(predictions)]
    app.open_edge(
        hosts=settings.hosts,
        cors_origins=settings.cors_origins,
        metrics=state.port(Metrics),
        access_log=state.port(AccessLog),
    )
    share(app, state)
    app.add_fast_path(PredictFastPath(state.authenticator, predictions))
    install_handlers(app)
    app.state.renderers.register("/token", render_oauth_problem)
    app.state.renderers.register("/v2", render_inference_error)
    for area in ROUTERS:
        app.include_router(area)
    mount(app, state.port(Extensions), state.permissions)
    return app


def build_state(
    settings: Settings, extensions: Extensions, clock: Clock | None = None
) -> AppState:
    """The parts of an API process. Opens no connection yet."""
    database = open_database(settings, pool_size=settings.database_pool_size)
    clock = clock or SystemClock()
    secret = load_secret(settings)
    permissions = extensions.permissions()
    identity = open_identity(
        database,
        settings,
        clock,
        secret,
        permissions,
        mailer_of=lambda session: MailByJob(jobs_service(state, session)),
    )
    state = AppState(
        settings=settings,
        database=database,
        clock=clock,
        cursors=Cursors(secret),
        blobs=open_blobs(settings),
        permissions=permissions,
        authenticator=identity.authenticator,
    )
    provide_ports(state, extensions)
    state.provide(identity)
    _provide_shared(state, derived_key(secret, b"cache"))
    metrics = Metrics()
    state.provide(metrics)
    state.provide(AccessLog(settings.log_format))
    provide_predictions(state, state.port(Scratch), metrics.registry)
    state.provide(Watcher(database, settings.data_dir, clock))
    state.waiter = state.port(Watcher)
    state.checks.update(_checks(state))
    return state


def _provide_shared(state: AppState, cache_key: bytes) -> None:
    sharing, identity = Sharing(state.settings, cache_key), state.port(Identity)
    state.provide(sharing)
    state.provide(Figures(state.port(DatasetReader), sharing.cache))
    sharing.signals.on(WITHDRAWN, identity.authenticator.forget)
    identity.announce_withdrawal = lambda: sharing.signals.send(WITHDRAWN)


def _checks(state: AppState) -> dict[str, Callable[[], Any]]:
    branches = state.port(Extensions).branches()

    async def database() -> dict[str, Any]:
        await state.database.ping()
        await schema.ensure_current(state.database, branches)
        return {"kind": state.database.dialect}

    async def storage() -> dict[str, Any]:
        await state.blobs.check()
        return {}

    async def sandbox() -> dict[str, Any]:
        found = level()
        return {
            "ok": found.complete or state.settings.sandbox == "best",
            "complete": found.complete,
            "missing": list(found.missing),
        }

    async def jobs() -> dict[str, Any]:
        return await queue_health(state.database, state.clock)

    checks = {
        "database": database,
        "storage": storage,
        "sandbox": sandbox,
        "jobs": jobs,
    }
    carrier = find_carrier(state)
    if carrier is not None:
        broker = BrokerHealth(carrier.executor, state.settings.executor)
        checks["broker"] = broker.check
    return checks


def _lifespan(
    state: AppState,
) -> Callable[[Edge], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Edge) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(state.database.close)
            await schema.prepare(
                state.database,
                state.port(Extensions).branches(),
                may_upgrade=app.state.with_migration,
            )
            stack.callback(close_bells, state)
            await state.port(Scratch).sweep()
            state.port(AccessLog).start()
            stack.callback(state.port(AccessLog).stop)
            identity = state.port(Identity)
            await identity.start()
            stack.push_async_callback(identity.close)
            await stack.enter_async_context(state.port(Sharing).running())
            await stack.enter_async_context(_running(state.port(Metrics).watch_loop))
            await stack.enter_async_context(_running(lambda: _keep_house(state)))
            stack.push_async_callback(state.port(Sandbox).close)
            stack.push_async_callback(state.port(HeavyReaders).close)
            serving = state.port(Predictions).serving
            stack.push_async_callback(state.port(Predictions).close)
            await stack.enter_async_context(_running(serving.run))
            await stack.enter_async_context(state.port(Watcher))
            await stack.enter_async_context(running(state.port(Extensions), state))
            descriptions = [d for e in state.port(Extensions) for d in e.resources]
            await stack.enter_async_context(fast_path(app, state, descriptions))
            if app.state.with_worker:
                await stack.enter_async_context(_supervisor(state))
            yield

    return lifespan


def _supervisor(state: AppState) -> Supervisor:
    return Supervisor(
        WORKER,
        database=state.database,
        data_dir=state.settings.data_dir,
        clock=state.clock,
        processes=state.settings.worker_concurrency,
        environment={
            **os.environ,
            **state.settings.environment(),
            **passed_on(state.port(Extensions)),
        },
        chores=chores(state, state.port(Identity).principal_of),
        bell=bell_of(state),
    )


async def _keep_house(state: AppState) -> None:
    """Forget what has expired, once an hour."""
    while True:
        try:
            await state.port(Identity).purge()
            await retention(state).forget()
            await source_files(state).forget()
            await scheduler(state, state.port(Identity).principal_of).forget()
            async with state.database.writing() as session:
                await idempotency.delete_expired(session, now=state.clock.now())
        except DatabaseUnavailable as error:
            log.warning("app.housekeeping_failed", reason=error.detail)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


@asynccontextmanager
async def _running(work: Callable[[], Any]) -> AsyncIterator[None]:
    """Run `work` beside the block and end it with the block."""
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
