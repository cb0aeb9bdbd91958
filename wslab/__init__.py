"""Instruments for a course on WebSockets: serve, record, predict, check."""
