#!/usr/bin/python3
"""The two generations of wslink held against each other: the same random calls through both give the same values and the same errors.

    generations_test.py build/release/tests/wslink_example_server        CUBELINK_SEED sets the seed
"""

import asyncio
import os
import random
import re
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "server" / "net"), str(ROOT / "support")]

from patience import PATIENCE  # noqa: E402
from wslink_client import Client, Failure, Server, run  # noqa: E402
from wslink_values import random_text, random_value, same  # noqa: E402

SEED = int(os.environ.get("CUBELINK_SEED", "0")) or random.randrange(1, 2**32)
SANITIZED = os.environ.get("WSLINK_TEST_SANITIZED", "0") not in ("", "0")
ROUNDS = 150 if SANITIZED else 600


async def both(server):
    return [await Client.open(server, generation) for generation in (1, 2)]


async def outcome(client, method, args, kwargs):
    """The value, or the error as it came."""
    try:
        return ["value", await client.call(method, *args, **kwargs)]
    except Failure as failure:
        return ["error", failure.code, failure.message, failure.data]


async def echoes(program):
    source = random.Random(SEED)
    with Server(program) as server:
        first, second = await both(server)
        for i in range(ROUNDS):
            value = random_value(source, depth=6, largest=5000)
            a, b = await asyncio.gather(first.call("bench.echo", value), second.call("bench.echo", value))
            assert same(a, b), f"seed {SEED}, round {i}: {a!r} and {b!r} for {value!r}"
            assert same(a, value), f"seed {SEED}, round {i}: {a!r} for {value!r}"
        await first.close()
        await second.close()


async def arguments_and_errors(program):
    """Also with arguments that do not fit, where the errors must be the same."""
    source = random.Random(SEED + 1)
    methods = ("bench.args", "bench.kw", "bench.echo", "bench.raise", "bench.blob", "bench.none", "bench.unserializable", "myprotocol.add", "myprotocol.mult",
               "myprotocol.postbinary", "myprotocol.special", "myprotocol.nested.image", "myprotocol.unwrapped.image", "pubsub.subscriptions", "no.such.method")
    with Server(program) as server:
        first, second = await both(server)
        kinds = {"value": 0, "error": 0}
        for i in range(ROUNDS):
            method = source.choice(methods)
            args = [random_value(source, depth=2) for _ in range(source.randrange(4))]
            kwargs = {source.choice(("a", "b", "c", "x", "alt", "n", random_text(source))): random_value(source, depth=2) for _ in range(source.choice((0, 0, 1, 2)))}
            kwargs = {key: value for key, value in kwargs.items() if key not in ("method", "id", "timeout", "self")}
            if method == "bench.blob" and args and isinstance(args[0], (int, float)) and abs(args[0]) > 10**6:
                args[0] = source.randrange(10**6)
            if any(isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > 10**6 for value in kwargs.values()) and method == "bench.blob":
                continue
            a, b = await asyncio.gather(outcome(first, method, args, kwargs), outcome(second, method, args, kwargs))
            assert same(a, b), f"seed {SEED}, round {i}: {method} {args!r} {kwargs!r}: {a!r:.500} and {b!r:.500}"
            kinds[a[0]] += 1
        assert min(kinds.values()) > ROUNDS / 10, kinds
        await first.close()
        await second.close()


async def publications(program):
    """What is published is heard alike by both, in the same order, whoever asked for it."""
    source = random.Random(SEED + 2)
    with Server(program) as server:
        clients = await both(server)
        values = [random_value(source) for _ in range(ROUNDS // 3)]
        for value in values:
            await source.choice(clients).call("bench.pubval", "a.topic", value)
        heard = [await client.publications(len(values)) for client in clients]
        for value, a, b in zip(values, *heard):
            assert a[0] == b[0] == "a.topic" and same(a[1], value) and same(b[1], value), f"seed {SEED}: {a!r} and {b!r} for {value!r}"
        for client in clients:
            numbers = [int(message["id"].rsplit(":", 1)[1]) for message in client.arrived if message["id"].startswith("publish:")]
            assert numbers == sorted(numbers)
            await client.close()


async def ids_that_name_others(program):
    """Any string is an id and comes back as it came; one that names another client is counted and does no harm."""

    def mismatches(server):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics?token={server.secret}", timeout=PATIENCE) as answer:
            return int(re.search(r"^wslink_client_id_mismatches_total (\d+)$", answer.read().decode(), re.M)[1])

    with Server(program) as server:
        clients = await both(server)
        for client, other in (clients, clients[::-1]):
            for id in ("rpc:nobody:1", f"rpc:{other.client_id}:7", "", "x", "rpc", "rpc:", random_text(random.Random(SEED), 400)):
                assert (await (await client.send("bench.echo", id, id=id or " ")))["result"] == id
        # "rpc:" names nobody.
        assert await asyncio.to_thread(mismatches, server) == 4
        for client in clients:
            await client.close()


if __name__ == "__main__":
    print(f"seed {SEED}")
    sys.exit(run([echoes, arguments_and_errors, publications, ids_that_name_others], sys.argv[1]))
