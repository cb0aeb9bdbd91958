"""2.1 sequential: the server answered {real}: one handler reads the next message only after finishing the last."""


def predict_timeline(delays, mode):
    seconds = sum(delays) if mode == "sequential" else max(delays, default=0.0)
    return sorted(range(len(delays)), key=lambda number: delays[number]), seconds
