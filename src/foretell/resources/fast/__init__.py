"""The fast path: resources in front of FastAPI.

It answers a request that is right. Whatever else a request may be, it hands on to
the routes, with the body, as long as nothing of the user's own code has run. So
every refusal is said in one place, and a request that is refused has changed nothing.
"""
