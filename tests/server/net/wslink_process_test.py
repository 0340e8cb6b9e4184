#!/usr/bin/python3
"""The example server as a process: its command line, what it prints and logs, when it ends by itself, how the stock launcher starts it.

    wslink_process_test.py build/release/tests/wslink_example_server [test…]
"""

import asyncio
import http.client
import os
import socket
import sys

import websockets
from wslink_client import Client, Server, run
from patience import PATIENCE, open_socket, paces


async def timeout_and_exit(program):
    with Server(program, "--timeout", "1") as server:
        assert await server.ended() == 0
    for pace in paces():
        with pace, Server(program, "--timeout", str(2 * pace.factor)) as server:
            client = await Client.open(server, 1)
            await asyncio.sleep(3 * pace.factor)
            assert server.process.poll() is None
            await client.close()
            assert await server.ended() == 0
    with Server(program, "--timeout", "60") as server:  # with a time-out, clients may stop the server
        client, other = await Client.open(server, 2), await Client.open(server, 1)
        assert await client.call("application.exit.later", 1) is None
        await asyncio.sleep(2)
        assert server.process.poll() is None, "somebody was still there"
        await client.call("application.exit")
        assert await other.closed() == 1001
        assert await server.ended() == 0
    with Server(program) as server:
        client = await Client.open(server, 2)
        assert await client.call("application.exit") is None
        assert await client.call("application.exit.later") is None
        assert await client.call("bench.echo", 1) == 1
        await client.close()


async def under_a_launcher(program):
    """As the stock launcher starts a server: a command line, a line to wait for, a secret."""
    for attempt in range(20):  # a launcher knows its ports; here somebody else may have taken it meanwhile
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            program, "--host", "127.0.0.1", "--port", str(port), "--authKey", "s3cret of a launcher", "--timeout", "100", stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        lines = []
        while not lines or "Starting factory" not in lines[-1]:
            lines.append((await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode())
            if not lines[-1]:
                break
        if lines[-1]:
            break
        assert str(port) in "".join(lines), lines
    try:
        assert lines[-1], f"the server has ended: {lines}"
        server = type("", (), {"url": f"ws://127.0.0.1:{port}/ws", "secret": "s3cret of a launcher"})
        client = await Client.open(server, 2)
        assert await client.call("bench.echo", 1) == 1
        await client.close()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def output_of(program, *arguments, environment=None):
    """Standard output until the server is ready, and the log until it has been stopped."""
    process = await asyncio.create_subprocess_exec(program, "--port", "0", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                                                   env={**os.environ, **(environment or {})})
    lines = []
    while not lines or lines[-1] != "wslink: Starting factory":
        lines.append((await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().rstrip("\n"))
    return process, lines


async def what_is_printed_and_logged(program):
    process, lines = await output_of(program, "--authKey", "given-secret", "--log-level", "debug")
    assert "given-secret" not in "".join(lines) and "token=" not in "".join(lines), lines
    port = int(lines[0].split("//")[1].split("/")[0].rsplit(":", 1)[1])

    def refused():
        for path, headers in (("/", {"Host": "evil.example"}), ("/metrics?token=given-wrongly", {})):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", path, headers=headers)
            assert connection.getresponse().status in (401, 403)
        return True

    await asyncio.to_thread(refused)
    try:
        await open_socket(f"ws://127.0.0.1:{port}/ws", origin="http://evil.example")
        raise AssertionError("a foreign Origin was accepted")
    except websockets.InvalidStatusCode as answer:
        assert answer.status_code == 403
    process.terminate()
    log = (await asyncio.wait_for(process.communicate(), PATIENCE))[1].decode()
    for text in ('Host "evil.example" is not allowed', 'Origin "http://evil.example" is not allowed', "wrong token"):
        line = next(line for line in log.splitlines() if text in line)
        assert "127.0.0.1" in line and "debug" in line, line
    assert "given" not in log.replace("was given", ""), log
    # One that was made up is printed: to a pipe, which leads to whoever started the server, and not to a socket.
    process, lines = await output_of(program, "--authKey", "")
    assert "token=" in lines[0], lines
    process.terminate()
    await asyncio.wait_for(process.communicate(), PATIENCE)


async def bad_command_lines(program):
    for arguments in (("--port", "x"), ("--nonsense",), ("--timeout", "-1")):
        process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 2 and err, (arguments, process.returncode)


TESTS = [timeout_and_exit, under_a_launcher, what_is_printed_and_logged, bad_command_lines]

if __name__ == "__main__":
    sys.exit(run(TESTS, sys.argv[1]))
