"""What can be done with feature sets: one method a use case."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from foretell.auth.versioned import Kind, VersionedObjects, VersionedView
from foretell.core.principal import Principal, Scope
from foretell.errors import Forbidden
from foretell.expressions.own import OwnFunction
from foretell.features.definition import Definition
from foretell.features.errors import (
    FeatureSetNameTaken,
    FeatureSetNotFound,
    FeatureSetVersionNotFound,
)
from foretell.features.records import Features, public
from foretell.features.store import FeatureSetStore
from foretell.features.tables import FeatureSet, FeatureSetVersion

KIND = Kind(
    word="feature-set",
    new=FeatureSet,
    new_version=lambda feature_set_id, **values: FeatureSetVersion(
        feature_set_id=feature_set_id, **values
    ),
    missing=FeatureSetNotFound,
    missing_version=FeatureSetVersionNotFound,
    taken=FeatureSetNameTaken,
)


class OwnFunctionsOf:
    """A port: the functions that extensions add to the language."""

    def __init__(self, functions: Mapping[str, OwnFunction]) -> None:
        self.functions = functions


class FeatureSetsService(VersionedObjects):
    """Feature sets in the unit of work of one request."""

    def __init__(
        self, store: FeatureSetStore, functions: OwnFunctionsOf, **parts: Any
    ) -> None:
        super().__init__(KIND, store, **parts)
        self._functions = functions.functions

    async def put(
        self,
        principal: Principal,
        name: str,
        features: Sequence[Mapping[str, Any]],
        inputs: Sequence[Mapping[str, Any]],
        *,
        description: str | None,
        if_match: str | None,
    ) -> tuple[VersionedView, bool]:
        """Make a feature set or its next version; answers whether it is new.

        Raises:
            FeatureSetInvalid: With a pointer for every feature at fault.
        """
        demand_scope(principal, Scope.MODELS_WRITE)
        content = {"features": list(features), "inputs": list(inputs)}
        definition = definition_of({"name": name, "version": 0, **content})
        definition.check_syntax(self._functions)
        return await self.put_content(
            principal, name, content, description=description, if_match=if_match
        )

    async def define(
        self, principal: Principal, name: str, version: int | None = None
    ) -> Definition:
        """A version of a feature set as a definition, the latest by default."""
        view = await self.get(principal, name, version)
        return definition_of(
            {
                "name": view.name,
                "version": view.version,
                "features": view.shown.features,
                "inputs": view.shown.inputs,
            }
        )

    def compute(
        self, definition: Definition, rows: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """The features of raw records, as the API writes them.

        Raises:
            RecordsInvalid, FeatureSetInvalid: As the records and features are.
        """
        found = Features(definition, self._functions).compute(rows)
        return [{n: public(value) for n, value in row.items()} for row in found]


def definition_of(plain: Mapping[str, Any]) -> Definition:
    """A definition from its JSON."""
    return msgspec.convert(plain, Definition)


def demand_scope(principal: Principal, scope: Scope) -> None:
    """Refuse a credential that has the scope for single models only."""
    if not principal.may(scope):
        raise Forbidden(f"This needs the scope {scope}.", scope=str(scope))
