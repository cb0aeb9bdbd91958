"""What one server is told: plain values, the same for all servers but for `server`, its name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of one server. Times are in seconds."""

    server: str  # "Server 1"
    store: str  # path of the SQLite file that all servers share
    bus: str  # address of the NATS server
    log: str  # file that this server's records go to
    notices: str  # file that notices to the administrator go to
    origins: tuple = ()  # pages that may connect; a client that sends no Origin may, too
    auth_s: float = 1.0  # a client that has not said who it is by then is closed with 4408
    heartbeat_s: float = 0.2  # how often to ping
    silence_s: float = 2.0  # who is silent for so long is gone
    max_bytes: int = 65536  # of one message; a longer one is closed with 1009
    bad_in_a_row: int = 5  # after so many bad messages without a good one: 1008
    per_second: int = 100  # messages of one connection; more are answered with the error "slow_down"
