"""What a child cannot do, as root and as anyone."""

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from foretell.sandbox.errors import ChildCrashed, SandboxIncomplete
from foretell.sandbox.level import describe, level
from foretell.sandbox.pool import Sandbox

from .children import Number, Text

pytestmark = pytest.mark.skipif(
    not level().complete, reason=f"no full sandbox here: {level().note}"
)

HERE = "tests.sandbox.children"


async def test_a_file_of_the_server_cannot_be_read(any_sandbox):
    with pytest.raises(ChildCrashed, match="PermissionError"):
        await any_sandbox.run(f"{HERE}:read_file", Text("/etc/passwd"), Text)


async def test_a_listed_file_can_be_read_and_its_neighbour_cannot(sandbox, tmp_path):
    (tmp_path / "a").write_text("hello")
    (tmp_path / "b").write_text("secret")
    names = [Text(str(tmp_path / name)) for name in "ab"]
    answer = await sandbox.run(
        f"{HERE}:read_file", names[0], Text, read=[tmp_path / "a"]
    )
    assert answer.text == "hello"
    with pytest.raises(ChildCrashed, match="PermissionError"):
        await sandbox.run(f"{HERE}:read_file", names[1], Text, read=[tmp_path / "a"])


@pytest.mark.parametrize("folder", ["/", "/etc", "/proc", "/root", os.getcwd()])
async def test_folders_cannot_be_listed(sandbox, folder):
    with pytest.raises(ChildCrashed, match="PermissionError"):
        await sandbox.run(f"{HERE}:list_folder", Text(folder), Text)


async def test_the_temporary_folder_of_the_server_cannot_be_written(any_sandbox):
    target = Path(tempfile.gettempdir(), "foretell-sandbox-marker")
    with pytest.raises(ChildCrashed, match="PermissionError"):
        await any_sandbox.run(f"{HERE}:write_file", Text(str(target)), Text)
    assert not target.exists()


async def test_a_readable_folder_cannot_be_written(sandbox, tmp_path):
    with pytest.raises(ChildCrashed, match="PermissionError"):
        await sandbox.run(
            f"{HERE}:write_file", Text(str(tmp_path / "x")), Text, read=[tmp_path]
        )


async def test_the_write_folder_can_be_written_and_is_where_the_child_works(
    any_sandbox, tmp_path
):
    answer = await any_sandbox.run(
        f"{HERE}:write_file", Text("out"), Text, write=[tmp_path]
    )
    assert answer.text == str(tmp_path)
    assert (tmp_path / "out").read_text() == "written"


DENIED = [
    "connect",
    "unix socket",
    "datagram pair",
    "execute",
    "fork",
    "signal the parent",
    "signal the group",
    "symbolic link",
    "hard link",
    "chmod",
    "chown",
    "raise a limit",
    "outlive the parent",
    "memory file",
    "unshare",
    "io_uring_setup",
    "ptrace",
    "bpf",
    "keyctl",
    "userfaultfd",
    "process_vm_readv",
    "mount",
]


@pytest.mark.parametrize("kind", ["fork", "spawn"])
async def test_denied_things_fail_with_an_ordinary_error(kind, tmp_path):
    async with Sandbox(fork=kind == "fork") as sandbox:
        answers = {
            what: (
                await sandbox.run(f"{HERE}:attempt", Text(what), Text, write=[tmp_path])
            ).text
            for what in (DENIED if kind == "fork" else DENIED[:6])
        }
    assert set(answers.values()) == {"PermissionError"}, answers


@pytest.mark.parametrize("what", ["thread", "stream pair"])
async def test_what_libraries_need_still_works(sandbox, what):
    assert (await sandbox.run(f"{HERE}:attempt", Text(what), Text)).text == "done"


async def test_the_environment_holds_no_setting_of_the_server(any_sandbox, monkeypatch):
    answer = await any_sandbox.run(f"{HERE}:environment", Text(), Text)
    assert "canary" not in answer.text
    assert "POLARS_MAX_THREADS=2" in answer.text


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("FORETELL_SECRET_KEY", "canary-1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary-2@h/d")


async def test_descriptors_of_the_server_do_not_reach_the_child(any_sandbox, tmp_path):
    with open(tmp_path / "secret", "w") as file, socket.socket() as open_socket:
        os.set_inheritable(file.fileno(), True)
        os.set_inheritable(open_socket.fileno(), True)
        answer = await any_sandbox.run(f"{HERE}:descriptors", Text(), Text)
    # Nothing to read, the error output twice, the channel.
    assert len(answer.text.split()) == 4


async def test_one_child_does_not_hold_the_channel_of_another(sandbox):
    server = await sandbox.spawn(f"{HERE}:echo", Text())
    answer = await sandbox.run(f"{HERE}:descriptors", Text(), Text)
    assert answer.text == "0 1 2 3"
    assert server.alive


async def test_a_file_above_its_limit_is_not_written(sandbox, tmp_path):
    with pytest.raises(ChildCrashed, match="OSError"):
        await sandbox.run(
            f"{HERE}:write_file",
            Text("out"),
            Text,
            write=[tmp_path],
            file_bytes=3,
        )


async def test_require_runs_where_every_part_holds():
    async with Sandbox(require=True) as sandbox:
        answer = await sandbox.run(f"{HERE}:double", Number(2), Number)
    assert answer == Number(4)


async def test_the_level_of_a_child_is_the_level_that_was_announced(sandbox):
    server = await sandbox.spawn(f"{HERE}:echo", Text())
    assert server.level == level()


def test_the_level_names_what_is_missing():
    bare = describe(None, False)
    assert bare.missing == ("landlock", "seccomp")
    assert not bare.complete
    assert "SANDBOX=require" in str(SandboxIncomplete(bare.missing, bare.note))


def test_importing_the_parent_side_loads_no_data_library():
    import subprocess

    code = "import sys, foretell.sandbox.pool; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"polars", "numpy", "pandas", "pyarrow", "sklearn", "sqlalchemy", "fastapi"}
    assert not heavy & set(done.stdout.split())
