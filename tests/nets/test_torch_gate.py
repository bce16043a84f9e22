"""What PyTorch files may hold: read without PyTorch, from files that it wrote."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate.archives import Archive
from foretell.models.gate.exported import Exported, read_exported
from foretell.models.gate.machine import Findings
from foretell.models.gate.tensor_ops import judge_target
from foretell.models.gate.torchscript import Script, read_script
from foretell.plugins.flavours.torch import TorchFlavour
from foretell.plugins.flavours.torch_programs import check_program

from ..models.gate import hostile
from .editing import edited, member, members, real, walk, with_json
from .inspecting import MARKER, Inspect

PROGRAM = "models/model.json"
WEIGHTS = "model_weights_config.json"


def exported(data: bytes, folder: Path) -> Exported:
    path = folder / "artifact"
    path.write_bytes(data)
    with Archive(path) as archive:
        root = next(iter(archive.sizes)).partition("/")[0] + "/"
        return read_exported(archive, root)


def script(data: bytes, folder: Path) -> Script:
    path = folder / "artifact"
    path.write_bytes(data)
    with Archive(path) as archive:
        root = next(iter(archive.sizes)).partition("/")[0] + "/"
        return read_script(archive, root, Findings(()))


# -- exported programs ---------------------------------------------------------------


def test_a_program_as_torch_writes_it_is_safe(tmp_path):
    found = exported(real("net.pt2"), tmp_path)
    assert found.verdict.reasons == []
    assert found.verdict.outcome == "safe"
    assert found.verdict.libraries["torch"].startswith("2.")
    assert all(name.startswith("data/weights/weight_") for name in found.payloads)


def test_nothing_stays_that_an_answer_does_not_need(tmp_path):
    kept: list[dict[str, Any]] = []
    program = exported(real("net.pt2"), tmp_path).program
    walk(program, "metadata", kept.append)
    assert kept
    assert all(one["metadata"] == {} for one in kept)
    assert program["guards_code"] == []


def test_a_program_says_what_it_takes(tmp_path):
    called = check_program(exported(real("net.pt2"), tmp_path).program)
    (tensor,) = called.tensors
    assert (tensor.shape, tensor.dtype) == ((4,), "float32")
    assert called.limits.most is None
    assert called.warnings == []


def set_all(key: str, value: Any) -> Callable[[Any], None]:
    return lambda found: walk(found, key, lambda one: one.__setitem__(key, value))


def set_first(key: str, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        holders: list[dict[str, Any]] = []
        walk(found, key, holders.append)
        holders[0][key] = value

    return change


def write(marker: Path) -> str:
    return f"__import__('os').system('touch {marker}')"


def rename_a_parameter(found: Any) -> None:
    specs = found["graph_module"]["signature"]["input_specs"]
    specs[0]["parameter"]["parameter_name"] = "__class__.weight"


PROGRAM_EDITS: dict[str, Callable[[Any], None]] = {
    "a function as an operator": set_first("target", "torch.os.system"),
    "a method of a module": set_first("target", "torch.serialization.load"),
    "an extension": set_first("target", "#extension:evil"),
    "an operator that opens files": set_first(
        "target", "torch.ops.aten.from_file.default"
    ),
    "code as a size": set_first("expr_str", write(MARKER)),
    "a call as a size": set_first("expr_str", "exec(s0)"),
    "an endless size": set_first("expr_str", "9**9**9**9"),
    "code as a name": set_first("name", f"x): {write(MARKER)}  #"),
    "an attribute of classes": rename_a_parameter,
    "code in the form of arguments": set_all(
        "in_spec",
        '[1, {"type": "builtins.dict", "context": '
        '"{\\"__enum__\\": true, \\"fqn\\": \\"os:system\\"}", "children_spec": []}]',
    ),
    "an unknown form": set_all("out_spec", '[2, {"type": "x"}]'),
    "objects of its own": set_all(
        "custom_obj_values", {"o": {"name": "o", "class_fqn": "evil.Class"}}
    ),
    "text that is no text": set_first(
        "arg", {"as_string": "a\x00b"}  # as an argument of the first node
    ),
}


@pytest.mark.parametrize("name", sorted(PROGRAM_EDITS))
def test_a_program_with_something_else_is_refused(
    name: str, tmp_path: Path, inspect: Inspect
):
    data = with_json(real("net.pt2"), PROGRAM, PROGRAM_EDITS[name])
    verdict = exported(data, tmp_path).verdict
    assert not verdict.is_admitted
    assert verdict.reasons
    with pytest.raises(ModelRefused):
        inspect(data)


@pytest.mark.parametrize(
    "name", [n for n in PROGRAM_EDITS if "own" not in n and "unknown" not in n]
)
def test_what_would_run_is_hostile(name: str, tmp_path: Path):
    data = with_json(real("net.pt2"), PROGRAM, PROGRAM_EDITS[name])
    assert exported(data, tmp_path).verdict.outcome == "hostile"


def test_guards_are_code_and_stay_behind(tmp_path):
    data = with_json(real("net.pt2"), PROGRAM, set_all("guards_code", [write(MARKER)]))
    found = exported(data, tmp_path)
    assert found.verdict.is_admitted
    assert found.program["guards_code"] == []


def weight(change: Callable[[dict[str, Any]], None]) -> bytes:
    def edit(found: Any) -> None:
        change(next(iter(found["config"].values())))

    return with_json(real("net.pt2"), WEIGHTS, edit)


def longer(entry: dict[str, Any]) -> None:
    entry["tensor_meta"]["sizes"] = [{"as_int": 1 << 40}]
    entry["tensor_meta"]["strides"] = [{"as_int": 1}]


WEIGHT_EDITS: dict[str, bytes] = {
    "a pickle": weight(lambda one: one.update(use_pickle=True)),
    "another place": weight(lambda one: one.update(path_name="../../weight_0")),
    "more than there is": weight(longer),
    "sparse": weight(lambda one: one["tensor_meta"].update(layout=1)),
    "a missing member": weight(lambda one: one.update(path_name="weight_77")),
}


@pytest.mark.parametrize("name", sorted(WEIGHT_EDITS))
def test_weights_that_are_no_raw_items_are_refused(name: str, tmp_path: Path):
    assert exported(WEIGHT_EDITS[name], tmp_path).verdict.outcome == "hostile"


def root_of(data: bytes) -> str:
    return next(iter(members(data))).partition("/")[0]


@pytest.mark.parametrize(
    "inner",
    [
        "data/aotinductor/model/evil.so",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0",
        "data/weights/model.pt",
        "data/evil.pkl",
        "extra/evil.pkl",
        "models/second.json",
    ],
)
def test_members_with_code_or_pickles_are_refused(inner: str, inspect: Inspect):
    data = real("net.pt2")
    bad = edited(
        data, {f"{root_of(data)}/{inner}": pickle.dumps(hostile.system(MARKER))}
    )
    with pytest.raises(ModelRefused):
        inspect(bad)


def test_a_pickle_beside_the_folder_is_refused(inspect: Inspect):
    bad = edited(real("net.pt2"), {"evil.pkl": pickle.dumps(hostile.system(MARKER))})
    with pytest.raises(ModelRefused) as refusal:
        inspect(bad, "net.pt2")
    assert refusal.value.context["safety"]["reasons"][0]["code"] == "second_pickle"


def test_a_hostile_example_is_refused_though_it_is_never_loaded(inspect: Inspect):
    data = real("net.pt2")
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as target:
        target.writestr("a/data.pkl", pickle.dumps(hostile.system(MARKER)))
    bad = edited(data, {member(data, "sample_inputs/model.pt"): nested.getvalue()})
    with pytest.raises(ModelRefused, match=r"posix\.system"):
        inspect(bad)


def test_an_unknown_operator_may_be_trusted_but_is_named(tmp_path):
    change = set_first("target", "torch.ops.mylib.sharpen.default")
    verdict = exported(with_json(real("net.pt2"), PROGRAM, change), tmp_path).verdict
    assert verdict.outcome == "unknown"
    assert verdict.reasons[0].name == "torch.ops.mylib.sharpen.default"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("torch.ops.aten.linear.default", None),
        ("torch.ops.aten.add_.Tensor", None),
        ("_operator.getitem", None),
        ("torch.ops.aten.rand.default", "random_op"),
        ("torch.ops.aten.from_file.default", "dangerous_op"),
        ("torch.ops.aten.set_.source_Storage", "dangerous_op"),
        ("torch.load", "dangerous_op"),
        ("torch.ops.aten.linear.default.__globals__", "dangerous_op"),
        ("torch.ops.aten.linear.__class__", "dangerous_op"),
        ("torch.ops.aten.__class__", "dangerous_op"),
        ("_operator.methodcaller", "dangerous_op"),
        ("math.factorial", "dangerous_op"),
    ],
)
def test_operators_are_judged_by_name(target: str, code: str | None):
    assert judge_target(target) == code


def test_a_program_in_training_mode_says_so(tmp_path):
    def mutate(found: Any) -> None:
        outputs = found["graph_module"]["signature"]["output_specs"]
        outputs.append({"buffer_mutation": {"arg": {"name": "b"}, "buffer_name": "b"}})

    data = with_json(real("net.pt2"), PROGRAM, mutate)
    with pytest.raises(ModelUnusable, match=r"net\.eval\(\)"):
        check_program(exported(data, tmp_path).program)


def test_a_fixed_number_of_rows_is_kept_and_told(tmp_path):
    def fix(found: Any) -> None:
        for meta in found["graph_module"]["graph"]["tensor_values"].values():
            meta["sizes"] = [
                {"as_int": 2} if "as_expr" in size else size for size in meta["sizes"]
            ]

    data = with_json(real("net.pt2"), PROGRAM, fix)
    called = check_program(exported(data, tmp_path).program)
    assert (called.limits.least, called.limits.most) == (2, 2)
    assert "dynamic_shapes" in called.warnings[0]


# -- TorchScript ---------------------------------------------------------------------


def test_a_script_as_torch_writes_it_is_gated(tmp_path):
    found = script(real("script.pt"), tmp_path)
    assert found.verdict.reasons == []
    assert found.verdict.outcome == "gated"
    assert "data.pkl" in found.members
    assert not any(name.endswith("debug_pkl") for name in found.members)


def code_edit(line: str) -> bytes:
    """The script with one more line at the start of a `forward`."""
    data = real("script.pt")
    files = {
        name: text
        for name, text in members(data).items()
        if name.endswith(".py") and b"def forward" in text
    }
    name, text = next(iter(files.items()))
    head, found, rest = text.partition(b") -> Tensor:\n")
    assert found
    return edited(data, {name: head + found + line.encode() + b"\n" + rest})


SCRIPT_EDITS = {
    "reads a file": code_edit('    f = torch.from_file("/etc/passwd", False, 10)'),
    "writes a file": code_edit('    f = torch.save(input, "/tmp/evil")'),
    "writes by aten": code_edit('    f = ops.aten.save(input, "/tmp/evil")'),
    "imports": code_edit("    import os"),
    "evaluates": code_edit('    f = eval("1")'),
    "opens": code_edit('    f = open("/etc/passwd")'),
    "has a lambda": code_edit("    f = (lambda: 1)()"),
    "calls a method of nothing": code_edit("    f = input.tofile()"),
}


@pytest.mark.parametrize("name", sorted(SCRIPT_EDITS))
def test_a_script_that_reaches_out_is_hostile(
    name: str, tmp_path: Path, inspect: Inspect
):
    assert script(SCRIPT_EDITS[name], tmp_path).verdict.outcome == "hostile"
    with pytest.raises(ModelRefused):
        inspect(SCRIPT_EDITS[name])


def test_an_operator_of_another_library_is_unknown(tmp_path):
    found = script(code_edit("    f = ops.mylib.sharpen(input)"), tmp_path)
    assert found.verdict.outcome == "unknown"
    assert found.verdict.reasons[0].name == "ops.mylib.sharpen"


@pytest.mark.parametrize(
    "inner", ["evil.pkl", "code/evil.pyc", "data/evil", "extra/evil.pkl", "x/y"]
)
def test_a_script_with_another_member_is_refused(inner: str, inspect: Inspect):
    data = real("script.pt")
    payload = pickle.dumps(hostile.system(MARKER))
    with pytest.raises(ModelRefused):
        inspect(edited(data, {f"{root_of(data)}/{inner}": payload}))


@pytest.mark.parametrize("which", ["/data.pkl", "/constants.pkl"])
def test_a_hostile_pickle_in_a_script_is_refused(which: str, inspect: Inspect):
    data = real("script.pt")
    payload = pickle.dumps(hostile.system(MARKER), protocol=2)
    with pytest.raises(ModelRefused, match=r"posix\.system"):
        inspect(edited(data, {member(data, which): payload}))


def test_a_server_without_pickles_takes_no_script(inspect: Inspect):
    with pytest.raises(ModelRefused, match="PICKLE=forbid"):
        inspect(real("script.pt"), pickle="forbid")


# -- what is not served ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["weights.pth", "old.pt"])
def test_bare_weights_are_refused_with_what_to_export(name: str, inspect: Inspect):
    with pytest.raises(ModelRefused, match="only weights") as refusal:
        inspect(real(name), name)
    assert "torch.export.save(torch.export.export(" in str(refusal.value)
    assert refusal.value.context["safety"]["reasons"][0]["code"] == "state_dict"


def test_a_pickled_net_is_refused_with_its_class(inspect: Inspect):
    with pytest.raises(ModelRefused, match="pickled net") as refusal:
        inspect(real("module.pt"), "module.pt")
    assert "torch.nn.modules" in str(refusal.value)
    assert "torch.export.save(torch.export.export(" in str(refusal.value)


def test_a_hostile_torch_file_is_hostile(inspect: Inspect):
    data = real("weights.pth")
    payload = pickle.dumps(hostile.system(MARKER), protocol=2)
    with pytest.raises(ModelRefused, match=r"posix\.system") as refusal:
        inspect(edited(data, {member(data, "/data.pkl"): payload}))
    assert refusal.value.context["safety"]["outcome"] == "hostile"


def test_a_second_pickle_in_a_torch_file_is_refused(inspect: Inspect):
    data = real("weights.pth")
    payload = pickle.dumps(hostile.system(MARKER), protocol=2)
    bad = edited(data, {f"{root_of(data)}/data/evil.pkl": payload})
    with pytest.raises(ModelRefused, match="second pickle"):
        inspect(bad)


def test_another_zip_archive_is_none_of_ours(inspect: Inspect):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("readme.txt", "hello")
    with pytest.raises(ModelUnreadable):
        inspect(out.getvalue(), "model.pt")


@pytest.mark.parametrize(
    "name", ["net.pt2", "script.pt", "weights.pth", "module.pt", "old.pt"]
)
def test_a_torch_file_is_known_by_its_first_bytes(name: str):
    assert TorchFlavour().recognises(real(name)[:4096], "artifact")


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "lambda.keras"])
def test_a_keras_file_is_not_taken_for_one(name: str):
    assert not TorchFlavour().recognises(real(name)[:4096], "artifact")
