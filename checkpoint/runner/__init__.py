"""The checkpoint's runner: what is asked (`items`), judged in a process of its own (`run`, `worker`), and told.

`command` is `wslab checkpoint`; `pytest checkpoint` comes to the same `run` by `conftest.py`. The result is told as
lines (`lines`), JSON, JUnit XML (`junit`) and one HTML file (`page`).
"""
