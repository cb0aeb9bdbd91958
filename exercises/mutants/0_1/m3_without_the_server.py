"""0.1 answer: your function returned {returned}, but the server never got a message. The answer has to come from the server: send the question, then return what ws.recv() gives."""


async def ask(url, question):
    return question
