"""2.1 concurrent: for delays {delays} the server answered {real}, you said {yours}. With a task per message the shortest finishes first."""


def predict_timeline(delays, mode):
    seconds = sum(delays) if mode == "sequential" else max(delays, default=0.0)
    return list(range(len(delays))), seconds
