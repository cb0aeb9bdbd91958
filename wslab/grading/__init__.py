"""A grade that honest work can trust: a rebuilt notebook under nbval, judged from outside its kernel.

`grade` rebuilds (`rebuild`), runs (`run`, which starts `worker` and through it `kernel`), judges (`desk`) and decides
(`verdict`). Same user means no sandbox: honest mistakes and casual tampering are caught, and nothing but positive
evidence is a pass.
"""
