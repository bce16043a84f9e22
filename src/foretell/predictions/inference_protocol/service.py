"""Answers the protocol with the versions that `predict` answers with."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from foretell.core.principal import Principal
from foretell.models.signature import InputField, Signature
from foretell.predictions.errors import RowsInvalid
from foretell.predictions.inference_protocol import messages
from foretell.predictions.inference_protocol.datatypes import OWN, Values, fits
from foretell.predictions.inference_protocol.errors import TensorsInvalid
from foretell.predictions.inference_protocol.layout import (
    OutputTensor,
    inputs_of,
    outputs_of,
)
from foretell.predictions.inference_protocol.messages import Tensor, Wanted
from foretell.predictions.replies import Reply
from foretell.predictions.service import Predictions, Question
from foretell.predictions.versions import INLINE_BYTES

_SHOWN = 5


class InferenceProtocol:
    """See the package's head."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions

    async def metadata(
        self, principal: Principal, model: str, reference: str | None
    ) -> dict[str, Any]:
        """What a model takes and gives.

        Raises:
            ModelNotFound, ModelVersionNotFound: Not there for this caller.
        """
        snapshot, version = await self._predictions.find(principal, model, reference)
        facts = version.facts
        numbers = await self._predictions.serving.numbers(snapshot.model)
        return {
            "name": model,
            "versions": [str(number) for number in numbers],
            "platform": f"foretell_{facts.flavour}",
            "inputs": [one.metadata for one in inputs_of(facts.signature)],
            "outputs": [one.metadata for one in outputs_of(facts.signature)],
        }

    async def index(self, principal: Principal) -> list[dict[str, Any]]:
        """The models that the caller may ask."""
        return [
            {
                "name": snapshot.model.name,
                "version": str(snapshot.model.default),
                "state": "READY",
                "reason": "",
            }
            for snapshot in await self._predictions.visible(principal)
        ]

    async def demand_ready(
        self, principal: Principal, model: str, reference: str | None
    ) -> None:
        """Return if the version is open, or can be opened."""
        await self._predictions.find(principal, model, reference)

    async def infer(
        self,
        principal: Principal,
        model: str,
        reference: str | None,
        body: bytes,
        json_length: str | None,
        routing_key: str | None = None,
    ) -> Reply:
        """The outputs for the tensors of a request.

        Raises:
            ModelNotFound, ModelVersionNotFound: Comes before any fault of the body.
            TensorsInvalid: The request does not fit the model.
            ModelFailed: The model raised an error on them.
            Unavailable: The version cannot answer now.
        """
        predictions = self._predictions
        snapshot, version = await predictions.find(
            principal, model, reference, routing_key
        )
        if version.raw is not None:
            raise TensorsInvalid(
                f"The model {model!r} takes raw records of a feature set, which are no "
                f"tensors; send them to /api/models/{model}/predict."
            )
        signature = version.facts.signature

        def understood() -> tuple[bytes, Wanted]:
            tensors, wanted = messages.read(body, json_length)
            _demand_outputs(signature, wanted)
            return _rows(signature, tensors), wanted

        if len(body) > INLINE_BYTES:
            rows, wanted = await asyncio.to_thread(understood)
        else:
            rows, wanted = understood()
        try:
            question = Question(rows, reference, routing_key)
            answer = await predictions.answer(snapshot, version, question)
        except RowsInvalid as error:
            raise TensorsInvalid(_in_tensors(error, signature)) from None
        facts = version.facts
        head = {"model_name": facts.model, "model_version": str(facts.number)}

        def written() -> Reply:
            found = orjson.loads(answer)["predictions"]
            return messages.write(head, _outputs(signature, found, wanted), wanted)

        if len(answer) > INLINE_BYTES:
            return await asyncio.to_thread(written)
        return written()


def _in_tensors(error: RowsInvalid, signature: Signature) -> str:
    """The faults of rows that the caller never saw, in words of tensors."""
    lines = []
    for fault in error.errors[:_SHOWN]:
        _, _, place = fault.pointer.partition("/data/")
        row, _, column = place.partition("/")
        if column.isdigit() and int(column) < len(signature.inputs):
            name = signature.inputs[int(column)].name
            lines.append(f"Column {name!r}, row {row}: {fault.message}")
        else:
            lines.append(fault.message)
    return " ".join(lines) or error.detail


def _demand_outputs(signature: Signature, wanted: Wanted) -> None:
    known = [one.name for one in outputs_of(signature)]
    for name in wanted.outputs:
        if name not in known:
            raise TensorsInvalid(
                f"There is no output {name!r}; there are {', '.join(known)}."
            )


def _rows(signature: Signature, tensors: Sequence[Tensor]) -> bytes:
    """The body of `predict` that the tensors stand for."""
    columns = _columns(signature, tensors)
    rows = list(zip(*columns, strict=True))
    return orjson.dumps({"columns": list(signature.names), "data": rows})


def _columns(signature: Signature, tensors: Sequence[Tensor]) -> list[Sequence[Any]]:
    by_name = {tensor.name: tensor for tensor in tensors}
    if by_name.keys() == set(signature.names):
        columns = [_column(field, by_name[field.name]) for field in signature.inputs]
    elif len(tensors) == 1 and len(inputs_of(signature)) == 1:
        columns = _side_by_side(signature.inputs, tensors[0])
    else:
        raise TensorsInvalid(_wrong_names(signature, list(by_name)))
    if len({len(column) for column in columns}) > 1:
        raise TensorsInvalid("The inputs differ in their number of rows.")
    return columns


def _wrong_names(signature: Signature, sent: Sequence[str]) -> str:
    if not set(sent) & set(signature.names):
        names = ", ".join(repr(one.name) for one in inputs_of(signature))
        return f"Sent: {', '.join(map(repr, sent[:_SHOWN]))}. The model takes {names}."
    missing = [repr(name) for name in signature.names if name not in sent]
    unknown = [repr(name) for name in sent if name not in signature.names]
    told = [f"missing: {', '.join(missing[:_SHOWN])}"] if missing else []
    told += [f"not of the model: {', '.join(unknown[:_SHOWN])}"] if unknown else []
    return f"Inputs by column: {'; '.join(told)}."


def _column(field: InputField, tensor: Tensor) -> Sequence[Any]:
    if len(tensor.shape) > 1 and tensor.shape[1] != 1:
        raise TensorsInvalid(
            f"Input {tensor.name!r}: the shape is [rows, 1], not {list(tensor.shape)}."
        )
    return _cells(field, tensor, tensor.values.elements)


def _side_by_side(fields: Sequence[InputField], tensor: Tensor) -> list[Sequence[Any]]:
    width = len(fields)
    if len(tensor.shape) < 2 or tensor.shape[1] != width:
        raise TensorsInvalid(
            f"Input {tensor.name!r}: the shape is [rows, {width}], not "
            f"{list(tensor.shape)}."
        )
    elements = tensor.values.elements
    return [
        _cells(field, tensor, elements[place::width])
        for place, field in enumerate(fields)
    ]


def _cells(field: InputField, tensor: Tensor, elements: Sequence[Any]) -> Sequence[Any]:
    """The values of one column; not a number is a missing one."""
    if not fits(tensor.values.datatype, field):
        raise TensorsInvalid(
            f"Input {tensor.name!r}: {tensor.values.datatype} does not fit the column "
            f"{field.name!r}, which is {OWN[field.type]}."
        )
    if field.type != "float":
        return elements
    for row, value in enumerate(elements):
        if value is not None and math.isinf(value):
            raise TensorsInvalid(
                f"Input {tensor.name!r}, row {row}: infinity is no value."
            )
    return [None if value is None or value != value else value for value in elements]


def _outputs(
    signature: Signature, found: Sequence[Mapping[str, Any]], wanted: Wanted
) -> list[tuple[str, list[int], Values]]:
    return [
        (one.name, one.shape(len(found)), Values(one.datatype, _elements(one, found)))
        for one in outputs_of(signature)
        if not wanted.outputs or one.name in wanted.outputs
    ]


def _elements(one: OutputTensor, found: Sequence[Mapping[str, Any]]) -> list[Any]:
    if one.width is None:
        return [row[one.name] for row in found]
    elements: list[Any] = []
    for row in found:
        value = row[one.name]
        elements += value.values() if isinstance(value, Mapping) else value
    return elements
