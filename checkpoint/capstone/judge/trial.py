"""What a trial is, what can come of one, and the scene that it plays in.

A trial is `async def t1(scene)`, registered with `@trial(...)`: it returns when it is content and raises `Wrong` when
it is not. `Scene` gives it lots, bidders and the learner's clients, all with names and numbers from the seed.

Rules of this file: whatever the learner's code does, nothing but positive evidence is a pass.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wslab.engines.nats import NAME as BUS
from wslab.feedback import NoAnswer, Wrong
from wslab.recording import Recording
from wslab.trace import Trace

from .bidder import Bidder, dial
from .house import House
from .processes import Refused

LOTS = "violin clock vase atlas globe lamp chess carpet compass harp mirror sextant teapot tapestry".split()
NAMES = "ada bob cleo dan eve finn gus hana ivo jun kira leo mona nils olga pia quin rosa sven tess".split()
ENOUGH_S = 2.0


@dataclass(frozen=True)
class Trial:
    """One behaviour that is tried; `play` plays it, once for each of `rounds` seeds."""

    name: str
    title: str
    milestone: int
    limit_s: float
    needs: str
    play: Callable[["Scene"], Awaitable[None]]
    place: Callable = House  # where it plays: called with the learner's folder
    alone: bool = False  # it wants a place of its own
    rounds: int = 1

    @property
    def core(self):
        return self.name in ("T1", "T3", "T5", "T6", "T9")

    @property
    def marked(self):
        return int(self.name[1:]) <= 10


TRIALS: dict[str, Trial] = {}


def trial(name, title, *, milestone, needs="server", limit_s=30.0, **options):
    """Register a trial."""

    def register(play):
        TRIALS[name] = Trial(name, title, milestone, limit_s, needs, play, **options)
        return play

    return register


class Scene:
    """One trial in a house. `random` is seeded; every name is new to the house."""

    def __init__(self, house, name, seed):
        self.house, self.name = house, name
        self.random = random.Random(f"{seed} {name}")
        self.recording = None
        self.lots = []
        self.bidders = []
        self.heard = {}  # what came into the `events` of each client of the learner's
        self._tasks = []
        self._names = self.random.sample(NAMES, len(NAMES))

    def wrong(self, line, **facts):
        """The exception to raise: the feedback line, after the trial's name."""
        return Wrong(f"{self.name}: {line}", **facts)

    def user(self):
        """The name of somebody new."""
        if self._names:
            return f"{self._names.pop()}{self.random.randrange(10, 100)}"
        return f"bidder{self.random.randrange(10**6)}"

    async def lot(self, price=0, opened=True, name=""):
        """Put up a lot; returns its name."""
        name = name or f"{self.random.choice(LOTS)}-{self.random.randrange(10**6)}"
        self.lots.append(name)
        await self.house.offer(name, price, opened)
        return name

    async def stranger(self, name=None, **options):
        """A connection that has not said who it is."""
        name = name or self.user()
        bidder = Bidder(await dial(options.pop("url", self.house.url), name, **options), name)
        self.bidders.append(bidder)
        return bidder

    async def bidder(self, user=None, *, token=None, lasts_s=600.0, **options):
        """A bidder who is welcome."""
        user = user or self.user()
        token = token or await self.house.admit(user, lasts_s)
        bidder = await self.stranger(options.pop("name", user[:24]), **options)
        bidder.user, bidder.token = user, token
        welcome = await bidder.ask("auth", {"token": token})
        if welcome.get("type") != "welcome":
            raise self.wrong(f"a good token was answered {shown(welcome)}, expected a welcome.")
        return bidder

    async def bidders_everywhere(self, lot=None, count=3):
        """Bidders, `count` of them on as many servers, by server; with `lot` they have joined it."""
        found = {}
        for _ in range(4 * count):
            bidder = await self.bidder()
            server = self.house.server_of(bidder.name)
            if server in found:
                await bidder.leave()
            else:
                found[server] = bidder
                if lot is not None:
                    await self.join(bidder, lot)
            if len(found) == count:
                return dict(sorted(found.items(), key=lambda item: item[0].name))
        raise NoAnswer("the balancer found no way to some of the servers.")

    async def join(self, bidder, lot, after=None):
        """Have `bidder` join; returns the body of `joined`."""
        joined = await bidder.ask("join", {"lot": lot, "after": after})
        if joined.get("type") != "joined":
            raise self.wrong(f"join was answered {shown(joined)}, expected joined.")
        return joined["body"]

    async def bid(self, bidder, lot, amount, **more):
        """Have `bidder` bid; returns the seq of the accepted bid."""
        accepted = await bidder.ask("bid", {"lot": lot, "amount": amount, **more})
        if accepted.get("type") != "accepted" or type(accepted["body"].get("seq")) is not int:
            raise self.wrong(f"a bid of {amount} was answered {shown(accepted)}, expected accepted, with its seq.")
        return accepted["body"]["seq"]

    async def client(self, lot=None):
        """The name of a new client of the learner's, connected, and with `lot` joined."""
        clients = await self.house.drive()
        clients.told = self._hear
        user = self.user()
        self.heard[user] = []
        token = await self.house.admit(user)
        await self.order("connect", client=user, url=f"{self.house.url}/?name={user}", token=token)
        if lot is not None:
            await self.order("join", client=user, lot=lot)
        return user

    async def rivals_client(self, rival, within=5.0):
        """The name of a new client of the learner's, connected to the judge's own server."""
        await self.house.drive()
        user = self.user()
        await self.order("connect", within, client=user, url=rival.url(user), token=self.house.token())
        return user

    async def order(self, do, within=ENOUGH_S, **arguments):
        """Have a client of the learner's do something."""
        try:
            return await self.house.clients.ask(do, within, **arguments)
        except Refused as exc:
            raise self.wrong(f"AuctionClient.{do}() raised {exc}.") from None
        except NoAnswer as exc:
            raise NoAnswer(f"AuctionClient.{exc}") from None

    def _hear(self, fact):
        if fact.get("client") in self.heard:
            self.heard[fact["client"]].append(fact["event"])

    def own_recording(self):
        """The recording without what other scenes left in the house: their connections, and the bus for their lots."""
        if self.recording is None or not (self.lots and self.recording.servers):
            return self.recording
        lots = [lot.encode() for lot in self.lots]
        names = [name[:24] for name in (*self.heard, *(bidder.name for bidder in self.bidders))]

        def own(event):
            if event.tap == BUS:
                return any(lot in event.raw for lot in lots)
            return any(event.connection == name or event.connection.startswith(f"{name} ") for name in names)

        trace = Trace(event for event in list(self.recording.trace) if own(event))
        return Recording(trace, title=self.recording.title)

    def spawn(self, work):
        """Have something done meanwhile; it ends with the scene."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def end(self):
        """Let everybody leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for bidder in self.bidders:
            bidder.abort()


def shown(message):
    """A message in short, as it stands in a line of feedback."""
    kind, body = message.get("type"), message.get("body")
    code = body.get("code") if isinstance(body, dict) else None
    return f"{kind} {code}" if code else f"{kind}"
