"""A class with generators and lists of clients for each server; says something at `down` and `close`, too."""

from itertools import cycle


class Balancer:
    def __init__(self, policy, n):
        self.clients = {server: [] for server in range(n)}
        self.turns, self.policy = cycle(range(n)), policy

    def open(self, client):
        if not self.clients:
            return None
        if self.policy == "round_robin":
            server = next(server for server in self.turns if server in self.clients)
        else:
            server = sorted((len(clients), server) for server, clients in self.clients.items())[0][1]
        self.clients[server].append(client)
        return server

    def msg(self, client):
        return next((server for server, clients in self.clients.items() if client in clients), None)

    def close(self, client):
        server = self.msg(client)
        self.clients[server].remove(client)
        return server

    def down(self, server):
        del self.clients[server]
        return "down"


def where(events, policy, n):
    balancer = Balancer(policy, n)
    return [getattr(balancer, kind)(argument) for kind, argument in events]
