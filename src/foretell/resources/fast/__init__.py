"""The fast path: resources on PostgreSQL, in front of FastAPI and without SQLAlchemy.

It answers a request that is right; whatever else a request may be, it hands on to
the routes, with the body. So every refusal is said in one place, and a request that
is refused has changed nothing before.
"""
