"""T15: idle connections died with 1006 at {seconds} s."""

OLD = """\
        options |= {"ping_interval": self.settings.heartbeat_s, "ping_timeout": self.settings.silence_s}
"""

NEW = """\
        options |= {"ping_interval": None}
"""
