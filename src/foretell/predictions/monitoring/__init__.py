"""Watches served versions: calls, errors, latency, predictions and drift by day.

A call leaves references to its body and its answer in a bounded log (`recording.py`);
what they hold is counted into the bins of the version (`counting.py`) off the path of
answers and stored as one row for each version, day and process (`store.py`), which are
added up when somebody asks (`summaries.py`).
"""
