"""T2: fails only across servers ({i}, {j}); a lock does not reach another process."""

OLD = """\
        while True:
            lot, version = await self.store.get(f"lot:{name}")
            accepted = lot.setdefault("accepted", {})
            if request in accepted:  # asked again: the answer is the same
                break
            if not lot["open"]:
                raise Refused("closed_lot")
            if amount <= lot["price"]:
                raise Refused("too_low", price=lot["price"])
            seq = accepted[request] = lot["seq"] + 1
            lot |= {"price": amount, "leader": bidder.user, "seq": seq}
            event = {"lot": name, "seq": seq, "user": bidder.user, "amount": amount}
            if await self.store.put(f"lot:{name}", lot, version, event):
                break
            await asyncio.sleep(random.uniform(0, 0.02))  # another server was quicker: look again
"""

NEW = """\
        async with self.__dict__.setdefault("lock", asyncio.Lock()):
            while True:
                lot, version = await self.store.get(f"lot:{name}")
                accepted = lot.setdefault("accepted", {})
                if request in accepted:  # asked again: the answer is the same
                    break
                if not lot["open"]:
                    raise Refused("closed_lot")
                if amount <= lot["price"]:
                    raise Refused("too_low", price=lot["price"])
                seq = accepted[request] = lot["seq"] + 1
                lot |= {"price": amount, "leader": bidder.user, "seq": seq}
                event = {"lot": name, "seq": seq, "user": bidder.user, "amount": amount}
                if await self.store.put(f"lot:{name}", lot, (await self.store.get(f"lot:{name}"))[1], event):
                    break
                await asyncio.sleep(random.uniform(0, 0.02))  # another server was quicker: look again
"""
