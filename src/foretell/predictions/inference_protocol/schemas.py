"""Bodies of the protocol, as the OpenAPI document shows them."""

from typing import Any

from pydantic import BaseModel


class InferenceErrorRead(BaseModel):
    """A refusal."""

    error: str


class ServerMetadataRead(BaseModel):
    name: str = "foretell"
    version: str
    extensions: list[str]


class LiveRead(BaseModel):
    live: bool = True


class ServerReadyRead(BaseModel):
    ready: bool


class ModelReadyRead(BaseModel):
    name: str
    ready: bool = True


class TensorMetadataRead(BaseModel):
    """`shape` has -1 for the number of rows."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class ModelMetadataRead(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadataRead]
    outputs: list[TensorMetadataRead]


class IndexEntryRead(BaseModel):
    name: str
    version: str
    state: str
    reason: str


class InferInput(BaseModel):
    """`data` is flat or nested as `shape` is; with `binary_data_size` among the
    parameters it is left out and stands behind the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] = []


class InferOutput(BaseModel):
    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    id: str = ""
    parameters: dict[str, Any] = {}
    inputs: list[InferInput]
    outputs: list[InferOutput] = []


class InferRead(BaseModel):
    model_name: str
    model_version: str
    id: str = ""
    outputs: list[InferInput]
