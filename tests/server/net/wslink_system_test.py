#!/usr/bin/python3
"""The example server, seen by its clients: hello, errors to the letter, order, attachments, limits, hostile input, the end.

    wslink_system_test.py build/release/tests/wslink_example_server [test…]
"""

import asyncio
import http.client
import json
import math
import os
import random
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import msgpack  # noqa: E402
import websockets  # noqa: E402
from wslink_client import Client, Server, run  # noqa: E402
from patience import PATIENCE, open_socket, until  # noqa: E402

GENERATIONS = (1, 2)
# Sanitizers keep freed memory for a while and take their time: what is measured in bytes and seconds says nothing then.
SANITIZED = os.environ.get("WSLINK_TEST_SANITIZED", "0") not in ("", "0")


async def metric(server, name):
    """What /metrics says of a name, its labels included."""
    text = (await asyncio.to_thread(request, server, "GET", "/metrics?token=" + server.secret))[1].decode()
    return float(next(line.rsplit(" ", 1)[1] for line in text.splitlines() if line.rsplit(" ", 1)[0] == name))


def request(server, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read(), response.headers


async def hello(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation, hello=False)
            failure = await client.failure("bench.echo", 1)
            assert (failure.code, failure.message, failure.data) == (-32000, "Unauthorized: Skip message processing", None)
            failure = await client.failure("wslink.hello", {"secret": "wrong"}, id="system:c0:0")
            assert (failure.code, failure.message) == (-32000, "Authentication failed")
            failure = await client.failure("wslink.hello", id="system:c0:1")
            assert (failure.code, failure.message) == (-32000, "Authentication failed")
            failure = await client.failure("other", id="system:c0:2")
            assert (failure.code, failure.message) == (-32601, "Unknown system method called")
            result = await client.hello(server.secret)
            assert len(result["clientID"]) == 33 and result["clientID"][0] == "c" and result["clientID"].isalpha()
            assert result.get("maxMsgSize") == (4194304 if generation == 2 else None)
            assert await client.hello(server.secret) == result
            failure = await client.failure("wslink.hello", {"secret": "wrong"}, id="system:c0:3")
            assert failure.code == -32000
            assert await client.call("bench.echo", 5) == 5  # a wrong one takes nothing back
            failure = await client.failure("other", id="system:c0:4")
            assert (failure.code, failure.message) == (-32601, "Unknown system method called")
            await client.close()


async def five_wrong_secrets_close(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation, hello=False)
            for i in range(5):
                failure = await client.failure("wslink.hello", {"secret": "wrong"}, id=f"system:c0:{i}")
                assert failure.code == -32000
            assert await client.closed() == 1008


async def errors(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            failure = await client.failure("no.such.method")
            assert (failure.code, failure.message, failure.data) == (-32601, "Unregistered method called", "no.such.method")
            failure = await client.failure("wslink.hello", {"secret": server.secret})
            assert (failure.code, failure.data) == (-32601, "wslink.hello")
            failure = await client.failure("bench.raise", "it broke")
            assert (failure.code, failure.message) == (-32001, "Exception raised")
            assert failure.data == {"method": "bench.raise", "exception": "it broke"}
            failure = await client.failure("bench.unserializable")
            assert (failure.code, failure.message, failure.data) == (-32002, "Method result cannot be serialized", "bench.unserializable")
            for arguments, named in (((), {}), ((1, 2, 3), {}), ((1,), {"a": 2}), ((1,), {"z": 2})):
                assert (await client.failure("bench.kw", *arguments, **named)).code == -32602
            reply = await (await client.send("bench.none"))
            assert "result" in reply and reply["result"] is None
            assert await client.call("bench.echo", "still here") == "still here"
            await client.close()


async def arguments(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            call = client.call
            assert await call("bench.kw", 1) == [1, 2, 3]
            assert await call("bench.kw", 1, 7, c=9) == [1, 7, 9]
            assert await call("bench.kw", b=5, a=4) == [4, 5, 3]
            assert await call("bench.args", 1, "b", x=[2], y=None) == {"args": [1, "b"], "kwargs": {"x": [2], "y": None}}
            assert await call("bench.echo") is None
            assert await call("wslink.say.hello", "you") == "py server: you"
            assert await call("myprotocol.add", [1, 2, 3.5]) == 6.5
            assert await call("myprotocol.mult", [2, 3, 4]) == 24
            assert await call("myprotocol.add", "no list") == 0
            special = await call("myprotocol.special")
            assert special[0] == math.inf and math.isnan(special[1]) and special[2] == -math.inf
            value = {"a": [1, -2, 2**53, -(2**63), 1.5, True, None, "é€𝄞"], "b": {"c": {}}, "d": []}
            assert await call("bench.echo", value) == value
            await client.close()


async def attachments(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            call = client.call
            png = (await call("myprotocol.image"))["blob"]
            assert png.startswith(b"\x89PNG") and png == await call("myprotocol.unwrapped.image")
            assert (await call("myprotocol.image", True))["blob"] != png
            nested = await call("myprotocol.nested.image")
            assert nested == {"image": {"blob": png}, "bytesList": [b"\x01\x02\x03\x04", b"\x05\x06\x07\x08\x09\x0a"]}
            value = {"empty": b"", "deep": [{"x": [b"\x00" * 10, b"abc"]}, b"abc"]}
            assert await call("bench.echo", value) == value
            large = random.randbytes(20 << 20)
            assert await call("bench.echo", large) == large
            assert await call("myprotocol.postbinary", large) == f"received binary data of length {len(large)}"
            assert len((await call("bench.blob", 20 << 20))["data"]) == 20 << 20
            await client.close()


async def order_on_the_wire(program):
    """Answers in the order of the calls, and what a call published behind its answer, also where an earlier call takes its time."""
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            source, expected = random.Random(5), []
            futures = []
            for i in range(300):
                kind = source.choice(("echo", "say", "publish", "sleep", "raise"))
                if kind == "echo":
                    futures.append(await client.send("bench.echo", i))
                elif kind == "say":
                    futures.append(await client.send("wslink.say.hello", str(i)))
                elif kind == "publish":
                    futures.append(await client.send("bench.pubval", f"t{i}", i))
                elif kind == "sleep":
                    futures.append(await client.send("bench.sleep", source.choice((0, 0.002, 0.01)), i))
                else:
                    futures.append(await client.send("bench.raise", str(i)))
                expected.append((kind, f"rpc:{client.client_id}:{client.count}", i))
            await asyncio.wait_for(asyncio.gather(*futures), PATIENCE)
            await client.call("bench.echo", "end")
            places = {}
            for place, message in enumerate(client.arrived):
                if message["id"].startswith("publish:"):
                    topic, result = message["id"].split(":")[1], message["result"]
                    places[("p", result if topic != "wslink.communication.channel" else result.removeprefix("py server: "))] = place
                else:
                    places[message["id"]] = place
            replies = [places[id] for _, id, _ in expected]
            assert replies == sorted(replies), "answers were not in the order of the calls"
            for kind, id, i in expected:
                if kind == "publish":
                    assert places[("p", i)] > places[id]
                elif kind == "say":
                    assert places[("p", str(i))] > places[id]
            await client.close()


async def sleeping_holds_up_nobody_else(program):
    with Server(program) as server:
        slow, other = await Client.open(server, 1), await Client.open(server, 2)
        assert await slow.call("bench.sleep", 0.01, "tag") == "tag"
        pending = await slow.send("bench.sleep", 100_000)
        assert await other.call("bench.echo", 1) == 1
        assert not pending.done()
        await slow.close()
        await other.close()


async def subscriptions(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client, other = await Client.open(server, generation), await Client.open(server, 3 - generation)
            await client.call("bench.pubval", "a", 1)
            assert (await client.publications(1))[0] == ("a", 1) and (await other.publications(1))[0] == ("a", 1)
            assert await client.call("pubsub.subscriptions") == []
            await client.call("pubsub.subscribe", "b", {"file_id": 0})
            assert await client.call("pubsub.subscriptions") == [{"topic": "b", "filter": {"file_id": 0}}]
            await other.call("bench.pubval", "a", 2)
            await other.call("bench.pubval", "b", {"file_id": 1})
            await other.call("bench.pubval", "b", {"file_id": 0, "x": b"bytes"})
            assert (await client.publications(2))[1] == ("b", {"file_id": 0, "x": b"bytes"})
            assert len(await other.publications(4)) == 4
            await client.call("pubsub.unsubscribe", "b")
            await other.call("bench.pubval", "b", {"file_id": 0})
            await other.publications(5)
            await client.call("bench.echo", 1)
            assert len(client.published) == 2
            assert (await client.failure("pubsub.subscribe", "b", 5)).code == -32602
            await client.close()
            await other.close()


async def publications_are_numbered_and_ordered(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            await client.call("bench.pubval", "topic", "v", 5000)
            values = await client.publications(5000)
            assert [value for _, value in values] == [[i, "v"] for i in range(5000)]
            numbers = [int(m["id"].rsplit(":", 1)[1]) for m in client.arrived if m["id"].startswith("publish:")]
            assert numbers == sorted(set(numbers))
            await client.call("bench.publish", "big", 300_000, 50)
            values = (await client.publications(5050))[5000:]
            assert all(len(value["data"]) == 300_000 for _, value in values)
            await client.close()


async def stream(program):
    with Server(program) as server:
        client = await Client.open(server, 2)
        assert await client.call("myprotocol.stream", "pictures") == {"subscribed": "pictures"}
        first, second = await client.publications(2)
        assert first[0] == second[0] == "pictures" and first[1]["blob"] != second[1]["blob"]
        assert await client.call("myprotocol.stop", "pictures") == {"unsubscribed": "pictures"}
        assert await client.call("myprotocol.stop", "pictures") == 0
        await client.close()


async def interleaved_chunks(program):
    with Server(program) as server:
        client = await Client.open(server, 2)
        messages = []
        futures = []
        for i in range(5):
            id = f"rpc:x:{i}"
            futures.append(asyncio.get_running_loop().create_future())
            client.waiting[id] = futures[-1]
            messages.append(client.encode({"wslink": "1.0", "id": id, "method": "bench.echo", "args": [bytes([i]) * 200_000], "kwargs": {}}, 50_000))
        frames = [frame for frames in messages for frame in frames]
        random.Random(1).shuffle(frames)
        for frame in frames:
            await client.socket.send(frame)
        for i, future in enumerate(futures):
            assert (await asyncio.wait_for(future, PATIENCE))["result"] == bytes([i]) * 200_000
        await client.close()


async def hostile_frames(program):
    """Each ends its connection with a code, or gets an answer; another client notices nothing."""
    deep = b"\x91" * 20_000 + b"\xc0"
    nested = b"[" * 20_000 + b"]" * 20_000

    def chunk(data, offset=0, total=None, id=7):
        return struct.pack("<III", id, offset, len(data) if total is None else total) + data

    second = [
        b"short", chunk(b"\xc1\xc1\xc1"), chunk(b"\xdd\xff\xff\xff\xff"), chunk(deep), chunk(b"\x80", 10, 5), chunk(b"ab", 0xFFFFFFFF, 0xFFFFFFFF),
        chunk(b"\x00" * 10, 0, 0xFFFFFFFF), chunk(msgpack.packb([1, 2])), chunk(b"\xdf\xff\xff\xff\xff"), chunk(b"\xc6\xff\xff\xff\xff"),
    ]
    first = ["not json", "[1,2", nested.decode(), '{"wslink":"1.0","method":"wslink.binary.attachment","args":[1]}', "[]", '{"id":1}', '{"id":"a","id":"b"}',
             '{"id":"rpc:c0:1","method":"bench.echo","args":[1e999]}', '{"wslink":"1.0","method":"wslink.binary.attachment","args":["wslink_bin0"]}',
             b"binary without a header"]
    with Server(program) as server:
        witness = await Client.open(server, 2)
        for generation, frames in ((2, second), (1, first)):
            for before_hello in (True, False):
                for frame in frames:
                    client = await Client.open(server, generation, hello=not before_hello)
                    await client.socket.send(frame)
                    try:
                        if not before_hello:
                            await asyncio.wait_for(client.call("bench.echo", 1), 5)
                    except (ConnectionError, websockets.ConnectionClosed):
                        assert client.socket.close_code in (1002, 1003, 1007, 1008, 1009), (frame[:60], client.socket.close_code)
                    except Exception as error:
                        # Half a message, or half an attachment, leaves what follows waiting; that is a time-out's business.
                        assert isinstance(error, asyncio.TimeoutError), (frame[:60], error)
                    await client.close()
                    assert await witness.call("bench.echo", "here") == "here"
        before = server.memory()
        liars = [await Client.open(server, 2) for _ in range(20)]
        for liar in liars:
            for id in range(60):
                await liar.socket.send(chunk(b"x", 0, 200 << 20, id))
            await liar.socket.ping()
        assert await witness.call("bench.echo", "here") == "here"
        assert SANITIZED or server.memory() - before < 50 << 20, "memory was taken for what has only been promised"
        for liar in liars:
            await liar.close()
        await witness.close()


async def limits_before_hello(program):
    with Server(program) as server:
        for generation, frame in ((1, json.dumps({"id": "system:c0:0", "x": "y" * 600})), (2, struct.pack("<III", 1, 0, 600) + b"x" * 588)):
            client = await Client.open(server, generation, hello=False)
            await client.socket.send(frame)
            assert await client.closed() == 1009
        client = await Client.open(server, 2, hello=False)
        await client.socket.send(struct.pack("<III", 1, 0, 513) + b"x" * 100)
        assert await client.closed() in (1002, 1009)


async def half_a_hello_is_not_waited_for(program):
    with Server(program) as server:
        begun = time.monotonic()
        client = await Client.open(server, 1, hello=False)
        assert await client.closed() == 1008
        assert time.monotonic() - begun > 9


async def slow_reader(program):
    """It is closed with 1013 while others go on, and its memory comes back."""
    with Server(program) as server:
        good = await Client.open(server, 2)
        slow = await open_socket(server.url, max_queue=1)
        helper = Client(slow, 2)
        for frame in helper.encode({"id": "system:c0:0", "method": "wslink.hello", "args": [{"secret": server.secret}]}):
            await slow.send(frame)
        await slow.recv()
        slow.transport.pause_reading()
        published = 0
        while await metric(server, "wslink_outbox_overflows_total") == 0:
            published += 1
            assert published < 100, "it is waited for without end"
            await good.call("bench.publish", "t", 4 << 20, 1)
            await good.publications(published)
            good.arrived.clear()
        slow.transport.resume_reading()
        try:
            while True:
                await asyncio.wait_for(slow.recv(), PATIENCE)
        except websockets.ConnectionClosed:
            pass
        assert slow.close_code == 1013 and slow.close_reason

        async def given_back():
            return await metric(server, "wslink_outbox_bytes") == 0

        await until(given_back, "the memory of the slow reader")
        await good.close()


async def unread_replies_close(program):
    with Server(program) as server:
        slow = await Client.open(server, 2, ping_interval=None)
        slow.socket.transport.pause_reading()
        for _ in range(120):
            await slow.send("bench.blob", 1 << 20)

        async def given_up():
            return await metric(server, "wslink_outbox_overflows_total") == 1

        await until(given_up, "the end of its patience")
        slow.socket.transport.resume_reading()
        assert await slow.closed() == 1013


async def fast_publications_to_a_client_that_reads(program):
    with Server(program) as server:
        client = await Client.open(server, 2)
        await client.call("bench.publish", "t", 100, 200_000)
        await client.publications(200_000, timeout=4 * PATIENCE)
        await client.close()


async def heartbeats(program):
    with Server(program) as server:
        client = await Client.open(server, 1, hello=False)
        await client.socket.send("")  # chooses no dialect
        async with client.news:
            await asyncio.wait_for(client.news.wait_for(lambda: client.arrived), PATIENCE)
        assert client.arrived == ["heartbeat"]
        client.generation = 2
        result = await client.hello(server.secret)
        assert result["maxMsgSize"] == 4194304
        await client.close()


async def shut_down(program):
    with Server(program) as server:
        clients = [await Client.open(server, generation) for generation in GENERATIONS]
        last = await clients[1].send("bench.blob", 8 << 20)
        await clients[1].call("bench.echo", 1)
        server.process.send_signal(signal.SIGTERM)
        assert [await client.closed() for client in clients] == [1001, 1001]
        assert len((await last)["result"]["data"]) == 8 << 20
        assert await server.ended() == 0
    with Server(program) as server:  # also with a client that does not answer
        stuck = await Client.open(server, 2, ping_interval=None)
        stuck.socket.transport.pause_reading()
        await stuck.send("bench.blob", 30 << 20)


        async def asked():
            return await metric(server, "wslink_outbox_bytes") > 1 << 20

        await until(asked, "what is not read")
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == 0


async def over_http(program):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "index.html"), "w") as file:
            file.write("<h1>here</h1>")
        with Server(program, "--content", folder) as server:

            def all_requests():
                assert request(server, "GET", "/")[:2] == (200, b"<h1>here</h1>")
                assert request(server, "HEAD", "/")[:2] == (200, b"")
                assert request(server, "GET", "/../etc/passwd")[0] in (400, 404)
                assert request(server, "GET", "/nothing")[0] == 404
                assert request(server, "GET", "/healthz")[:2] == (200, b"ok")
                assert request(server, "GET", "/ws")[0] == 426
                assert request(server, "GET", "/metrics")[0] == 401
                status, body, _ = request(server, "GET", "/metrics?token=" + server.secret)
                assert status == 200 and b"wslink_call_seconds_bucket" in body
                assert request(server, "GET", "/metrics", {"Authorization": "Bearer " + server.secret})[0] == 200
                assert request(server, "GET", "/", {"Host": "evil.example"})[0] == 403

            await asyncio.to_thread(all_requests)
            client = await Client.open(server, 2)
            await client.call("bench.echo", 1)
            await client.failure("no.such.method")
            await client.failure("bench.echo", 1, 2)
            text = (await asyncio.to_thread(request, server, "GET", "/metrics?token=" + server.secret))[1].decode()
            assert 'wslink_call_seconds_count{method="bench.echo"} 2' in text and 'wslink_call_failures_total{method="bench.echo"} 1' in text
            assert 'wslink_call_seconds_count{method="(unknown)"} 1' in text and "no.such.method" not in text
            assert "wslink_connections 1" in text
            await client.close()
            for origin, expected in (("http://evil.example", False), (f"http://127.0.0.1:{server.port}", True)):
                try:
                    await (await open_socket(server.url, origin=origin)).close()
                    assert expected
                except websockets.InvalidHandshake as refused:
                    assert not expected and "403" in str(refused)


async def integers_of_64_bits(program):
    with Server(program) as server:
        for generation in GENERATIONS:
            client = await Client.open(server, generation)
            for number in (2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1, -(2**63)):
                assert await client.call("bench.echo", [number, {"n": number}]) == [number, {"n": number}]
                await client.call("bench.pubval", "numbers", number)
                assert (await client.publications(1)) == [("numbers", number)]
                client.published.clear()
            assert await client.call("myprotocol.add", listOfNumbers=[2**63, 1, -2]) == 2**63 - 1
            assert await client.call("myprotocol.add", [2**63, 2**63 - 1]) == 2**64 - 1
            assert await client.call("myprotocol.mult", listOfNumbers=[2**62, 3]) == 3 * 2**62
            assert await client.call("myprotocol.mult", [2**40, 2**40]) == float(2**80)
            await client.call("pubsub.subscribe", "numbers", {"n": 2**63 + 1})
            for number in (2**63, float(2**63), 2**63 + 1):
                await client.call("bench.pubval", "numbers", {"n": number})
            await client.call("bench.echo", 1)
            assert client.published == [("numbers", {"n": 2**63 + 1})], client.published
            await client.close()


async def connections_from_one_address(program):
    """By default a quarter of all, this machine excepted; told apart here by what a proxy says."""
    with Server(program, "--max-connections", "40", "--trusted-proxy", "127.0.0.1") as server:
        elsewhere = {"X-Forwarded-For": "192.0.2.1"}
        far = [await open_socket(server.url, extra_headers=elsewhere) for _ in range(10)]
        for _ in range(2):
            try:
                await open_socket(server.url, extra_headers=elsewhere)
                raise AssertionError("more than a quarter from one address")
            except websockets.InvalidStatusCode as refused:
                assert refused.status_code == 503
        near = [await open_socket(server.url, extra_headers={"X-Forwarded-For": "127.0.0.2"}) for _ in range(15)]
        for socket_ in far + near:
            await socket_.close()


TESTS = [hello, five_wrong_secrets_close, errors, arguments, attachments, order_on_the_wire, sleeping_holds_up_nobody_else, subscriptions,
         publications_are_numbered_and_ordered, stream, interleaved_chunks, hostile_frames, limits_before_hello, half_a_hello_is_not_waited_for,
         slow_reader, unread_replies_close, fast_publications_to_a_client_that_reads, heartbeats, shut_down, over_http, integers_of_64_bits,
         connections_from_one_address]

if __name__ == "__main__":
    sys.exit(run(TESTS, sys.argv[1]))
