"""How a run ends, in every way it can."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from foretell.errors import FieldError, NotFound, Throttled
from foretell.sandbox.errors import (
    ChildCrashed,
    ChildFailed,
    ChildKilled,
    ChildOutOfMemory,
    ChildTimedOut,
    SandboxLost,
)
from foretell.sandbox.pool import Sandbox

from .children import Number, Table, Text

HERE = "tests.sandbox.children"

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is watched and processes forked on Linux"
)


def is_running(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def first_report(
    sandbox: Sandbox, function: str
) -> tuple[asyncio.Task[Number], int]:
    """Start a run and wait for the process id that it reports."""
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        sandbox.run(
            f"{HERE}:{function}",
            Number(0),
            Number,
            on_progress=lambda progress: pid.set_result(progress.number),
            progress_type=Number,
        )
    )
    return task, await asyncio.wait_for(pid, 10)


async def test_a_run_returns_what_the_function_returns(any_sandbox):
    assert await any_sandbox.run(f"{HERE}:double", Number(21), Number) == Number(42)


async def test_progress_arrives_in_order_and_may_be_awaited(sandbox):
    seen: list[int] = []

    async def note(progress: Number) -> None:
        await asyncio.sleep(0)
        seen.append(progress.number)

    await sandbox.run(
        f"{HERE}:count_up", Number(500), Number, on_progress=note, progress_type=Number
    )
    assert seen == list(range(500))


async def test_an_error_while_noting_progress_ends_the_run(sandbox):
    def fail(progress: Number) -> None:
        raise KeyError(progress.number)

    with pytest.raises(KeyError):
        await sandbox.run(
            f"{HERE}:hold", Number(0), Number, on_progress=fail, progress_type=Number
        )


async def test_an_error_of_ours_arrives_as_itself(any_sandbox):
    with pytest.raises(NotFound, match=r"No sheet 'x'\.") as caught:
        await any_sandbox.run(f"{HERE}:refuse", Text(), Text)
    assert caught.value.errors == (FieldError("/sheet", "none", "missing"),)
    assert caught.value.context == {"n": 1}


async def test_an_error_keeps_its_own_attributes(sandbox):
    with pytest.raises(Throttled) as caught:
        await sandbox.run(f"{HERE}:throttle", Text(), Text)
    assert caught.value.headers == {"Retry-After": "7"}


async def test_an_error_class_from_elsewhere_becomes_child_failed(sandbox):
    with pytest.raises(ChildFailed, match="Row 3 is odd") as caught:
        await sandbox.run(f"{HERE}:refuse_in_own_words", Text(), Text)
    assert caught.value.context == {"row": 3}


async def test_any_other_exception_names_its_type_and_no_path(sandbox, caplog):
    with pytest.raises(ChildCrashed) as caught:
        await sandbox.run(f"{HERE}:crash", Text("cannot open /srv/data/x.csv"), Text)
    assert "ValueError: cannot open <path>" in caught.value.detail
    assert caught.value.context == {"error_type": "ValueError"}
    assert "Traceback" in caplog.text  # where the operator looks


async def test_an_answer_of_another_shape_is_refused(sandbox):
    with pytest.raises(ChildCrashed):
        await sandbox.run(f"{HERE}:answer_nonsense", Text(), Number)


async def test_a_child_that_breaks_the_protocol_is_refused(sandbox):
    with pytest.raises(ChildCrashed, match="FrameTooLarge"):
        await sandbox.run(f"{HERE}:break_the_protocol", Text(), Text)


@pytest.mark.parametrize(
    ("function", "name"), [("abort", "SIGABRT"), ("segfault", "SIGSEGV")]
)
async def test_a_native_crash_names_its_signal_and_the_next_run_works(
    any_sandbox, function, name
):
    with pytest.raises(ChildKilled, match=name) as caught:
        await any_sandbox.run(f"{HERE}:{function}", Number(0), Number)
    assert caught.value.context == {"signal": name}
    assert await any_sandbox.run(f"{HERE}:double", Number(1), Number) == Number(2)


async def test_an_end_without_an_answer_is_a_crash(sandbox):
    for code in (0, 7):
        with pytest.raises(ChildCrashed, match=f"code {code}"):
            await sandbox.run(f"{HERE}:leave", Number(code), Number)


async def test_a_loop_without_end_is_stopped_by_the_clock(any_sandbox):
    with pytest.raises(ChildTimedOut, match=r"0\.5 s"):
        await any_sandbox.run(f"{HERE}:spin", Number(0), Number, timeout_seconds=0.5)


async def test_a_loop_without_end_is_stopped_by_its_processor_time(sandbox):
    with pytest.raises(ChildTimedOut, match="1 s of processor time"):
        await sandbox.run(f"{HERE}:spin", Number(0), Number, cpu_seconds=1)


@linux_only
@pytest.mark.parametrize("function", ["allocate", "allocate_shared"])
async def test_memory_above_the_limit_is_stopped(sandbox, function):
    size = 3 << 30 if function == "allocate" else 400 << 20
    with pytest.raises(ChildOutOfMemory, match="more than 256 MiB"):
        await sandbox.run(
            f"{HERE}:{function}", Number(size), Number, memory_bytes=256 << 20
        )


@linux_only
async def test_one_huge_allocation_meets_the_net(sandbox):
    with pytest.raises(ChildOutOfMemory):
        await sandbox.run(f"{HERE}:allocate_beyond_the_net", Number(0), Number)


@linux_only
async def test_cancelling_kills_the_child_at_once(any_sandbox):
    task, pid = await first_report(any_sandbox, "spin")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(pid)


@linux_only
async def test_a_killed_zygote_fails_its_runs_and_the_next_call_starts_another(sandbox):
    task, pid = await first_report(sandbox, "hold")
    os.kill(parent_of(pid), signal.SIGKILL)
    with pytest.raises(SandboxLost):
        await task
    await until(lambda: not is_running(pid))
    assert await sandbox.run(f"{HERE}:double", Number(1), Number) == Number(2)


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


PARENT = """
    import asyncio, os
    from foretell.sandbox.pool import Sandbox
    from tests.sandbox.children import Number

    async def main() -> None:
        async with Sandbox(fork={fork}) as sandbox:
            await sandbox.run(
                "tests.sandbox.children:hold", Number(0), Number,
                on_progress=lambda p: print(p.number, flush=True), progress_type=Number,
            )

    asyncio.run(main())
"""


@linux_only
@pytest.mark.parametrize("fork", [True, False])
async def test_children_end_when_the_parent_is_killed(fork):
    code = textwrap.dedent(PARENT.format(fork=fork))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(next(line for line in parent.stdout if line.strip().isdigit()))
        between = parent_of(child)
        parent.kill()
    await until(lambda: not is_running(child))
    await until(lambda: between == parent.pid or not is_running(between))


@linux_only
async def test_closing_ends_every_child():
    sandbox = Sandbox()
    task, pid = await first_report(sandbox, "hold")
    await sandbox.close()
    with pytest.raises(SandboxLost):
        await task
    await until(lambda: not is_running(pid))


async def test_many_runs_at_once(sandbox):
    runs = [sandbox.run(f"{HERE}:double", Number(n), Number) for n in range(12)]
    assert await asyncio.gather(*runs) == [Number(2 * n) for n in range(12)]


@linux_only
async def test_a_hundred_runs_leave_no_process_and_no_descriptor(sandbox):
    zygote = (await sandbox.run(f"{HERE}:parent", Number(0), Number)).number
    before = [open_files(pid) for pid in ("self", zygote)]
    for number in range(100):
        function = "abort" if number % 10 == 0 else "double"
        try:
            await sandbox.run(f"{HERE}:{function}", Number(1), Number)
        except ChildKilled:
            assert function == "abort"
    assert children_of(zygote) == []
    # A transport closes its descriptors one turn of the loop after its run ended.
    await until(lambda: open_files("self") <= before[0])
    await until(lambda: open_files(zygote) <= before[1])


def open_files(pid: int | str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def children_of(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()]


@linux_only
async def test_data_libraries_work_after_the_fork(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n")
    preload = [HERE, "polars", "sklearn.ensemble"]
    async with Sandbox(preload=preload) as sandbox:
        for _ in range(2):
            table = await sandbox.run(
                f"{HERE}:read_table",
                Text(str(tmp_path / "t.csv")),
                Table,
                read=[tmp_path],
                timeout_seconds=20,
            )
            assert table.columns == {"x": [2, 6], "y": [2, 4]}
        hits = await sandbox.run(f"{HERE}:fit_forest", Number(5), Number)
    assert hits.number == 54


async def test_a_module_that_cannot_be_preloaded_is_named():
    with pytest.raises(SandboxLost, match="no_such_module"):
        await Sandbox(preload=["no_such_module"]).start()


async def test_a_function_that_is_not_there_is_a_crash(sandbox):
    with pytest.raises(ChildCrashed, match="AttributeError"):
        await sandbox.run(f"{HERE}:nothing", Number(1), Number)


async def test_a_crash_is_told_while_a_long_request_is_on_its_way(sandbox):
    with pytest.raises(ChildCrashed, match="AttributeError"):
        await sandbox.run(f"{HERE}:nothing", Text("x" * 8_000_000), Number)


def test_a_synchronous_worker_keeps_one_runner():
    sandbox = Sandbox()
    with asyncio.Runner() as runner:
        for _ in range(2):
            run = sandbox.run(f"{HERE}:double", Number(2), Number)
            assert runner.run(run) == Number(4)
        runner.run(sandbox.close())


def test_a_second_event_loop_is_refused():
    sandbox = Sandbox()
    with asyncio.Runner() as runner:
        runner.run(sandbox.start())
        with pytest.raises(RuntimeError, match="one event loop"):
            asyncio.run(sandbox.start())
        runner.run(sandbox.close())


async def test_a_request_class_inside_a_function_is_a_mistake_of_the_caller(sandbox):
    class Inner(Number):
        pass

    with pytest.raises(TypeError, match="importable"):
        await sandbox.run(f"{HERE}:double", Inner(1), Number)


async def test_the_event_loop_stays_free_while_a_child_floods_its_outputs(sandbox):
    run = sandbox.run(
        f"{HERE}:flood",
        Number(1),
        Number,
        timeout_seconds=0.5,
        on_progress=lambda progress: None,
        progress_type=Number,
    )
    task = asyncio.create_task(run)
    pauses = []
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        pauses.append(time.perf_counter() - before)
    with pytest.raises(ChildTimedOut):
        await task
    assert sorted(pauses)[len(pauses) // 2] < 0.05


async def test_progress_without_its_class_is_a_mistake_of_the_caller(sandbox):
    with pytest.raises(TypeError, match="go together"):
        await sandbox.run(f"{HERE}:double", Number(1), Number, on_progress=print)


@linux_only
async def test_a_tight_child_is_refused_a_large_allocation_at_once(sandbox):
    with pytest.raises(ChildOutOfMemory):
        await sandbox.run(
            f"{HERE}:map_memory",
            Number(512 << 20),
            Number,
            memory_bytes=256 << 20,
            is_tight=True,
        )
    loose = await sandbox.run(
        f"{HERE}:map_memory", Number(512 << 20), Number, memory_bytes=256 << 20
    )
    assert loose == Number(512 << 20)


async def test_a_native_library_that_runs_out_of_memory_is_told_as_such(sandbox):
    with pytest.raises(ChildOutOfMemory):
        await sandbox.run(f"{HERE}:run_out_in_rust", Number(1), Number)
