"""One server alone, without a balancer: `async with alone(folder) as house:` to try it by hand, or under attack."""

from contextlib import asynccontextmanager

from .judge.house import House


@asynccontextmanager
async def alone(folder, **settings):
    """Run the `auction.py` of `folder` as one server; `house.url` is its address, `house.admit(user)` gives a token."""
    house = House(folder, servers=1, balanced=False, **settings)
    try:
        yield await house.open()
    finally:
        await house.close()
