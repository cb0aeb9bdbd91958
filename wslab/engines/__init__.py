"""Real engines for what is not ours: server processes, a load balancer, a backplane, and load for them."""

from .binaries import available
from .cluster import running_clusters, start_cluster
from .load import measure, open_idle
from .stored import stored

__all__ = ["available", "measure", "open_idle", "running_clusters", "start_cluster", "stored"]
