"""WebSockets over the transport: the handshake, messages of all sizes, violations, and every way to end."""

import base64
import hashlib
import os
import socket
import ssl
import struct
import time
import unittest

from transport_client import KEY, Client, OnBoth, blob, frame, handshake, make_certificate, read_all, split, wait_until


class WebSockets(OnBoth):
    def test_handshake(self):
        c = Client(self.server)
        want = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.assertIn(b"Sec-WebSocket-Accept: " + want, c.head)
        self.assertNotIn(b"Extensions", c.head)
        c.close()

    def test_bad_handshakes(self):
        cases = [
            (426, handshake(Sec_WebSocket_Version="8")), (426, handshake(Sec_WebSocket_Version="99")), (400, handshake(Sec_WebSocket_Version=None)),
            (400, handshake(Sec_WebSocket_Key=None)), (400, handshake(Sec_WebSocket_Key="short")), (400, handshake(Sec_WebSocket_Key="!" * 24)),
            (400, handshake(Sec_WebSocket_Key=base64.b64encode(b"x" * 17).decode())), (400, handshake().replace(b"GET", b"POST")),
            (400, handshake(Host=None)), (404, handshake(Upgrade=None)), (404, handshake(Connection="close")), (404, handshake("/no")),
            (404, handshake().replace(b"HTTP/1.1", b"HTTP/1.0")), (400, handshake(Content_Length="3") + b"abc"),
        ]
        for status, request in cases:
            with self.subTest(request=request):
                got, head, _ = self.server.http(request)
                self.assertEqual(got, status, head)
                if status == 426:
                    self.assertIn("Sec-WebSocket-Version: 13", head)

    def test_frames_right_behind_the_handshake(self):
        c = Client(self.server, extra=frame(1, b"one") + frame(2, b"two")[:3])
        self.assertEqual(c.receive(), (1, b"one"))
        c.s.sendall(frame(2, b"two")[3:])
        self.assertEqual(c.receive(), (2, b"two"))
        c.close()

    # Messages

    def test_echo_of_all_sizes(self):
        c = Client(self.server)
        for size in [0, 1, 3, 7, 8, 125, 126, 127, 4096, 65535, 65536, 131072, 131073, 1_000_003]:
            data = os.urandom(size)
            c.send(2, data)
            self.assertEqual(c.receive(), (2, data))
        c.close()

    def test_many_in_flight(self):
        c = Client(self.server)
        c.s.sendall(b"".join(frame(1, b"%d" % i) for i in range(5000)))
        for i in range(5000):
            self.assertEqual(c.receive(), (1, b"%d" % i))
        c.close()

    def test_fragments_with_control_frames_between(self):
        c = Client(self.server)
        c.send(1, "größ".encode()[:4], fin=False)
        c.send(9, b"are you there")
        c.send(0, "größ".encode()[4:], fin=False)
        c.send(10, b"unasked")
        c.send(0, b"", fin=False)
        self.assertEqual(c.receive(), (10, b"are you there"))
        c.send(0, b"er")
        self.assertEqual(c.receive(), (1, "größer".encode()))
        c.close()

    def test_large_replies(self):
        c = Client(self.server)
        for command in ("blob", "parts"):
            for size in (100, 5000, 300_000, 16 << 20):
                c.text(f"!{command} {size}")
                opcode, data = c.receive()
                self.assertEqual((opcode, len(data)), (2, size))
                if size <= 300_000:
                    self.assertEqual(data, blob(size))
        drained, progress, _, unwritten = map(int, c.ask("!counts").split())
        self.assertGreaterEqual(drained, 8)
        self.assertGreater(progress, drained)
        self.assertEqual(unwritten, 0)
        c.close()

    def test_violations(self):
        cases = [
            (1002, frame(1, b"x", masked=False)), (1002, frame(3, b"x")), (1002, frame(11)), (1002, frame(1, b"x", rsv=4)), (1002, frame(1, b"x", rsv=1)),
            (1002, frame(0, b"x")), (1002, frame(1, b"x", fin=False) + frame(1, b"y")), (1002, frame(9, b"x", fin=False)),
            (1002, frame(9, b"x" * 126)), (1002, b"\x82\xfe\x00\x05" + b"\0" * 9), (1002, b"\x82\xff" + struct.pack(">Q", 10) + b"\0" * 14),
            (1009, frame(2, size=1 << 60)), (1009, frame(2, b"a", fin=False) + frame(0, size=(1 << 64) - 1) + b"b" * 100),
            (1009, frame(2, b"a", fin=False) + frame(0, size=1 << 40)),
            (1007, frame(1, b"\xff\xfe")), (1007, frame(1, b"a" * 1000 + b"\xc0\x80")), (1007, frame(1, b"\xed\xa0\x80")), (1007, frame(1, b"\xf0\x9f")),
            (1007, frame(1, b"x" * 600 + b"\xe2\x82", fin=False) + frame(0, b"y")), (1002, frame(8, b"\x03")), (1002, frame(8, struct.pack(">H", 1005))),
            (1002, frame(8, struct.pack(">H", 999))), (1002, frame(8, struct.pack(">H", 1000) + b"\xff")),
        ]
        for code, data in cases:
            with self.subTest(data=data[:20]):
                c = Client(self.server)
                c.s.sendall(data)
                self.assertEqual(c.closed_with(), code)
                c.close()
        self.still_serves()

    def test_message_limit(self):
        c = Client(self.server, "/small")
        c.send(2, b"x" * 524)
        self.assertEqual(len(c.receive()[1]), 524)
        c.send(9, b"x" * 100)
        self.assertEqual(c.receive()[0], 10)
        c.text("!limit 2000")
        c.send(2, b"x" * 2000)
        self.assertEqual(len(c.receive()[1]), 2000)
        c.send(2, b"x" * 1999, fin=False)
        c.send(0, b"xx")
        self.assertEqual(c.closed_with(), 1009)
        c.close()
        c = Client(self.server, "/small")
        c.send(2, b"x" * 525)
        self.assertEqual(c.closed_with(), 1009)
        c.close()

    def test_a_close_frame_reaches_who_is_still_sending(self):
        c = Client(self.server, "/small")
        try:
            c.send(2, b"x" * 20_000_000)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.fail("the connection was reset before the client had read why")
        self.assertEqual(c.closed_with(), 1009)
        c.close()

    # Ends

    def test_close_codes_are_echoed(self):
        for code in (None, 1000, 1001, 3000, 4999):
            c = Client(self.server)
            c.send(8, b"" if code is None else struct.pack(">H", code) + b"bye")
            self.assertEqual(c.closed_with(), code or 1005)
            self.assertEqual(read_all(c.s), b"")
            c.close()
            wait_until(lambda: self.server.status()[-1].startswith(f"{code or 1005} "), f"the end with {code}")

    def test_server_closes(self):
        c = Client(self.server)
        c.text("!blobclose 3000000")
        self.assertEqual(len(c.receive()[1]), 3_000_000)
        self.assertEqual(c.receive(), (8, b"\x03\xe8after the blob"))
        c.send(8, b"\x03\xe8")
        self.assertEqual(read_all(c.s), b"")
        c.close()
        c = Client(self.server)
        start = time.monotonic()
        c.text("!close 4001")
        self.assertEqual(c.receive(), (8, struct.pack(">H", 4001) + b"as you wish"))
        self.assertEqual(read_all(c.s), b"")  # some time after, because it is not answered
        self.assertGreater(time.monotonic() - start, 4)
        c.close()

    def test_drop_and_throw(self):
        for command in ("!drop", "!throw"):
            c = Client(self.server)
            c.text(command)
            self.assertEqual(c.closed_with(), 1006)
            c.close()
        self.still_serves()

    def test_ping_and_pong(self):
        c = Client(self.server)
        c.text("!ping")
        self.assertEqual(c.receive(), (9, b""))
        before = int(c.ask("!counts").split()[2])
        c.send(10)
        self.assertEqual(int(c.ask("!counts").split()[2]), before + 1)
        c.close()

    def test_flood_of_pings_that_reads_nothing(self):
        c = Client(self.server)
        c.s.settimeout(2)
        try:
            for _ in range(300):
                c.s.sendall(frame(9, b"x" * 125) * 1000)
        except (TimeoutError, socket.timeout, ssl.SSLError):
            pass
        c.close()
        self.still_serves()

    def test_paused_reading_keeps_order(self):
        c = Client(self.server)
        start = time.monotonic()
        c.s.sendall(frame(1, b"!pause 300") + b"".join(frame(1, b"%d" % i) for i in range(100)))
        c.s.sendall(frame(2, b"z" * 1_000_000))
        for i in range(100):
            self.assertEqual(c.receive()[1], b"%d" % i)
        self.assertGreater(time.monotonic() - start, 0.25)
        self.assertEqual(len(c.receive()[1]), 1_000_000)
        c.close()

    def test_paused_reading_forgets_nothing_inside_tls(self):
        """More than one read of the server takes, with a second pause in it: what TLS has taken from the socket comes, too."""
        c = Client(self.server)
        c.s.sendall(frame(1, b"!pause 300"))
        c.s.sendall(frame(1, b"!pause 50"))
        for i in range(27):
            c.s.sendall(frame(2, bytes([i]) * 9990))
        for i in range(27):
            self.assertEqual(c.receive()[1], bytes([i]) * 9990)
        c.close()

    def test_peers_that_vanish(self):
        for _ in range(20):
            c = Client(self.server)
            c.text(f"!blob {16 << 20}")
            c.exactly(100_000)
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()  # a reset in the middle
        c = Client(self.server)
        c.send(2, b"abc", size=1_000_000)
        c.close()
        wait_until(lambda: self.server.status()[2] == "0", "the end of all")

    def test_half_closed_websocket(self):
        if self.tls:
            self.skipTest("TLS has no half-close in Python")
        c = Client(self.server)
        c.s.shutdown(socket.SHUT_WR)
        self.assertEqual(c.closed_with(), 1006)
        c.close()

    def test_two_hundred_connections(self):
        clients = [Client(self.server) for _ in range(200)]
        for i, c in enumerate(clients):
            c.text(f"number {i}")
        for i, c in enumerate(clients):
            self.assertEqual(c.receive()[1], b"number %d" % i)
        wait_until(lambda: self.server.status()[2] == "200", "the end of all others")
        for c in clients:
            c.close()


class Plain(WebSockets, unittest.TestCase):
    pass


class Tls(WebSockets, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tls = make_certificate("one")
        super().setUpClass()


if __name__ == "__main__":
    unittest.main()
