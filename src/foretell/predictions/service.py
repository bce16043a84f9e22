"""Which version answers a caller, and its answer.

Both doors of predict (the fast path in front of FastAPI and the FastAPI routes) call
the same two methods with the same arguments, so they cannot answer differently.
"""

from foretell.core.principal import Principal, Scope
from foretell.models.errors import ModelNotFound, ModelScopeMissing
from foretell.predictions.decoding import model_named_in
from foretell.predictions.errors import ModelNotNamed, NoModel
from foretell.predictions.snapshot import Serving, Snapshot
from foretell.predictions.versions import LoadedVersion

_PREDICT = str(Scope.MODELS_PREDICT)


class Predictions:
    """Answers calls.

    Args:
        default_model: The setting `DEFAULT_MODEL`.
    """

    def __init__(self, serving: Serving, default_model: str | None) -> None:
        self.serving = serving
        self._default_model = default_model

    async def predict(
        self,
        principal: Principal,
        model: str,
        reference: str | None,
        body: bytes,
        *,
        is_arrow: bool = False,
    ) -> bytes:
        """Answer the rows of `body` with a version of `model`.

        Args:
            reference: A number, an alias or `latest`; `None`: the default version.
            is_arrow: The body is an Arrow IPC stream, not JSON.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller; comes
                before any fault of the body.
            RowsInvalid: The rows do not fit the signature.
            Unavailable: The version cannot answer now.
        """
        _, version = await self.find(principal, model, reference)
        return await version.answer(body, is_arrow=is_arrow)

    async def find(
        self, principal: Principal, model: str, reference: str | None
    ) -> tuple[Snapshot, LoadedVersion]:
        """A model, and the version of it that answers the caller, open.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller.
            ModelNotLoaded: It cannot be opened.
        """
        snapshot = await self._admitted(principal, model)
        return snapshot, await self._version(snapshot, reference)

    async def predict_any(
        self,
        principal: Principal,
        reference: str | None,
        body: bytes,
        *,
        is_arrow: bool = False,
    ) -> bytes:
        """Answer with the model that the body names, or the default model.

        Raises:
            ModelNotNamed: It names none, and there are several.
            NoModel: There is none that the caller may ask.
        """
        named = None if is_arrow else model_named_in(body)
        named = named or self._default_model
        if named is not None:
            snapshot = await self._admitted(principal, named)
        else:
            snapshot = await self._only_one(principal)
        version = await self._version(snapshot, reference)
        return await version.answer(body, is_any=True, is_arrow=is_arrow)

    async def visible(self, principal: Principal) -> list[Snapshot]:
        """The models that the caller may ask and that have a version, by name."""
        return [
            snapshot
            for snapshot in await self.serving.list_visible(principal)
            if snapshot.model.default is not None
            and principal.may(_PREDICT, snapshot.model.name)
        ]

    async def _admitted(self, principal: Principal, model: str) -> Snapshot:
        if not principal.may(_PREDICT, model):
            raise ModelScopeMissing(_PREDICT, model)
        serving = self.serving
        snapshot = serving.find(model) or await serving.get(model)
        if snapshot is None or not snapshot.model.is_visible_to(principal):
            raise ModelNotFound(model)
        return snapshot

    async def _only_one(self, principal: Principal) -> Snapshot:
        found = await self.visible(principal)
        if not found:
            raise NoModel
        if len(found) > 1:
            raise ModelNotNamed
        return found[0]

    async def _version(
        self, snapshot: Snapshot, reference: str | None
    ) -> LoadedVersion:
        number = snapshot.model.number_of(reference)
        if number is None:
            snapshot, number = await self.serving.newest(snapshot, reference)
        version = snapshot.loaded.get(number)
        return version or await self.serving.version(snapshot, number)
