async def ask(url, question):
    async with connect(url) as ws:
        ...  # 1 send the question: one word is missing in front of  ws.send(question)
        return await ws.recv()  # 2 return the answer
