"""The servers of lesson 4. Each runs in several processes at once, and a process shares none of its variables."""

import os

import nats
from websockets import broadcast


async def who(ws):  # 1 accept
    async for _ in ws:  # 2 read
        name = os.environ["WSLAB_SERVER"]  # 3 decide
        await ws.send(name)  # 4 answer
    # 5 clean up: nothing is left to do


members = set()


async def room(ws):
    members.add(ws)  # 1 accept
    try:
        async for text in ws:  # 2 read
            broadcast(members, text)  # 3 decide: it is for everybody; 4 answer
    finally:
        members.discard(ws)  # 5 clean up


async def join():
    global backplane
    backplane = await nats.connect(os.environ["WSLAB_BACKPLANE"], reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    await backplane.subscribe("room", cb=deliver)
    await backplane.flush()


async def deliver(message):
    broadcast(members, message.data.decode())  # 4 answer


async def shared_room(ws):
    members.add(ws)  # 1 accept
    try:
        async for text in ws:  # 2 read
            await backplane.publish("room", text.encode())  # 3 decide: it is for everybody, on all servers
    finally:
        members.discard(ws)  # 5 clean up


async def work(ws):  # 1 accept
    async for text in ws:  # 2 read
        total = sum(number * number for number in range(int(text)))  # 3 decide: without a single await
        await ws.send(str(total))  # 4 answer
    # 5 clean up: nothing is left to do
