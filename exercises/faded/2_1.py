def predict_timeline(delays, mode):
    ids = list(range(len(delays)))
    if mode == "sequential":
        order = ids  # one after the other, as they came
        seconds = ...  # how long do all of them take, one after the other?
    else:
        order = sorted(ids, key=...)  # whose work is done first?
        seconds = max(delays, default=0.0)
    return order, seconds
