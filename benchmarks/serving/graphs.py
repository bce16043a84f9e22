"""The graph that the bare route serves: what skl2onnx makes, in single precision."""

from pathlib import Path

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from benchmarks.serving.peers import training


def write_graph(folder: Path, model: str) -> None:
    """Fit the model on the table beside `folder` and write `model.onnx` into it."""
    fitted = training.fit(folder.parent, model)
    rows = training.table(folder.parent, model).drop(columns="target")
    is_text = {name: rows[name].dtype.kind != "f" for name in rows}
    types = [
        (name, (StringTensorType if is_text[name] else FloatTensorType)([None, 1]))
        for name in rows
    ]
    if not any(is_text.values()):
        types = [("X", FloatTensorType([None, rows.shape[1]]))]
    graph = to_onnx(fitted, initial_types=types, options={"zipmap": False})
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
