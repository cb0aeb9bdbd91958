"""2.1 concurrent time: measured {t} s = the longest delay, you said {y} s."""


def predict_timeline(delays, mode):
    order = list(range(len(delays)))
    if mode == "concurrent":
        order.sort(key=lambda number: delays[number])
    return order, sum(delays)
