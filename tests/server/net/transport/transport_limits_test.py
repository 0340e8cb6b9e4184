"""The transport's limits (time, connections, descriptors, memory), and how it stops."""

import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from transport_client import PATIENCE, PROGRAM, SANITIZED, Client, Server, handshake, paces, read_all, split, wait_until


class Limits(unittest.TestCase):
    def test_slow_requests(self):
        for pace in paces():
            with pace:
                self.slow_requests(pace.factor)

    def slow_requests(self, limit):
        server = Server("--http-timeout", limit)
        self.addCleanup(server.stop)
        silent, slow, body, crawling = (server.connect() for _ in range(4))
        slow.sendall(b"GET / HT")
        body.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        websocket = Client(server)  # this one may be silent
        stop = threading.Event()

        def crawl():
            try:
                for byte in b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000:
                    if stop.wait(0.05):
                        return
                    crawling.sendall(bytes([byte]))
            except OSError:
                pass
        thread = threading.Thread(target=crawl, daemon=True)
        thread.start()
        try:
            self.assertEqual(read_all(silent), b"")
            for s in (slow, body, crawling):
                self.assertEqual(split(read_all(s))[0], 408)
        finally:
            stop.set()
            thread.join()
        # A slow download is not cut while it moves, a stuck one is.
        moving, stuck = server.connect(), server.connect()
        for s in (moving, stuck):
            s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        got, start = 0, time.monotonic()
        while got < 64 << 20:
            slowly = time.monotonic() - start < 3 * limit
            piece = moving.recv(1 << 21 if slowly else 1 << 26)
            if not piece:
                break
            got += len(piece)
            if slowly:
                time.sleep(0.2 * limit)
        self.assertGreater(got, 64 << 20)
        self.assertLess(len(read_all(stuck)), 64 << 20)
        self.assertEqual(websocket.ask("alive"), b"alive")
        for s in (silent, slow, body, crawling, moving, stuck):
            s.close()
        websocket.close()

    def test_max_connections(self):
        server = Server("--max-connections", 5)
        clients = [Client(server) for _ in range(5)]
        self.assertEqual(server.get("/hello")[0], 503)
        self.assertEqual(server.http(handshake())[0], 503)
        clients.pop().close()
        wait_until(lambda: server.get("/hello")[0] == 200, "room for another")
        refused = [server.connect() for _ in range(200)]  # and nobody is hurt by those who stay
        self.assertEqual(clients[0].ask("alive"), b"alive")
        for s in refused + clients:
            s.close()
        wait_until(lambda: server.get("/hello")[0] == 200, "room for others")
        server.stop()

    def test_per_address(self):
        server = Server("--per-address", 2, "--host", "0.0.0.0")
        clients = [Client(server) for _ in range(2)]
        self.assertEqual(server.get("/hello")[0], 503)
        with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0)) as s:
            s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(split(read_all(s))[0], 200)
        for c in clients:
            c.close()
        server.stop()

    def test_out_of_descriptors(self):
        if SANITIZED:
            self.skipTest("UBSan needs a descriptor for itself and takes its lack for a bad pointer")
        server = Server(limit=40)
        sockets = [server.connect() for _ in range(60)]
        time.sleep(0.3)
        cpu = lambda: sum(map(int, Path(f"/proc/{server.process.pid}/stat").read_text().split()[13:15]))
        before = cpu()
        time.sleep(1)
        self.assertLess(cpu() - before, 50)  # hundredths of a second: it does not spin
        for s in sockets:
            s.close()
        wait_until(lambda: server.get("/hello")[0] == 200, "an answer")
        server.stop()

    def test_ipv6_and_addresses(self):
        for host in ("::1", "[::1]"):
            server = Server("--host", host)
            with socket.create_connection(("::1", server.port), timeout=PATIENCE) as s:
                s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(split(read_all(s))[0], 200)
            server.stop()
        server = Server("--host", "localhost")
        self.assertEqual(server.get("/hello")[0], 200)
        done = subprocess.run([PROGRAM, "--port", str(server.port)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1 port {server.port}", done.stderr)
        server.stop()
        done = subprocess.run([PROGRAM, "--host", "no.such.host.invalid"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no.such.host.invalid", done.stderr)

    def test_idle_memory(self):
        if SANITIZED:
            self.skipTest("sanitizers have memory of their own")
        server = Server()
        heap = lambda: int(server.get("/heap")[2])
        warm = [Client(server) for _ in range(20)]
        before = heap()
        clients = [Client(server) for _ in range(400)]
        each = (heap() - before) / 400
        print(f"memory per idle client: {each:.0f} bytes", file=sys.stderr)
        self.assertLess(each, 8000)
        for c in warm + clients:
            c.close()
        server.stop()


class Stopping(unittest.TestCase):
    def test_stop_says_1001_after_what_was_handed_over(self):
        for pace in paces(2, 10, 60):
            with pace:
                self.stop_says_1001(pace.factor)

    def stop_says_1001(self, grace):
        server = Server()
        self.addCleanup(server.stop)
        polite, silent = Client(server), Client(server)
        polite.text("!blob 16777216")
        idle = server.connect()
        half = server.connect()
        half.sendall(b"GET / HT")
        polite.exactly(2)
        polite.buffer = b"\x82\x7f" + polite.buffer
        server.command(f"stop {grace}")
        self.assertEqual(len(polite.receive()[1]), 16 << 20)
        opcode, payload = polite.receive()
        self.assertEqual((opcode, payload[:2]), (8, b"\x03\xe9"))
        polite.send(8, payload[:2])
        self.assertEqual(read_all(polite.s), b"")
        with self.assertRaises(OSError):
            server.connect()
        self.assertIn("open handlers 0", server.stop())  # the silent one is cut after the grace
        for s in (polite, silent, idle, half):
            s.close()

    def test_stop_with_nobody_there_is_at_once(self):
        Server().stop(grace=10 * PATIENCE)

    def test_stop_lets_a_download_finish(self):
        server = Server()
        with server.connect() as s:
            s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            s.recv(1000)
            server.command(f"stop {10 * PATIENCE}")
            self.assertGreater(len(read_all(s)), (64 << 20) - 1000)
        server.stop()


if __name__ == "__main__":
    unittest.main()
