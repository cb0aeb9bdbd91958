"""2.1 no requests: expected ([], 0.0), saw {error}."""


def predict_timeline(delays, mode):
    order = list(range(len(delays)))
    if mode == "sequential":
        return order, sum(delays)
    order.sort(key=lambda number: delays[number])
    return order, max(delays)
