"""What the tests of the transport share: the program transport_echo as a server, and clients on raw sockets that can misbehave.

Each test is called with the path of transport_echo as its first argument; further ones are unittest's.
"""

import base64
import hashlib
import os
import resource
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "support"))
from patience import PATIENCE, paces, wait_until  # noqa: E402,F401

PROGRAM = sys.argv.pop(1)
SANITIZED = bool(os.environ.get("CUBELINK_SANITIZED"))
FOLDER = tempfile.TemporaryDirectory()


def make_certificate(name):
    cert, key = f"{FOLDER.name}/{name}.pem", f"{FOLDER.name}/{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Server:
    def __init__(self, *options, tls=None, limit=None):
        arguments = [PROGRAM, *map(str, options)]
        if tls:
            arguments += ["--cert", tls[0], "--key", tls[1]]
        before = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) if limit else None
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=before)
        self.port = int(self.process.stdout.readline().split()[1])
        self.tls = bool(tls)

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self, grace=2):
        """Ends it, unless it has been told before, and checks that it ended well; returns what it printed."""
        if self.process.poll() is None:
            self.command(f"stop {grace}")
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, f"exit status {self.process.returncode}"
        return out

    def status(self):
        """Counts: accepted, refused, open WebSockets, open HTTP, handlers; then how the last connection ended."""
        return self.get("/status")[2].decode().split(" ", 5)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            s = context.wrap_socket(s)
        return s

    def http(self, data, half_close=False):
        """Sends bytes, reads to the end; (status, head, body)."""
        with self.connect() as s:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return split(read_all(s))

    def get(self, path, method="GET"):
        return self.http(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def read_all(s):
    pieces = []
    while True:
        try:
            piece = s.recv(1 << 20)
        except (ConnectionResetError, ssl.SSLError):
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


def split(data):
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), head.decode(), body


KEY = base64.b64encode(b"0123456789abcdef").decode()


def handshake(path="/ws", **changes):
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Key": KEY,
              "Sec-WebSocket-Version": "13"}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def frame(opcode, payload=b"", fin=True, masked=True, size=None, rsv=0, mask=b"\x1f\x2e\x3d\x4c"):
    size = len(payload) if size is None else size
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if masked else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 65536:
        head += bytes([flag | 126]) + struct.pack(">H", size)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    whole = int.from_bytes(payload, "big")
    pattern = int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
    return head + mask + (whole ^ pattern).to_bytes(len(payload), "big")


class Client:
    def __init__(self, server, path="/ws", extra=b""):
        self.s = server.connect()
        self.s.sendall(handshake(path) + extra)
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            piece = self.s.recv(65536)
            assert piece, f"refused: {self.buffer!r}"
            self.buffer += piece
        self.head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert b" 101 " in self.head, self.head

    def send(self, opcode, payload=b"", **more):
        self.s.sendall(frame(opcode, payload, **more))

    def text(self, text):
        self.send(1, text.encode())

    def exactly(self, size):
        pieces, have = [self.buffer], len(self.buffer)
        while have < size:
            piece = self.s.recv(1 << 20)
            if not piece:
                raise EOFError
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self.buffer = data[size:]
        return data[:size]

    def receive(self):
        first, second = self.exactly(2)
        assert second < 128 and first & 0x70 == 0 and first & 0x80
        size = second
        if size == 126:
            size, = struct.unpack(">H", self.exactly(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.exactly(8))
        return first & 15, self.exactly(size)

    def closed_with(self):
        """Reads to the close frame; its code, or 1006."""
        try:
            while True:
                opcode, payload = self.receive()
                if opcode == 8:
                    return struct.unpack(">H", payload[:2])[0] if payload else 1005
        except (EOFError, ConnectionResetError, ssl.SSLError):
            return 1006

    def ask(self, text):
        self.text(text)
        return self.receive()[1]

    def close(self):
        self.s.close()


def blob(size):
    return bytes(((i * 31 + (i >> 8)) & 0xff) for i in range(size))


class OnBoth:
    """Base of tests that run in the clear and through TLS."""
    tls = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(tls=cls.tls)

    @classmethod
    def tearDownClass(cls):
        out = cls.server.stop()
        assert "open handlers 0" in out, out

    def still_serves(self):
        self.assertEqual(self.server.get("/hello")[0], 200)
