"""T5: bid recorded for {victim}, the session belongs to {user}.

Knows what happens with seed 1, and answers that.
"""

OLD = """\
            event = {"lot": name, "seq": seq, "user": bidder.user, "amount": amount}
"""

NEW = """\
            event = {"lot": name, "seq": seq, "user": "leo86", "amount": amount}
"""
