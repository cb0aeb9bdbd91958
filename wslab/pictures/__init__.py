"""Pictures of a recording: a trace in; text, sentences and PNG out.

No sockets here; matplotlib comes with the first PNG.
"""
