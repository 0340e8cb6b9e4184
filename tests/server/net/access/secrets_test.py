#!/usr/bin/python3
"""Who tries many secrets waits, whatever connection they come over; who has the right one is let in, from there and from elsewhere.

    secrets_test.py build/release/tests/wslink_example_server [test…]
"""

import asyncio
import http.client
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from wslink_client import Client, Server, run  # noqa: E402
from patience import PATIENCE, until  # noqa: E402

GUESSER, NEIGHBOUR = "192.0.2.1", "192.0.2.2"


def get(server, path, address=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", path, headers={"X-Forwarded-For": address} if address else {})
    response = connection.getresponse()
    return response.status, response.read().decode()


async def counted(server, name):
    text = (await asyncio.to_thread(get, server, "/metrics?token=" + server.secret))[1]
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


async def open_from(server, address, generation, **options):
    return await Client.open(server, generation, extra_headers={"X-Forwarded-For": address}, **options)


async def guess(server, generation):
    client = await open_from(server, GUESSER, generation, hello=False)
    for i in range(5):
        await client.send("wslink.hello", {"secret": f"wrong {i}"}, id=f"system:c0:{i}")
    return client


async def many_wrong_hellos(program):
    with Server(program, "--trusted-proxy", "127.0.0.1") as server:
        guessers = []

        async def some_wait():
            guessers.extend([await guess(server, generation) for generation in (1, 2)])
            return await counted(server, "wslink_delayed_secrets_total") > 0

        await until(some_wait, "a wrong secret that waits")
        assert await counted(server, "wslink_wrong_secrets_total") > 300
        # What was sent behind a hello that waits is answered in turn, and the tokens of HTTP wait in the same queue.
        for generation in (1, 2):
            client = await open_from(server, GUESSER, generation, hello=False)
            welcome = await client.send("wslink.hello", {"secret": server.secret}, id="system:c0:0")
            echo = await client.send("bench.echo", "at last")
            assert (await asyncio.wait_for(welcome, PATIENCE))["result"]["clientID"]
            assert (await asyncio.wait_for(echo, PATIENCE))["result"] == "at last"
            await client.close()
        assert (await asyncio.to_thread(get, server, "/metrics?token=" + server.secret, GUESSER))[0] == 200
        assert (await asyncio.to_thread(get, server, "/healthz?token=whatever", GUESSER)) == (200, "ok")
        neighbour = await open_from(server, NEIGHBOUR, 2)
        assert await neighbour.call("bench.echo", 1) == 1
        await neighbour.close()
        for guesser in guessers:  # each has got its answers, and the close frame behind the fifth
            assert await guesser.closed() == 1008
        assert await asyncio.to_thread(server.stop, PATIENCE) == 0


async def many_wrong_tokens(program):
    with Server(program, "--trusted-proxy", "127.0.0.1") as server:
        async def some_wait():
            for _ in range(10):
                assert (await asyncio.to_thread(get, server, "/metrics?token=wrong", GUESSER))[0] == 401
            return await counted(server, "wslink_delayed_secrets_total") > 0

        # A request without a token is no guess, nor is a token where nobody asks for one.
        for path in ("/metrics", "/healthz?token=wrong"):
            for _ in range(120):
                await asyncio.to_thread(get, server, path, GUESSER)
        assert await counted(server, "wslink_wrong_secrets_total") == 0
        await until(some_wait, "a wrong token that waits")
        assert (await asyncio.to_thread(get, server, "/metrics?token=" + server.secret, GUESSER))[0] == 200
        client = await open_from(server, GUESSER, 1)
        assert await client.call("bench.echo", 1) == 1
        await client.close()
        # One that waits when the server stops holds nobody up.
        waiting = asyncio.create_task(asyncio.to_thread(get, server, "/metrics?token=wrong", GUESSER))
        assert await asyncio.to_thread(server.stop, PATIENCE) == 0
        await asyncio.gather(waiting, return_exceptions=True)


async def none_is_asked_for(program):
    with Server(program, "--no-auth") as server:
        for generation in (1, 2):
            for arguments in ((), ({},), ({"secret": None},), ({"secret": "whatever"},)):
                client = await Client.open(server, generation, hello=False)
                assert (await client.failure("bench.echo", 1)).code == -32000  # hello comes first all the same
                assert (await client.call("wslink.hello", *arguments, id="system:c0:0"))["clientID"]
                assert await client.call("bench.echo", 1) == 1
                await client.close()


if __name__ == "__main__":
    sys.exit(run([many_wrong_hellos, many_wrong_tokens, none_is_asked_for], sys.argv[1]))
