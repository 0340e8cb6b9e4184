"""HTTP over the transport: requests whole, slow, broken and hostile; files; certificates."""

import os
import socket
import subprocess
import time
import unittest

from transport_client import FOLDER, PATIENCE, PROGRAM, Client, OnBoth, handshake, make_certificate, read_all, split


class Http(OnBoth):
    def test_get_and_head(self):
        status, head, body = self.server.get("/hello")
        self.assertEqual((status, body), (200, b"hello\n"))
        self.assertIn("Connection: close", head)
        self.assertIn("Content-Length: 6", head)
        self.assertIn("Date: ", head)
        status, head, body = self.server.get("/hello", "HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertIn("Content-Length: 6", head)
        self.assertEqual(self.server.get("/nothing")[0], 404)
        for path in ("/throw", f"/file/0/10/{FOLDER.name}/nothing"):  # the transport's own answers have a body for GET only
            self.assertNotEqual(self.server.get(path)[2], b"")
            self.assertEqual(self.server.get(path, "HEAD")[::2], (500, b""))

    def test_answers_from_another_thread_and_none(self):
        self.assertEqual(self.server.get("/late")[2], b"late\n")
        self.assertEqual(self.server.get("/never")[0], 500)
        self.assertEqual(self.server.get("/throw")[0], 500)
        with self.server.connect() as s:  # gone before the answer
            s.sendall(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.4)
        self.still_serves()

    def test_body(self):
        body = os.urandom(1 << 20)
        request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.assertEqual(self.server.http(request + body)[2], body)
        with self.server.connect() as s:  # waits to be asked for the body, as curl does
            s.sendall(request.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
            self.assertTrue(s.recv(1000).startswith(b"HTTP/1.1 100 "))
            s.sendall(body)
            self.assertEqual(split(read_all(s))[2], body)

    def test_byte_by_byte(self):
        with self.server.connect() as s:
            for byte in b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n":
                s.sendall(bytes([byte]))
            self.assertEqual(split(read_all(s))[0], 200)

    def test_pipelined_garbage_is_not_a_second_request(self):
        data = self.server.http(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"\xff" * 100_000)
        self.assertEqual(data[2], b"hello\n")

    def test_bad_requests(self):
        host = b"Host: x\r\n"
        cases = [
            (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            (400, b"\x00" * 100),
            (400, b"GET\r\n\r\n"),
            (400, b"GET /\r\n\r\n"),
            (400, b"GET / HTTP/1.1\n\n"),
            (400, b"GET / HTTP/1.1\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + host + b"\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + b"Name : value\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + b" folded\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + b"No colon\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + b"A: b\x00c\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\n" + host + b"A: b\rB: c\r\n\r\n"),
            (400, b"GET  / HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET /a b HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET nowhere HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"GET / FTP/1.1\r\n" + host + b"\r\n"),
            (400, b"G(T / HTTP/1.1\r\n" + host + b"\r\n"),
            (400, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n"),
            (400, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            (400, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999\r\n\r\n"),
            (505, b"GET / HTTP/2.0\r\n" + host + b"\r\n"),
            (505, b"GET / HTTP/0.9\r\n" + host + b"\r\n"),
            (411, b"POST /echo HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            (413, b"POST /echo HTTP/1.1\r\n" + host + b"Content-Length: 99999999\r\n\r\n" + b"x" * 1_000_000),
            (414, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n"),
            (431, b"GET / HTTP/1.1\r\n" + host + b"A: " + b"b" * 100_000 + b"\r\n\r\n"),
            (431, b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 10_000 + b"\r\n"),
            (200, b"GET /hello HTTP/1.0\r\n\r\n"),
        ]
        for status, request in cases:
            with self.subTest(request=request[:60]):
                got, head, body = self.server.http(request)
                self.assertEqual(got, status, head)
                self.assertIn("Connection: close", head)
        self.still_serves()

    def test_half_closed_request_is_answered(self):
        if self.tls:
            self.skipTest("TLS has no half-close in Python")
        self.assertEqual(self.server.http(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)[2], b"late\n")
        self.assertEqual(self.server.http(b"GET /la", half_close=True)[0], 0)

    def test_files(self):
        path = f"{FOLDER.name}/data"
        data = os.urandom(5_000_000)
        with open(path, "wb") as f:
            f.write(data)
        self.assertEqual(self.server.get(f"/file/0/{len(data)}/{path}")[2], data)
        self.assertEqual(self.server.get(f"/file/1234567/1000000/{path}")[2], data[1234567:2234567])
        status, head, body = self.server.get(f"/file/5/1000/{path}", "HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertIn("Content-Length: 1000", head)
        self.assertEqual(self.server.get(f"/file/0/{len(data) + 1}/{path}")[0], 500)
        self.assertEqual(self.server.get(f"/file/0/10/{path}nothing")[0], 500)
        self.assertEqual(self.server.get(f"/file/0/10/{FOLDER.name}")[0], 500)

    def test_file_that_shrinks_cuts_the_connection(self):
        path = f"{FOLDER.name}/shrinking"
        with open(path, "wb") as f:
            f.truncate(100_000_000)
        with self.server.connect() as s:
            s.sendall(f"GET /file/0/100000000/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.3)
            os.truncate(path, 10)
            self.assertLess(len(read_all(s)), 100_000_000)
        self.still_serves()

    def test_large_body_to_a_slow_reader(self):
        with self.server.connect() as s:
            s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.5)
            self.assertEqual(len(split(read_all(s))[2]), 64 << 20)


class Plain(Http, unittest.TestCase):
    pass


class Tls(Http, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tls = make_certificate("one")
        super().setUpClass()

    def test_not_tls(self):
        for request in (b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /hello HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody", handshake("/ws")):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as s:
                s.sendall(request[:1])
                s.sendall(request[1:])
                status, head, body = split(read_all(s))
            self.assertEqual(status, 400, request)
            self.assertIn(b"https://", body)
            self.assertNotIn("hello", head + body.decode())
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as s:
            s.sendall(bytes(64))  # neither
            self.assertNotIn(b"HTTP", read_all(s))
        self.still_serves()

    def test_reload_certificate(self):
        def shown():
            with self.server.connect() as s:
                return s.getpeercert(True)
        cert, key = self.tls
        first = shown()
        old = [open(path).read() for path in (cert, key)]
        open_before = Client(self.server)
        for path, new in zip((cert, key), make_certificate("two")):
            with open(new) as source, open(path, "w") as target:
                target.write(source.read())
        self.server.command("reload")
        self.assertEqual(self.server.process.stdout.readline(), "reload:\n")
        second = shown()
        self.assertNotEqual(first, second)
        with open(cert, "w") as f:
            f.write("no certificate")
        self.server.command("reload")
        self.assertIn("cannot read the certificate", self.server.process.stdout.readline())
        self.assertEqual(shown(), second)  # the old one stays
        self.assertEqual(open_before.ask("still there"), b"still there")
        open_before.close()
        for path, text in zip((cert, key), old):
            with open(path, "w") as f:
                f.write(text)

    def test_bad_certificates(self):
        other = make_certificate("other")
        for tls in ((self.tls[0], other[1]), ("/nothing", other[1]), (other[0], "/nothing")):
            done = subprocess.run([PROGRAM, "--cert", tls[0], "--key", tls[1]], capture_output=True, text=True, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1)
            self.assertIn("key" if tls[0] != "/nothing" else "certificate", done.stderr)


if __name__ == "__main__":
    unittest.main()
