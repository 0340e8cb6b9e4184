"""server_test.py THERMOMETER REPOSITORY: the server of docs/writing-a-server.md does what that page says, to our own Python client."""

import asyncio
import json
import re
import subprocess
import sys
import unittest

program, repository = sys.argv[1:3]
sys.path[:0] = [f"{repository}/clients/python", f"{repository}/tests/support"]
import cubelink  # noqa: E402
from cubelink import CallError  # noqa: E402
from patience import PATIENCE, open_socket, paces  # noqa: E402


async def connect(port, secret):
    return await cubelink.connect(f"ws://127.0.0.1:{port}/ws", secret, reconnect=0, open_timeout=PATIENCE, ping_interval=None)


class Thermometer(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([program, "0", "some-secret"], stdout=subprocess.PIPE, text=True)
        self.port = None
        for line in self.server.stdout:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            self.port = int(found[1]) if found else self.port
            if "Starting factory" in line:
                break

    def tearDown(self):
        self.server.terminate()
        self.assertEqual(self.server.wait(PATIENCE), 0)
        self.server.stdout.close()

    def test_everything_on_the_page(self):
        asyncio.run(self.conversation())

    async def conversation(self):
        one, two = await connect(self.port, "some-secret"), await connect(self.port, "some-secret")
        self.assertEqual(await one.call("thermometer.read"), 20)
        self.assertEqual(await one.call("thermometer.read", fahrenheit=True), 68)
        heard = asyncio.Queue()
        await two.subscribe("thermometer.changed", heard.put_nowait)
        for pace in paces(1, 10, 100):
            with pace:  # it is set while another waits
                await one.call("thermometer.set", 20)
                waiting = asyncio.ensure_future(one.call("thermometer.wait", 0.3 * pace.factor))
                await asyncio.sleep(0.05)
                self.assertIsNone(await one.call("thermometer.set", 30))
                for celsius in (20, 30):
                    self.assertEqual(await asyncio.wait_for(heard.get(), PATIENCE), {"celsius": celsius})
                self.assertEqual(await waiting, 30)
        await self.answers_come_first()
        self.assertEqual(await one.call("thermometer.picture"), {"width": 8, "pixels": b"\x1e" * 8})
        with self.assertRaises(CallError) as cold:
            await one.call("thermometer.set", -300)
        self.assertEqual((cold.exception.code, cold.exception.message), (-1, "colder than cold"))
        with self.assertRaises(CallError) as wrong:
            await one.call("thermometer.set", "warm")
        self.assertEqual(wrong.exception.code, -32602)
        self.assertIn("celsius", wrong.exception.message)
        await one.close()
        await two.close()

    async def answers_come_first(self):
        """The method publishes before it returns; its caller hears of it after the answer."""
        async with open_socket(f"ws://127.0.0.1:{self.port}/ws") as socket:
            for id, method, argument in (("system:1", "wslink.hello", {"secret": "some-secret"}), ("set", "thermometer.set", 30)):
                await socket.send(json.dumps({"wslink": "1.0", "id": id, "method": method, "args": [argument], "kwargs": {}}))
            ids = [json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))["id"] for _ in range(3)]
        self.assertEqual((ids[:2], ids[2][:27]), (["system:1", "set"], "publish:thermometer.changed"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
