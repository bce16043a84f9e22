"""Starts `serving`, its nursery first, as `foretell serve` does."""

import asyncio

from foretell.jobs import head_start

if __name__ == "__main__":
    head_start.begin("tests.jobs.work:compose")
    from tests.jobs.serving import main

    asyncio.run(main())
