"""RQ's job."""

from benchmarks.peers.marks import mark

marked = mark
