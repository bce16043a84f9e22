"""The served models of one process: immutable snapshots, swapped by one assignment.

A request takes the snapshot it finds and keeps it to its end, so moving an alias
refuses nobody and needs no lock. Snapshots follow the database: by the epoch of the
models once a second, at once when this process changed or read something newer. A
model's new default version is opened before its snapshot is swapped, so the first
call after a swap does not wait for the load.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from foretell.core.logs import get_logger
from foretell.core.principal import Principal
from foretell.errors import ForetellError, Unavailable
from foretell.models.changes import Changes
from foretell.models.errors import ModelVersionNotFound
from foretell.models.serving import (
    Changed,
    ServedModel,
    ServedModels,
    ServedVersion,
)
from foretell.predictions.versions import LoadedVersion, VersionLoader

log = get_logger("foretell.predictions")

REFRESH_SECONDS = 1.0
# While no task keeps the snapshots fresh (a mount without lifespan), requests do. When
# one does, they step in only when it is late.
STALE_SECONDS = 1.0
LATE_SECONDS = 3.0
MAX_LOADED = 64
MAX_WARM = 16
MAX_SHOWN = 1_000
# How long a swap waits for the new version to be open. The caller who has just moved
# an alias must meet the new version, so all callers wait with them, and not long.
OPEN_SECONDS = 1.0
OPEN_SECONDS_OF_ONES_OWN = 0.25


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model at one moment.

    Attributes:
        loaded: Its open versions by number; shared by its later snapshots, since a
            version never changes.
    """

    model: ServedModel
    loaded: dict[int, LoadedVersion]


class Serving:
    """Finds what answers a request."""

    def __init__(
        self, models: ServedModels, loader: VersionLoader, changes: Changes
    ) -> None:
        self._models = models
        self._loader = loader
        self._snapshots: Mapping[str, Snapshot] = {}
        self._epoch = -1
        self._checked_at = float("-inf")
        self._stale_seconds = STALE_SECONDS
        # Changes heard of, and how many of them the snapshots hold. A flag would lose
        # the change that is committed while the database is being read.
        self._heard = 1
        self._held = 0
        self._refreshing = asyncio.Lock()
        self._loading: dict[str, asyncio.Lock] = {}
        self._opening: set[asyncio.Task[None]] = set()
        changes.listen(self._fall_behind)

    def find(self, name: str) -> Snapshot | None:
        """The snapshot if it is fresh enough to be used without looking."""
        is_old = time.monotonic() - self._checked_at > self._stale_seconds
        if is_old or self._held != self._heard:
            return None
        return self._snapshots.get(name)

    async def get(self, name: str) -> Snapshot | None:
        """The snapshot, after a look at the database when it may be old or missing."""
        found = self.find(name)
        if found is None:
            await self.refresh()
            found = self._snapshots.get(name)
        return found

    async def newest(
        self, snapshot: Snapshot, reference: str | None
    ) -> tuple[Snapshot, int]:
        """Look again for a version that the snapshot does not have: it may be younger.

        Raises:
            ModelVersionNotFound: There is none.
        """
        await self.refresh()
        newer = self._snapshots.get(snapshot.model.name, snapshot)
        number = newer.model.number_of(reference)
        if number is None:
            raise ModelVersionNotFound(snapshot.model.name, reference)
        return newer, number

    async def list_visible(self, principal: Principal) -> list[Snapshot]:
        """The models that the caller may see, by name."""
        await self.refresh()
        return [
            snapshot
            for _, snapshot in sorted(self._snapshots.items())
            if snapshot.model.is_visible_to(principal)
        ]

    async def version(self, snapshot: Snapshot, number: int) -> LoadedVersion:
        """An open version; opened now when it is not.

        Raises:
            ModelNotLoaded: It cannot be opened.
            ModelVersionNotFound: The model was deleted meanwhile.
        """
        found = snapshot.loaded.get(number)
        if found is not None:
            return found
        key = f"{snapshot.model.id}:{number}"
        async with self._loading.setdefault(key, asyncio.Lock()):
            found = snapshot.loaded.get(number)
            if found is None:
                facts = await self.facts(snapshot.model, number)
                found = await self._loader.load(facts)
                snapshot.loaded[number] = found
        self._loading.pop(key, None)
        return found

    async def facts(self, model: ServedModel, number: int) -> ServedVersion:
        """What is known of a version, without opening it."""
        facts = await self._models.version(model, number)
        if facts is None:
            raise ModelVersionNotFound(model.name, number)
        return facts

    async def numbers(self, model: ServedModel) -> list[int]:
        """The newest versions of a model, ascending."""
        return await self._models.numbers(model, limit=MAX_SHOWN)

    async def refresh(self) -> None:
        """Bring the snapshots up to the database.

        Raises:
            Unavailable: The database does not answer, and there was nothing yet.
        """
        asked = time.monotonic()
        async with self._refreshing:
            if self._checked_at >= asked and self._held == self._heard:
                return  # whoever waited in front has looked for all
            try:
                await self._catch_up()
            except Unavailable:
                if self._epoch < 0:
                    raise
                # Old snapshots answer better than nothing; `run` tries again.
                log.warning("predictions.snapshots_stale")
                self._checked_at = time.monotonic()

    async def run(self) -> None:
        """Keep the snapshots fresh and their default versions open until cancelled."""
        self._stale_seconds = LATE_SECONDS
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._warm_up())

    async def _follow(self) -> None:
        while True:
            with suppress(Unavailable):
                await self.refresh()
                await self._make_room()
            await asyncio.sleep(REFRESH_SECONDS)

    async def _warm_up(self) -> None:
        """Open the default versions that changed last before anybody asks."""
        tried: dict[str, int | None] = {}
        while True:
            newest = sorted(
                self._snapshots.values(), key=lambda s: s.model.stamp, reverse=True
            )
            for snapshot in newest[:MAX_WARM]:
                number = snapshot.model.default
                if number is not None and tried.get(snapshot.model.id) != number:
                    tried[snapshot.model.id] = number
                    with suppress(Unavailable):
                        await self._open_default(snapshot)
            await asyncio.sleep(REFRESH_SECONDS)

    async def close(self) -> None:
        for task in self._opening:
            task.cancel()
        await self._loader.close()

    async def _catch_up(self) -> None:
        heard, started = self._heard, time.monotonic()
        changed = await self._models.changes(self._epoch)
        if changed is not None:
            await self._swap(changed, is_own=heard != self._held)
        self._held = heard
        self._checked_at = started

    async def _swap(self, changed: Changed, *, is_own: bool) -> None:
        kept = {
            name: snapshot
            for name, snapshot in self._snapshots.items()
            if snapshot.model.id in changed.ids
        }
        gone = self._snapshots.keys() - kept.keys()
        let_go = [v for n in gone for v in self._snapshots[n].loaded.values()]
        for model in changed.models:
            old = kept.get(model.name)
            kept[model.name] = Snapshot(model, old.loaded if old else {})
        await self._open_defaults(
            [kept[m.name] for m in changed.models],
            OPEN_SECONDS_OF_ONES_OWN if is_own else OPEN_SECONDS,
        )
        self._snapshots = kept
        self._epoch = changed.epoch
        await self._loader.drop(let_go)

    async def _open_defaults(self, fresh: list[Snapshot], seconds: float) -> None:
        """Open the new default versions of models that are in use, for a while."""
        tasks = [
            asyncio.create_task(self._open_default(snapshot))
            for snapshot in fresh
            if snapshot.loaded and snapshot.model.default not in snapshot.loaded
        ]
        if tasks:
            self._opening.update(tasks)
            _, late = await asyncio.wait(tasks, timeout=seconds)
            self._opening = set(late)

    async def _open_default(self, snapshot: Snapshot) -> None:
        number = snapshot.model.default
        if number is None:
            return
        try:
            await self.version(snapshot, number)
        except ForetellError as error:
            log.error(
                "predictions.version_not_loaded",
                model=snapshot.model.name,
                version=number,
                reason=error.slug,
            )

    async def _make_room(self) -> None:
        """Close versions that nobody asked for lately when too many are open."""
        loaded = [
            (snapshot, number, version)
            for snapshot in self._snapshots.values()
            for number, version in snapshot.loaded.items()
        ]
        if len(loaded) <= MAX_LOADED:
            return
        idle = [one for one in loaded if not one[2].is_used]
        for snapshot, number, _ in idle[: len(loaded) - MAX_LOADED]:
            del snapshot.loaded[number]
        await self._loader.drop([v for _, _, v in idle[: len(loaded) - MAX_LOADED]])
        for _, _, version in loaded:
            version.is_used = False

    def _fall_behind(self) -> None:
        self._heard += 1
