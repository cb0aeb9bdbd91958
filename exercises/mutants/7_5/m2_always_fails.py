"""7.5 always fails: your test rejected every server, also the right ones. A test that cannot pass tests nothing."""


async def leak_test(url):
    assert False, "this server leaks"  # noqa: B011
