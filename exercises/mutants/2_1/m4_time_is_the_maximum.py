"""2.1 sequential time: measured {t} s = the sum of the delays."""


def predict_timeline(delays, mode):
    order = list(range(len(delays)))
    if mode == "concurrent":
        order.sort(key=lambda number: delays[number])
    return order, max(delays, default=0.0)
