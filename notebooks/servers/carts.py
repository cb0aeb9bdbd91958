"""Three servers of one shop. They differ in one thing: where a customer's cart is between two requests."""

import asyncio
import os
import sqlite3
from contextlib import closing

from wslab.sources import watch_sql


async def stateless(ws):  # 1 accept
    async for text in ws:  # 2 read, such as "cart: tea + jam"
        cart, item = text.split(" + ")  # 3 decide
        await ws.send(f"{cart} {item}")  # 4 answer
    # 5 clean up: nothing was kept


carts = {}


async def in_memory(ws):  # 1 accept
    name = None
    async for text in ws:  # 2 read, such as "open ada", "add tea", "resume ada"
        command, value = text.split()  # 3 decide
        if command != "add":
            name = value
        if command == "open":
            carts[name] = "cart:"  # save state
        cart = carts.get(name)  # retrieve state
        if command == "add" and cart:
            cart = f"{cart} {value}"
            carts[name] = cart  # update state
        await ws.send(cart or "error: no session")  # 4 answer
    # 5 clean up: nothing, the cart is to stay


def ask(statement, *values):
    with closing(sqlite3.connect(os.environ["WSLAB_DATABASE"], isolation_level=None)) as database:
        return watch_sql(database).execute(statement, values).fetchall()


def save(name):
    ask("INSERT OR REPLACE INTO carts VALUES (?, 'cart:')", name)
    return "cart:"


def retrieve(name):
    found = ask("SELECT cart FROM carts WHERE name = ?", name)
    return found[0][0] if found else None


def update(name, item):
    cart = retrieve(name)
    if cart:
        cart = f"{cart} {item}"
        ask("UPDATE carts SET cart = ? WHERE name = ?", cart, name)
    return cart


async def in_store(ws):  # 1 accept
    name = None
    async for text in ws:  # 2 read
        command, value = text.split()  # 3 decide
        if command != "add":
            name = value
        if command == "open":
            cart = await asyncio.to_thread(save, name)
        elif command == "resume":
            cart = await asyncio.to_thread(retrieve, name)
        else:
            cart = await asyncio.to_thread(update, name, value)
        await ws.send(cart or "error: no session")  # 4 answer
    # 5 clean up: nothing, the cart is to stay
