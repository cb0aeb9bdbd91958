"""What a graded kernel has instead of its output streams: nobody compares what is printed, so none of it is kept.

However much a cell prints, neither the kernel nor nbval has to hold it. ipykernel takes this class by its
`IPKernelApp.outstream_class`.
"""

from __future__ import annotations

from ipykernel.iostream import OutStream


class Silent(OutStream):
    """A stream into which anything may be written, and which sends nothing."""

    def write(self, string: str) -> int:
        """Take `string` as a stream would, and forget it."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        return len(string)
