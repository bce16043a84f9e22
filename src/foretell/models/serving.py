"""What predictions need to know of models, read apart from any request.

Snapshots of the served models are kept in memory; `changes` gives what is new since
an epoch (tables.py) and costs one small read when nothing is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from foretell.core.db import Database
from foretell.core.principal import Principal
from foretell.models.baselines import Baseline, known_baseline
from foretell.models.ports import EngineSpec
from foretell.models.signature import Signature
from foretell.models.store import ModelStore
from foretell.models.tables import Model, ModelVersion
from foretell.models.traffic import Traffic
from foretell.models.versions import number_of


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as predictions see it. `default` answers when no version is named."""

    id: str
    name: str
    owner_id: str
    is_open: bool
    guests: frozenset[str]
    latest: int
    aliases: Mapping[str, int]
    default: int | None
    stamp: int
    traffic: Traffic | None = None

    def is_visible_to(self, principal: Principal) -> bool:
        """The rule of `auth.ownership.may_read`, on the copy in memory."""
        return (
            principal.user_id == self.owner_id
            or self.is_open
            or principal.is_admin
            or principal.user_id in self.guests
        )

    @property
    def asked(self) -> frozenset[int]:
        """Versions that calls may need which name none."""
        default = () if self.default is None else (self.default,)
        if self.traffic is None:
            return frozenset(default)
        answering = self.traffic.numbers or default
        return frozenset((*answering, *self.traffic.shadows))

    def number_of(self, reference: str | None, key: str | None = None) -> int | None:
        """The version meant by a number, an alias, `latest` or nothing.

        Args:
            key: Sent with a call that names nothing, to meet the same version again.
        """
        if reference is None:
            chosen = None if self.traffic is None else self.traffic.choose(key)
            return self.default if chosen is None else chosen
        return number_of(reference, self.latest, self.aliases)


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """All that is needed to open a version and answer with it."""

    id: str
    model: str
    number: int
    flavour: str
    engine: str
    spec: EngineSpec
    signature: Signature
    artifact_key: str
    sha256: str
    twin_key: str | None
    twin_sha256: str | None
    is_trusted: bool
    one_row_us: float
    hundred_rows_us: float
    features: Mapping[str, Any] | None = None
    baseline: Baseline = Baseline(0, [], [])  # noqa: RUF009 - frozen

    @property
    def is_native(self) -> bool:
        """Whether the uploaded file itself answers, not a twin of it."""
        return self.twin_key is None

    @property
    def is_hosted(self) -> bool:
        """Whether only the sandboxed model host may run it."""
        return self.twin_key is None or not self.spec.is_inline

    @property
    def file(self) -> tuple[str, str]:
        """Blob key and SHA-256 of the file that answers."""
        if self.twin_key is None:
            return self.artifact_key, self.sha256
        return self.twin_key, self.twin_sha256 or ""


@dataclass(frozen=True, slots=True)
class Changed:
    """What is new since an epoch; `ids` are all models there are."""

    epoch: int
    models: list[ServedModel]
    ids: frozenset[str]


class ServedModels:
    """Reads models for serving."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self, since: int) -> Changed | None:
        """Models that changed after the epoch `since`; `None` when none did."""
        async with self._database.reading() as session:
            store = ModelStore(session)
            epoch = await store.epoch()
            if epoch == since:
                return None
            rows = await store.changed_since(since)
            aliases = await store.aliases([row.id for row in rows])
            ids = await store.ids()
        pointing: dict[str, dict[str, int]] = {row.id: {} for row in rows}
        for alias in aliases:
            pointing[alias.model_id][alias.name] = alias.number
        return Changed(epoch, [_served(row, pointing[row.id]) for row in rows], ids)

    async def find(self, name: str) -> ServedModel | None:
        """One model by name."""
        async with self._database.reading() as session:
            store = ModelStore(session)
            row = await store.find(name)
            if row is None:
                return None
            aliases = await store.aliases([row.id])
        return _served(row, {alias.name: alias.number for alias in aliases})

    async def numbers(self, model: ServedModel, *, limit: int) -> list[int]:
        """The newest versions of a model, ascending."""
        async with self._database.reading() as session:
            return await ModelStore(session).numbers(model.id, limit=limit)

    async def version(self, model: ServedModel, number: int) -> ServedVersion | None:
        """One version of a model; `None` when the model is gone."""
        async with self._database.reading() as session:
            store = ModelStore(session)
            row = await store.version(model.id, number, with_baseline=True)
        return None if row is None else _version(model, row)


def _served(row: Model, aliases: dict[str, int]) -> ServedModel:
    return ServedModel(
        id=row.id,
        name=row.name,
        owner_id=row.owner_id,
        is_open=row.visibility == "everyone",
        guests=frozenset([*row.readers, *row.writers]),
        latest=row.latest,
        aliases=aliases,
        default=number_of(None, row.latest, aliases),
        stamp=row.stamp,
        traffic=Traffic.of(row.traffic),
    )


def _version(model: ServedModel, row: ModelVersion) -> ServedVersion:
    signature = msgspec.convert(row.signature, Signature)
    return ServedVersion(
        id=row.id,
        model=model.name,
        number=row.number,
        flavour=row.flavour,
        engine=row.engine,
        spec=msgspec.convert(row.spec, EngineSpec),
        signature=signature,
        artifact_key=row.artifact_key,
        sha256=row.sha256,
        twin_key=row.twin_key,
        twin_sha256=row.twin_sha256,
        is_trusted=row.is_trusted,
        one_row_us=row.one_row_us,
        hundred_rows_us=row.hundred_rows_us,
        features=row.features,
        baseline=known_baseline(signature, row.baseline),
    )
