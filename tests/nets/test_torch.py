"""PyTorch's own answers, of each kind of file that is served; needs PyTorch."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from foretell.models.errors import ModelUnusable
from foretell.models.loading import open_native
from foretell.models.ports import Terms

from .editing import real
from .inspecting import Inspect
from .libraries import torch_or_skip

torch: Any = torch_or_skip()
nn: Any = torch.nn

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

ROWS = np.random.default_rng(5).normal(0, 2, (300, 4))
MANY = {0: torch.export.Dim("rows")}


def exported(net: Any, *example: Any, shapes: Any = "rows", **keywords: Any) -> bytes:
    out = io.BytesIO()
    dynamic = tuple(MANY for _ in example) if shapes == "rows" else shapes
    if keywords and dynamic is not None:
        names = [*_arguments(net)[: len(example)], *keywords]
        dynamic = dict.fromkeys(names, MANY)
    program = torch.export.export(
        net.eval(), example, kwargs=keywords or None, dynamic_shapes=dynamic
    )
    torch.export.save(program, out)
    return out.getvalue()


def _arguments(net: Any) -> list[str]:
    code = type(net).forward.__code__
    return list(code.co_varnames[1 : code.co_argcount])


def scripted(net: Any) -> bytes:
    out = io.BytesIO()
    torch.jit.save(torch.jit.script(net.eval()), out)
    return out.getvalue()


def dense(outputs: int = 3, *, softmax: bool = True) -> Any:
    torch.manual_seed(3)
    layers = [nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)]
    layers.append(nn.Linear(16, outputs))
    return nn.Sequential(*layers, *([nn.Softmax(dim=1)] if softmax else [])).eval()


def answers(net: Any, *tensors: Any) -> Any:
    with torch.inference_mode():
        return net(*tensors).numpy()


def asked(inspect: Inspect, data: bytes, columns: Any, **options: Any) -> Any:
    """Inspect, open as the model host does, and answer the columns."""
    result = inspect(data, **options)
    predictor = open_native(
        inspect._artifact,
        result.signature,
        result.spec,
        flavour=result.flavour,
        terms=Terms(scratch=inspect.output),
    )
    names = result.signature.names
    batch = dict(zip(names, np.asarray(columns).T, strict=True))
    return result, predictor, predictor.predict(batch)


def test_a_program_is_served_with_the_nets_own_answers(inspect: Inspect):
    net = dense()
    data = exported(net, torch.zeros(2, 4))
    result, predictor, found = asked(inspect, data, ROWS)
    expected = answers(net, torch.tensor(ROWS, dtype=torch.float32))
    assert (result.flavour, result.safety.format) == ("torch", "pt2")
    assert result.safety.outcome == "safe"
    assert result.signature.names == ("x0", "x1", "x2", "x3")
    assert [field.type for field in result.signature.inputs] == ["float"] * 4
    assert result.libraries["torch"].saved == torch.__version__
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.predictions.tolist() == expected.argmax(axis=1).tolist()
    one, scores = predictor.predict_one(ROWS[0].tolist())
    assert one == found.predictions[0]
    assert scores == pytest.approx(expected[0], abs=1e-6)


def test_a_script_is_served_with_a_warning(inspect: Inspect):
    net = dense()
    result, _, found = asked(inspect, scripted(net), ROWS)
    expected = answers(net, torch.tensor(ROWS, dtype=torch.float32))
    assert result.safety.format == "torchscript"
    assert any("TorchScript is deprecated" in one for one in result.warnings)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)


def test_an_example_names_the_columns(inspect: Inspect, tmp_path: Path):
    frame = pd.DataFrame(ROWS, columns=["age", "income", "city", "size"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for data in (exported(dense(), torch.zeros(2, 4)), scripted(dense())):
        result = inspect(data, example=str(tmp_path / "rows.csv"))
        assert result.signature.names == ("age", "income", "city", "size")
        assert result.signature.inputs[0].min == pytest.approx(ROWS[:, 0].min())
        assert result.parity.probes["example"] == len(ROWS)


def test_names_of_the_metadata_name_the_columns(inspect: Inspect):
    names = ["a", "b", "c", "d"]
    result = inspect(scripted(dense()), names=names)
    assert result.signature.names == tuple(names)


def test_a_regression_and_a_list_of_values(inspect: Inspect):
    for outputs in (1, 5):
        net = dense(outputs, softmax=False)
        result, _, found = asked(inspect, exported(net, torch.zeros(2, 4)), ROWS)
        expected = answers(net, torch.tensor(ROWS, dtype=torch.float32))
        assert result.spec.size == (None if outputs == 1 else 5)
        assert found.scores is None
        shape = (300,) if outputs == 1 else (300, 5)
        assert found.predictions.shape == shape
        np.testing.assert_allclose(
            found.predictions.reshape(300, -1), expected, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("rows", [1, 3])
def test_a_program_for_so_many_rows_answers_any_number(inspect: Inspect, rows: int):
    net = dense()
    data = exported(net, torch.zeros(rows, 4), shapes=None)
    result, _, found = asked(inspect, data, ROWS[:10])
    expected = answers(net, torch.tensor(ROWS[:10], dtype=torch.float32))
    assert any("dynamic_shapes" in one for one in result.warnings)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)


class Two(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(5, 3), nn.Linear(7, 2)

    def forward(self, numbers: Any, word: Any, scale: Any) -> Any:
        both = torch.cat([numbers * scale[:, None], self.words(word)], dim=1)
        return self.last(both)


def test_several_inputs_by_place_and_by_name(inspect: Inspect):
    net = Two().eval()
    example = torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), torch.ones(2)
    words = np.arange(50) % 5
    scales = np.linspace(0.5, 2, 50)
    columns = np.column_stack([ROWS[:50], words, scales])
    expected = answers(
        net,
        torch.tensor(ROWS[:50], dtype=torch.float32),
        torch.tensor(words),
        torch.tensor(scales, dtype=torch.float32),
    )
    by_name = exported(net, example[0], word=example[1], scale=example[2])
    for data in (exported(net, *example), by_name):
        result, _, found = asked(inspect, data, columns)
        assert result.signature.names == (
            "numbers_0",
            "numbers_1",
            "numbers_2",
            "numbers_3",
            "word",
            "scale",
        )
        assert [f.type for f in result.signature.inputs][4:] == ["integer", "float"]
        np.testing.assert_allclose(found.predictions, expected, atol=1e-5)


class Images(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.last = nn.Linear(4 * 4 * 4, 3)

    def forward(self, image: Any) -> Any:
        found = nn.functional.max_pool2d(torch.relu(self.conv(image)), 2)
        return torch.log_softmax(self.last(found.flatten(1)), dim=1)


class Recurrent(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(2, 8, batch_first=True)
        self.last = nn.Linear(8, 1)

    def forward(self, steps: Any) -> Any:
        with torch.no_grad():
            found, _ = self.cells(steps)
        return self.last(found[:, -1])


def attention() -> Any:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1)
    return nn.Sequential(
        nn.TransformerEncoder(layer, 1), nn.Flatten(), nn.Linear(40, 2)
    )


NETS = {
    "convolution": (Images, (1, 8, 8)),
    "recurrent": (Recurrent, (5, 2)),
    "attention": (attention, (5, 8)),
}


@pytest.mark.parametrize("name", sorted(NETS))
def test_rows_with_more_dimensions_are_columns(inspect: Inspect, name: str):
    make, shape = NETS[name]
    torch.manual_seed(1)
    net = make().eval()
    width = int(np.prod(shape))
    rows = np.random.default_rng(2).normal(0, 1, (40, width))
    data = exported(net, torch.zeros(2, *shape))
    result, _, found = asked(inspect, data, rows)
    expected = answers(net, torch.tensor(rows.reshape(40, *shape)).float())
    assert len(result.signature.inputs) == width
    np.testing.assert_allclose(
        found.predictions.reshape(40, -1), expected, rtol=1e-5, atol=1e-5
    )


def test_double_precision_stays_double(inspect: Inspect):
    net = dense(1, softmax=False).double()
    data = exported(net, torch.zeros(2, 4, dtype=torch.float64))
    _, _, found = asked(inspect, data, ROWS)
    expected = answers(net, torch.tensor(ROWS))[:, 0]
    np.testing.assert_allclose(found.predictions, expected, rtol=1e-12)


def test_a_net_in_training_mode_is_refused(inspect: Inspect):
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1)).train()
    program = torch.export.export(net, (torch.zeros(2, 4),), dynamic_shapes=(MANY,))
    out = io.BytesIO()
    torch.export.save(program, out)
    with pytest.raises(ModelUnusable, match=r"eval\(\)"):
        inspect(out.getvalue())


def test_a_list_of_tensors_is_refused(inspect: Inspect):
    class Listed(nn.Module):  # type: ignore[misc]
        def forward(self, parts: list[Any]) -> Any:
            return parts[0] + parts[1]

    program = torch.export.export(Listed(), ([torch.zeros(2, 4), torch.zeros(2, 4)],))
    out = io.BytesIO()
    torch.export.save(program, out)
    with pytest.raises(ModelUnusable, match="one argument for each tensor"):
        inspect(out.getvalue())


def test_a_script_of_unknown_width_asks_for_names(inspect: Inspect):
    class Own(nn.Module):  # type: ignore[misc]
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.view(-1, 3).sum(dim=1)

    with pytest.raises(ModelUnusable, match="Name its columns"):
        inspect(scripted(Own()))
    assert inspect(scripted(Own()), names=["a", "b", "c"]).signature.names == (
        "a",
        "b",
        "c",
    )


@pytest.mark.parametrize("name", ["net.pt2", "script.pt"])
def test_the_committed_files_are_served(inspect: Inspect, name: str):
    result = inspect(real(name), name)
    assert result.flavour == "torch"
    assert len(result.signature.inputs) == 4
    assert result.spec.scores == "probabilities"


def test_the_operators_on_the_list_exist():
    from foretell.models.gate.tensor_ops import ATEN, RANDOM

    known = {
        schema.name.removeprefix("aten::")
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.startswith("aten::")
    }
    assert sorted((ATEN | RANDOM) - known) == []
