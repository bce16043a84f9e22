"""What jobs have to do whatever brings their ids to workers: one suite for all.

`check_jobs` (of `checks`) runs against a `Desk`: a database, real worker processes
below a supervisor, and an executor with its real broker, or the embedded one.
"""
