"""Which version answers a caller, and its answer.

Both doors of predict (the fast path in front of FastAPI and the FastAPI routes) call
the same two methods with the same arguments, so they cannot answer differently.
"""

from dataclasses import dataclass

from foretell.core.principal import Principal, Scope
from foretell.models.errors import ModelNotFound, ModelScopeMissing
from foretell.models.signature import Signature
from foretell.predictions.decoding import model_named_in
from foretell.predictions.errors import ModelNotNamed, NoModel, OutputUnknown
from foretell.predictions.forms import NPY, PLAIN, Form, array_outputs
from foretell.predictions.replies import Reply
from foretell.predictions.shadows import Shadows
from foretell.predictions.snapshot import Serving, Snapshot
from foretell.predictions.versions import LoadedVersion

_PREDICT = str(Scope.MODELS_PREDICT)


@dataclass(frozen=True, slots=True)
class Question:
    """One call.

    Attributes:
        reference: A number, an alias or `latest`; `None`: the split of the model
            chooses, else the default version answers.
        routing_key: Calls with the same one get the same version of a split.
        form: How the body is written and the answer is to be.
    """

    body: bytes
    reference: str | None = None
    routing_key: str | None = None
    form: Form = PLAIN


class Predictions:
    """Answers calls.

    Args:
        default_model: The setting `DEFAULT_MODEL`.
    """

    def __init__(
        self, serving: Serving, shadows: Shadows, default_model: str | None
    ) -> None:
        self.serving = serving
        self.shadows = shadows
        self._default_model = default_model

    async def predict(
        self,
        principal: Principal,
        model: str,
        question: Question,
    ) -> Reply:
        """Answer the rows of a body with a version of `model`.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller; comes
                before any fault of the body.
            OutputUnknown: The version does not give what the answer is to hold.
            RowsInvalid: The rows do not fit the signature.
            Unavailable: The version cannot answer now.
        """
        snapshot, version = await self.find(
            principal, model, question.reference, question.routing_key
        )
        return _reply(version, question, await self.answer(snapshot, version, question))

    async def find(
        self,
        principal: Principal,
        model: str,
        reference: str | None,
        routing_key: str | None = None,
    ) -> tuple[Snapshot, LoadedVersion]:
        """A model, and the version of it that answers the caller, open.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller.
            ModelNotLoaded: It cannot be opened.
        """
        snapshot = await self._admitted(principal, model)
        return snapshot, await self._version(snapshot, reference, routing_key)

    async def predict_any(self, principal: Principal, question: Question) -> Reply:
        """Answer with the model that the body names, or the default model.

        Raises:
            ModelNotNamed: It names none, and there are several.
            NoModel: There is none that the caller may ask.
        """
        is_json = question.form.kind == "json"
        named = model_named_in(question.body) if is_json else None
        named = named or self._default_model
        if named is not None:
            snapshot = await self._admitted(principal, named)
        else:
            snapshot = await self._only_one(principal)
        version = await self._version(
            snapshot, question.reference, question.routing_key
        )
        return _reply(version, question, await self.answer(snapshot, version, question))

    async def answer(
        self, snapshot: Snapshot, version: LoadedVersion, question: Question
    ) -> bytes:
        """The answer of a version that was found; shadows follow it."""
        body, form = question.body, question.form
        if form.output is not None:
            _demand_output(version.facts.signature, form.output)
        answer = await version.answer(body, form)
        traffic = snapshot.model.traffic
        if traffic is not None and traffic.shadows and question.reference is None:
            number = version.facts.number
            self.shadows.follow(snapshot, number, answer, body, form)
        return answer

    async def close(self) -> None:
        """Let go of shadows, versions and their hosts."""
        await self.shadows.close()
        await self.serving.close()

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
        self, snapshot: Snapshot, reference: str | None, routing_key: str | None
    ) -> LoadedVersion:
        number = snapshot.model.number_of(reference, routing_key)
        if number is None:
            snapshot, number = await self.serving.newest(snapshot, reference)
        version = snapshot.loaded.get(number)
        return version or await self.serving.version(snapshot, number)


def _reply(version: LoadedVersion, question: Question, answer: bytes) -> Reply:
    if question.form.output is None:
        return Reply(answer)
    # An array has no place for what JSON answers say of the version.
    model, number = version.facts.model, version.facts.number
    headers = (
        (b"content-type", NPY),
        (b"x-model", model.encode()),
        (b"x-model-version", str(number).encode()),
    )
    return Reply(answer, headers)


def _demand_output(signature: Signature, name: str) -> None:
    known = array_outputs(signature)
    if name not in known:
        raise OutputUnknown(name, known)
