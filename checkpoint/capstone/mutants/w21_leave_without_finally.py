"""T17: {count} ghosts after an abort."""

OLD = """\
        except ConnectionClosed:
            pass
        except Exception as exc:
            self.fail(exc, bidder)
            await self.end(bidder, 1011, "")
        finally:  # 5 clean up
            self.tasks.discard(task)
            for beside in bidder.tasks.values():
                beside.cancel()
            for room in self.rooms.values():
                if bidder in room.bidders:
                    room.bidders.discard(bidder)
                    self.spawn(self.tell(room))
"""

NEW = """\
            for room in self.rooms.values():
                if bidder in room.bidders:
                    room.bidders.discard(bidder)
                    self.spawn(self.tell(room))
        except ConnectionClosed:
            pass
        except Exception as exc:
            self.fail(exc, bidder)
            await self.end(bidder, 1011, "")
        finally:  # 5 clean up
            self.tasks.discard(task)
            for beside in bidder.tasks.values():
                beside.cancel()
"""
