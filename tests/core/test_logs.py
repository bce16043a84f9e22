"""Logs of an application that somebody else serves."""

import subprocess
import sys

FAULT = """
import logging
from foretell.core.logs import ensure_logs, get_logger

logging.basicConfig()
ensure_logs()

def answer():
    password = "tr0ub4dor"
    raise RuntimeError("no such luck")

try:
    answer()
except RuntimeError as error:
    get_logger("x").error("http.request_failed", request_id="r-1", exc_info=error)
"""


def test_a_fault_is_told_without_the_values_of_variables():
    done = subprocess.run(
        [sys.executable, "-c", FAULT], capture_output=True, text=True, check=True
    )
    told = done.stdout + done.stderr
    assert "http.request_failed" in told
    assert "request_id=r-1" in told
    assert "RuntimeError: no such luck" in told
    assert "tr0ub4dor" not in told
