#!/usr/bin/python3
"""The example server and its largest messages: they are decoded, and their answers encoded, beside the network thread, in the order of their
connection.

    large_messages_test.py build/release/tests/wslink_example_server [test…]
"""

import asyncio
import http.client
import json
import os
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import websockets  # noqa: E402
from wslink_client import Client, Server, run  # noqa: E402
from patience import PATIENCE, open_socket, until  # noqa: E402

# Sanitizers keep freed memory for a while.
SANITIZED = os.environ.get("WSLINK_TEST_SANITIZED", "0") not in ("", "0")
VALUES = [[n, str(n), n / 3] for n in range(200_000)]  # some 6 MiB, a million values


def get(server, path, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read(), response.headers


async def inbox(server):
    text = (await asyncio.to_thread(get, server, "/metrics?token=" + server.secret))[1].decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("wslink_inbox_bytes ")))


async def others_are_answered_meanwhile(program):
    with Server(program) as server:
        for generation in (1, 2):
            large, small = await Client.open(server, generation), await Client.open(server, generation)
            overtook = 0
            for round in range(20):
                answer = await large.send("bench.echo", VALUES)
                while not answer.done() and not overtook:
                    assert await small.call("bench.echo", round) == round
                    # The message has arrived whole once it is counted, and its answer is still to come.
                    overtook += await inbox(server) > 1 << 20 and not answer.done()
                assert (await asyncio.wait_for(answer, PATIENCE))["result"] == VALUES
                if overtook:
                    break
            assert overtook, "no call was answered while a large message was decoded"
            await large.close()
            await small.close()


async def order_of_a_connection(program):
    with Server(program) as server:
        for generation in (1, 2):
            client = await Client.open(server, generation)
            calls = []
            for n in range(6):
                calls.append(await client.send("bench.echo", VALUES[: 20_000 * (n % 3)] if n % 2 else n, id=f"call:{n}:large"))
                calls.append(await client.send("no.such.method" if n == 3 else "bench.echo", n, id=f"call:{n}:small"))
                calls.append(await client.send("myprotocol.add", VALUES[:20_000], id=f"call:{n}:wrong"))
            await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
            ids = [message["id"] for message in client.arrived if isinstance(message, dict) and str(message.get("id")).startswith("call:")]
            assert ids == [f"call:{n}:{kind}" for n in range(6) for kind in ("large", "small", "wrong")], ids
            for n in range(6):
                assert calls[3 * n].result()["result"] == (VALUES[: 20_000 * (n % 3)] if n % 2 else n)
                assert calls[3 * n + 2].result()["error"]["code"] == -32602, calls[3 * n + 2].result()
            await client.close()


async def answers_before_their_publications(program):
    with Server(program) as server:
        for generation in (1, 2):
            client = await Client.open(server, generation)
            for size in (10, 3 << 20):
                await client.call("wslink.say.hello", "é" * size, id=f"hello:{size}")
                await client.publications(1)
                kinds = [message["id"].split(":")[0] for message in client.arrived if isinstance(message, dict) and "id" in message]
                assert kinds[-2:] == ["hello", "publish"], kinds
                client.published.clear()
            await client.close()


async def refused_messages(program):
    """A large message that is wrong costs its call or its connection, and nothing else."""
    with Server(program) as server:
        other = await Client.open(server, 2)
        client = await Client.open(server, 1)
        for text in ("[" + "0," * 9_000_000 + "0]", '{"a": 1, "a": ' + json.dumps("x" * 400_000) + "}", "[" * 300_000):
            await client.socket.send('{"wslink": "1.0", "id": "rpc:x:1", "method": "bench.echo", "args": [' + text + "], \"kwargs\": {}}")
            future = client.waiting["rpc:x:1"] = asyncio.get_running_loop().create_future()
            assert (await asyncio.wait_for(future, PATIENCE))["error"]["code"] == -32602
        await client.socket.send('[' + '"' + "x" * 400_000)
        await asyncio.wait_for(client.socket.wait_closed(), PATIENCE)
        assert client.socket.close_code == 1007, client.socket.close_code
        assert await other.call("bench.echo", 1) == 1
        await other.close()


async def connections_that_end_meanwhile(program):
    with Server(program) as server:
        text = json.dumps({"wslink": "1.0", "id": "rpc:x:1", "method": "bench.echo", "args": [VALUES], "kwargs": {}})
        for abrupt in (False, True) * 3:
            client = await Client.open(server, 1)
            await client.socket.send(text)
            if abrupt:
                client.socket.transport.abort()
            else:
                await client.close()

        async def empty():
            return await inbox(server) == 0

        await until(empty, "an inbox without bytes")
        client = await Client.open(server, 2)
        assert await client.call("bench.echo", VALUES) == VALUES
        await client.close()
        # A server that stops does not wait for what nobody will read.
        client = await Client.open(server, 1)
        await client.socket.send(text)
        assert await asyncio.to_thread(server.stop) == 0


async def memory_comes_back(program):
    """What decoding has taken is given back to the system when no large message has come for a while."""
    with Server(program) as server:
        client = await Client.open(server, 2)
        await client.call("bench.echo", 1)
        before = most = server.memory()
        done = threading.Event()

        def watch():
            # Beside the calls: when an answer has been read on a busy machine, the memory may have been given back.
            nonlocal most
            while not done.wait(0.005):
                most = max(most, server.memory())

        watching = asyncio.create_task(asyncio.to_thread(watch))
        try:
            for _ in range(4):
                assert await client.call("bench.echo", VALUES * 4) == VALUES * 4
        finally:
            done.set()
            await watching

        async def given_back():
            return server.memory() < before + (most - before) / 4

        assert SANITIZED or most > before + (100 << 20), "the messages were too small to show anything"
        if not SANITIZED:
            await until(given_back, "the memory of decoded messages")
        await client.close()


async def files_in_pieces(program):
    with tempfile.TemporaryDirectory() as folder, Server(program, "--content", folder) as server:
        content = os.urandom(5_000_001)
        with open(os.path.join(folder, "large.bin"), "wb") as file:
            file.write(content)

        def requests():
            assert get(server, "/large.bin")[:2] == (200, content)
            status, body, headers = get(server, "/large.bin", "HEAD")
            assert (status, body, headers["Content-Length"]) == (200, b"", "5000001")
            assert get(server, "/large.bin", headers={"Range": "bytes=600000-1700000"})[:2] == (206, content[600000:1700001])
            assert get(server, "/none.bin")[0] == 404

        await asyncio.to_thread(requests)


TESTS = [others_are_answered_meanwhile, order_of_a_connection, answers_before_their_publications, refused_messages, connections_that_end_meanwhile,
         memory_comes_back, files_in_pieces]

if __name__ == "__main__":
    sys.exit(run(TESTS, sys.argv[1]))
