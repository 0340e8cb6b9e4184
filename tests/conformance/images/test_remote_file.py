"""REMOTE_FILE_REQUEST against a service of this test's own, on a loopback address: what it is asked, the image that comes of it, after a restart too; bad requests,
and services with bad manners: not FITS, too much, too slow, cut off, the wrong size, zipped, redirects to where nothing may be fetched. Off by default."""

import asyncio
import collections
import gzip
import http.server
import io
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import numpy
from astropy.io import fits

from harness import (ERROR, HISTOGRAM, PATIENCE, PROGRAM, Server, ServerTest, block_values, connect, get_tiles, pixels, until)  # fmt: skip

SEED = int(os.environ.get("CUBELINK_SEED", 0)) or int.from_bytes(os.urandom(4), "little")
WIDTH, HEIGHT = 90, 70
LIMIT = 1 << 20
random = numpy.random.default_rng(SEED)
print(f"test_remote_file: CUBELINK_SEED={SEED}", file=sys.stderr)
IMAGE = random.normal(size=(HEIGHT, WIDTH)).astype("f4")


def fits_bytes(data):
    header = fits.Header()
    for n, (ctype, value, step) in enumerate((("RA---TAN", 83.6, -1e-3), ("DEC--TAN", 22.0, 1e-3)), 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"] = ctype, 1.0, value, step
    out = io.BytesIO()
    fits.PrimaryHDU(data, header).writeto(out)
    return out.getvalue()


FITS = fits_bytes(IMAGE)


class Service(http.server.BaseHTTPRequestHandler):
    """Answers by the name of the survey that is asked for."""

    def log_message(self, *_):
        pass

    def body(self, data, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def endless(self, data=b"x" * 4096, pause=0.0):
        self.send_response(200)
        self.end_headers()
        while not self.server.stopping.is_set():
            self.wfile.write(data)
            self.wfile.flush()
            time.sleep(pause)

    def redirect(self, to, status=302):
        self.send_response(status)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.server.asked.append((url.path, query, dict(self.headers)))
        kind = query.get("hips", "")
        try:
            if kind == "good" or kind.startswith("CDS/"):
                self.body(FITS)
            elif kind == "chunks":
                self.protocol_version = "HTTP/1.1"
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for at in range(0, len(FITS), 5000):
                    part = FITS[at : at + 5000]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")
            elif kind == "slow":
                self.send_response(200)
                self.send_header("Content-Length", str(len(FITS)))
                self.end_headers()
                at = len(FITS) // 2
                self.wfile.write(FITS[:at])
                # Byte after byte: whenever the server gets to tell how far it is, something is yet to come.
                while not self.server.told.is_set() and not self.server.stopping.is_set() and at < len(FITS) - 1:
                    self.wfile.write(FITS[at : at + 1])
                    self.wfile.flush()
                    at += 1
                    self.server.told.wait(0.03)
                self.wfile.write(FITS[at:])
            elif kind == "html":
                self.endless(b"<html>no image</html>\n")
            elif kind == "endless":
                self.endless(FITS)
            elif kind == "drip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nSIMPLE  =")
                self.endless(b" ", 0.05)
            elif kind == "headers":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                while not self.server.stopping.is_set():
                    self.wfile.write(b"X-More: and more\r\n" * 100)
            elif kind == "long header":
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-More: ")
                self.wfile.write(b"more" * (100 << 10))
                self.wfile.write(b"\r\n\r\n")
            elif kind == "silent":
                self.server.stopping.wait(PATIENCE)
            elif kind == "large":
                self.body(FITS, Content_Length=str(LIMIT + 1))
            elif kind == "cut off":
                self.body(FITS[:-100], Content_Length=str(len(FITS)))
            elif kind == "cut off within":
                self.body(FITS[: len(FITS) - 3000])
            elif kind == "empty":
                self.body(b"")
            elif kind == "short":
                self.body(b"SIMP")
            elif kind == "zipped":
                self.body(gzip.compress(FITS))
            elif kind == "bomb":
                self.body(gzip.compress(FITS + bytes(200 << 20), 1), Content_Encoding="gzip")
            elif kind == "other size":
                self.body(fits_bytes(IMAGE[:-1]))
            elif kind == "damaged":
                self.body(FITS[:80] + b"BITPIX  =                    7".ljust(80) + FITS[160:])
            elif kind == "no image":
                self.body(fits_bytes(None))
            elif kind == "missing":
                self.body(b'{"title": "Bad survey",\n "description": "no such HiPS \x1b[31m\xc3\xa9"}', 404)
            elif kind == "broken":
                self.body(b"<html>" + b"y" * 5000, 500)
            elif kind == "nothing":
                self.body(b"", 204)
            elif kind == "moved":
                self.redirect("/elsewhere?hips=good")
            elif kind == "circle":
                self.redirect(self.path)
            elif kind.startswith("to "):
                self.redirect(kind[3:].replace("OTHER", str(self.server.other_port)))
            else:
                self.body(b"what?", 400)
        except OSError:
            pass  # the caller has hung up


class HttpServer:
    def __init__(self, certificate=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self.server.daemon_threads = True
        self.server.asked, self.server.stopping, self.server.told, self.server.other_port = [], threading.Event(), threading.Event(), 0
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.asked = self.server.asked
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.stopping.set()
        self.server.shutdown()
        self.server.server_close()


def request(hips="good", file_id=0, **more):
    return {"file_id": file_id, "hips": hips, "width": WIDTH, "height": HEIGHT, "projection": "TAN", "fov": 0.5, "ra": 83.6331, "dec": 22.0145, "coordsys": "icrs", **more}


async def ask(client, *args, **kwargs):
    return await client.call("carta.remote.file.request", request(*args, **kwargs))


class RemoteFile(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.service, cls.other = HttpServer(), HttpServer()
        cls.service.server.other_port = cls.other.port
        cls.addClassCleanup(cls.other.close)
        cls.addClassCleanup(cls.service.close)
        cls.options = cls.options_for(cls.service)
        super().setUpClass()

    @staticmethod
    def options_for(service, *more):
        return ("--remote-host", f"127.0.0.1:{service.port}", "--remote-url", f"http://127.0.0.1:{service.port}/hips2fits", "--remote-size-limit", "1M", *more)

    @classmethod
    def make_files(cls, folder):
        (folder / "plain.fits").write_bytes(FITS)

    def setUp(self):
        self.service.asked.clear()
        self.other.asked.clear()

    async def check_pixels(self, client, file_id):
        block = await client.call("image.read", file_id=file_id)
        numpy.testing.assert_array_equal(block_values(block).reshape(HEIGHT, WIDTH), IMAGE)
        numpy.testing.assert_array_equal(pixels((await get_tiles(client, file_id, [0]))[0]), IMAGE)

    async def test_an_image_of_a_survey(self):
        for generation in (1, 2):
            client = await self.viewer(generation)
            for number, kind in enumerate(("good", "chunks", "moved")):
                answer = await ask(client, kind, 3 + number)
                self.assertTrue(answer["success"], answer["message"])
                ack = answer["open_file_ack"]
                self.assertEqual((ack["file_id"], ack["success"], ack["file_info"]["name"], ack["file_info"]["type"]),
                                 (3 + number, True, f"remote_file{number or ''}.fits", "FITS"))  # fmt: skip
                self.assertEqual((ack["file_info_extended"]["width"], ack["file_info_extended"]["height"]), (WIDTH, HEIGHT))
                await client.next(HISTOGRAM, lambda m: m["file_id"] == 3 + number)
                await self.check_pixels(client, 3 + number)
            await client.close()

    async def test_only_what_was_opened_is_numbered(self):
        client = await self.viewer()
        await self.refused(client, "missing", "404")
        self.assertEqual((await ask(client, "good", 1))["open_file_ack"]["file_info"]["name"], "remote_file.fits")
        await client.call("carta.close.file", {"file_id": 1})
        await self.refused(client, "html", "FITS")
        await self.refused(client, "", "hips")
        pending = [(await client.start("carta.remote.file.request", [request(kind, 2 + n)]))[1] for n, kind in enumerate(("good", "missing", "good"))]
        answers = [(await asyncio.wait_for(answer, PATIENCE))["result"] for answer in pending]
        self.assertEqual([answer["success"] for answer in answers], [True, False, True])
        names = [answer["open_file_ack"]["file_info"]["name"] for answer in answers if answer["success"]]
        self.assertEqual(len({"remote_file.fits", *names}), 3, names)
        self.assertEqual(names[0], "remote_file1.fits")

    async def test_what_is_asked(self):
        client = await self.viewer()
        for hips in ("CDS/P/DSS2/red", "CDS/a&b=c?d#e/../%41 é\n'\""):
            self.assertTrue((await ask(client, hips, rotation_angle=-12.5))["success"])
        self.assertTrue((await ask(client, "CDS/x", object="M 31 & friends", coordsys="GALACTIC", ra=0, dec=0))["success"])
        self.assertTrue((await ask(client, "CDS/x", wcs='{"CRVAL1": 3}', projection="", fov=0))["success"])
        common = {"width": str(WIDTH), "height": str(HEIGHT), "format": "fits"}
        place = {"projection": "TAN", "fov": "0.5", "ra": "83.6331", "dec": "22.0145", "coordsys": "icrs"}
        self.assertEqual([query for _, query, _ in self.service.asked], [
            {"hips": "CDS/P/DSS2/red", **common, **place, "rotation_angle": "-12.5"},
            {"hips": "CDS/a&b=c?d#e/../%41 é\n'\"", **common, **place, "rotation_angle": "-12.5"},
            {"hips": "CDS/x", **common, "projection": "TAN", "fov": "0.5", "object": "M 31 & friends", "coordsys": "galactic"},
            {"hips": "CDS/x", **common, "wcs": '{"CRVAL1": 3}'}])  # fmt: skip
        for path, _, headers in self.service.asked:
            self.assertEqual(path, "/hips2fits")
            self.assertFalse({"Cookie", "Authorization", "Referer"} & set(headers))

    async def test_bad_requests(self):
        client = await self.viewer()
        for more, why in (({"hips": ""}, "hips"), ({"width": 0}, "pixels"), ({"height": -5}, "pixels"), ({"width": 10000, "height": 5001}, "50 million"),
                          ({"width": 2**31 - 1, "height": 2**31 - 1}, "50 million"), ({"coordsys": "fk5"}, "coordsys"), ({"projection": ""}, "projection"),
                          ({"fov": 0}, "fov"), ({"fov": -1}, "fov"), ({"fov": None}, "finite"), ({"ra": float("inf")}, "finite"), ({"dec": 91}, "not on the sky"),
                          ({"hips": "x" * 9000}, "8000 bytes")):  # fmt: skip
            with self.subTest(more=more):
                answer = await client.call("carta.remote.file.request", {**request(), **more})
                self.assertFalse(answer["success"])
                self.assertIn(why, answer["message"])
        self.assertIn("negative", (await ask(client, file_id=-1))["message"])
        await self.fails(client.call("carta.remote.file.request", {**request(), "width": "wide"}), -32602)
        self.assertEqual([query for _, query, _ in self.service.asked if query.get("width") != str(WIDTH)], [])

    async def refused(self, client, kind, why, file_id=7):
        with self.subTest(kind=kind):
            answer = await ask(client, kind, file_id)
            self.assertFalse(answer["success"], kind)
            self.assertIn(why, answer["message"])
            self.assertFalse(answer["open_file_ack"]["success"])
            self.assertNotIn(file_id, [file["file_id"] for file in (await client.call("session.state"))["files"]])
            return answer["message"]

    async def test_bad_manners(self):
        client = await self.viewer()
        for kind, why in (("html", "not a FITS file"), ("empty", "not a FITS file"), ("short", "not a FITS file"), ("zipped", "not a FITS file"),
                          ("bomb", "not a FITS file"), ("endless", "larger than 1 MiB"), ("large", "larger than 1 MiB"), ("cut off", "127.0.0.1"),
                          ("cut off within", "cut off"), ("other size", f"{WIDTH} × {HEIGHT - 1} pixels"), ("damaged", "BITPIX"), ("no image", "no HDU"),
                          ("broken", "answered 500"), ("nothing", "answered 204"), ("circle", "without end"), ("headers", "headers of its answer are too long"), ("long header", "headers of its answer are too long")):  # fmt: skip
            await self.refused(client, kind, why)
        message = await self.refused(client, "missing", 'answered 404 ({"title": "Bad survey", "description": "no such HiPS [31m"})')
        self.assertTrue(message.isascii() and message.isprintable())
        self.assertNotIn("yyy", await self.refused(client, "broken", "answered 500"))
        self.assertTrue((await ask(client, "good", 7))["success"])
        self.alive()

    async def test_redirects_go_to_listed_hosts_only(self):
        client = await self.viewer()
        for to in (f"http://127.0.0.1:{self.other.port}/?hips=good", "http://127.0.0.1:22/", "http://localhost/", f"http://localhost:{self.service.port}/?hips=good",
                   "https://example.org/", "http://169.254.169.254/latest/meta-data", f"http://[::1]:{self.service.port}/", f"//127.0.0.2:{self.service.port}/?hips=good"):  # fmt: skip
            await self.refused(client, f"to {to}", "is not one that this server may ask")
        for to in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/", "dict://127.0.0.1:11211/stat"):
            await self.refused(client, f"to {to}", "no https URL")
        await self.refused(client, f"to http://user:secret@127.0.0.1:{self.service.port}/?hips=good", "user name")
        self.assertEqual(self.other.asked, [])

    async def test_progress_and_closing(self):
        client = await self.viewer()
        _, opened = await client.start("carta.remote.file.request", [request("slow", 4)])
        await client.next("session.changed", lambda m: m["what"] == "progress" and m["task"] == "remote_file" and m["file_id"] == 4 and 0 < m["progress"] < 1)
        self.service.server.told.set()
        self.assertTrue((await asyncio.wait_for(opened, PATIENCE))["result"]["success"])
        await self.check_pixels(client, 4)
        for kind in ("drip", "silent"):
            _, opened = await client.start("carta.remote.file.request", [request(kind, 5)])
            await until(lambda: asyncio.sleep(0, any(query["hips"] == kind for _, query, _ in self.service.asked)), "the service to be asked")
            await client.call("carta.set.cursor", {"file_id": 4, "point": {"x": 1, "y": 2}})  # other files go on
            started = time.monotonic()
            _, closed = await client.start("carta.close.file", [{"file_id": 5}])
            answer = (await asyncio.wait_for(opened, PATIENCE))["result"]
            self.assertNotIn("error", await closed)
            print(f"test_remote_file: {kind} was ended {1000 * (time.monotonic() - started):.0f} ms after CLOSE_FILE", file=sys.stderr)
            self.assertFalse(answer["success"])
            self.assertIn("closed", answer["message"])

    async def test_slow_services_hold_up_nobody(self):
        """Sessions wait for as many as they like; another one works on, with one thread for computation too."""
        with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/slow.sqlite", *self.options_for(self.service, "--threads", "1")) as server:

            async def viewer():
                client = await connect(server.url, server.secret)
                await client.call("carta.register.viewer", {"session_id": 0})
                return client

            *slow, other = [await viewer() for _ in range(4)]
            pending = [(await client.start("carta.remote.file.request", [request("silent", 10 + n)]))[1] for n in range(8) for client in slow]
            await until(lambda: asyncio.sleep(0, len(self.service.asked) > 0), "the service to be asked")
            self.assertTrue((await other.call("carta.open.file", {"directory": "", "file": "plain.fits", "file_id": 9}))["success"])
            self.assertEqual((await other.next(HISTOGRAM))["file_id"], 9)
            for n in range(2):
                self.assertTrue((await ask(other, "good", n))["success"])
            for client in slow:
                _, closed = await client.start("carta.close.file", [{"file_id": -1}])
                await asyncio.wait_for(closed, PATIENCE)
            for future in pending:
                self.assertFalse((await asyncio.wait_for(future, PATIENCE))["result"]["success"])
            for client in (*slow, other):
                await client.close()

    async def test_the_time_limit(self):
        with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/time.sqlite", *self.options_for(self.service, "--remote-timeout", "1")) as server:
            client = await connect(server.url, server.secret)
            await client.call("carta.register.viewer", {"session_id": 0})
            for kind in ("drip", "silent"):
                await self.refused(client, kind, "longer than 1 s")
            await client.close()

    async def test_off_by_default(self):
        with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/off.sqlite", "--remote-url", f"http://127.0.0.1:{self.service.port}/") as server:
            client = await connect(server.url, server.secret)
            await client.call("carta.register.viewer", {"session_id": 0})
            message = await self.refused(client, "good", "--remote-host")
            self.assertIn("fetches no files", message)
            await client.close()
        self.assertEqual(self.service.asked, [])

    async def test_names_that_lead_to_private_addresses(self):
        """A name that is allowed, and leads to a loopback address (as curl has it for all names below .localhost)."""
        name = f"rebinding.localhost:{self.other.port}"
        with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/name.sqlite", "--remote-host", name, "--remote-url", f"https://{name}/") as server:
            client = await connect(server.url, server.secret)
            await client.call("carta.register.viewer", {"session_id": 0})
            await self.refused(client, "good", "is not a public one")
            await client.close()
        self.assertEqual(self.other.asked, [])

    async def test_certificates_are_checked(self):
        certificate = f"{self.temporary.name}/certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", certificate, "-out", f"{certificate}.crt", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)  # fmt: skip
        with open(certificate, "a") as file, open(f"{certificate}.crt") as more:
            file.write(more.read())
        service = HttpServer(certificate)
        self.addCleanup(service.close)
        host = f"127.0.0.1:{service.port}"
        with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/tls.sqlite", "--remote-host", host, "--remote-url", f"https://{host}/") as server:
            client = await connect(server.url, server.secret)
            await client.call("carta.register.viewer", {"session_id": 0})
            await self.refused(client, "good", "certificate")
            await client.close()
        self.assertEqual(service.asked, [])

    async def test_nobody_answers(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{unused.getsockname()[1]}"
            with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/nobody.sqlite", "--remote-host", host, "--remote-url", f"http://{host}/") as server:
                client = await connect(server.url, server.secret)
                await client.call("carta.register.viewer", {"session_id": 0})
                await self.refused(client, "good", "could not be fetched from 127.0.0.1")
                await client.close()

    async def test_nothing_remains_in_the_scratch_folder(self):
        with tempfile.TemporaryDirectory() as scratch:
            with Server(PROGRAM, str(self.folder), "--store", f"{self.temporary.name}/scratch.sqlite", *self.options_for(self.service, "--scratch", scratch)) as server:
                client = await connect(server.url, server.secret)
                await client.call("carta.register.viewer", {"session_id": 0})
                for kind in ("good", "endless", "html", "cut off"):
                    await ask(client, kind)
                    self.assertEqual(os.listdir(scratch), [])
                await client.close()

    async def test_after_a_restart(self):
        store = f"{self.temporary.name}/restarted.sqlite"
        with Server(PROGRAM, str(self.folder), "--store", store, *self.options) as server:
            client = await connect(server.url, server.secret)
            session = (await client.call("carta.register.viewer", {"session_id": 0}))["session_id"]
            self.assertTrue((await ask(client, "CDS/P/2MASS", 6))["success"])

            async def saved():
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
                    rows = database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchall()
                return rows and "CDS/P/2MASS" in rows[0][0]

            await until(saved, "a saved session")
            await client.close(1001)
        with Server(PROGRAM, str(self.folder), "--store", store, *self.options) as server:
            client = await connect(server.url, server.secret)
            self.assertEqual((await client.call("carta.register.viewer", {"session_id": session}))["session_type"], "RESUMED")
            (file,) = (await client.call("session.state"))["files"]
            self.assertEqual((file["file_id"], file["file"]), (6, "remote_file.fits"))
            await self.check_pixels(client, 6)
            queries = collections.Counter(tuple(sorted(query.items())) for _, query, _ in self.service.asked)
            self.assertEqual(list(queries.values()), [2])
            self.assertEqual((await ask(client, "good", 7))["open_file_ack"]["file_info"]["name"], "remote_file1.fits")
            await client.call("carta.close.file", {"file_id": 7})

            async def forgotten():
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
                    return '"id":7' not in database.execute("SELECT state FROM sessions WHERE id = ?", (session,)).fetchone()[0]

            await until(forgotten, "a saved session")
            await client.close(1001)
        with Server(PROGRAM, str(self.folder), "--store", store) as server:
            client = await connect(server.url, server.secret)
            await client.call("carta.register.viewer", {"session_id": session})
            error = await client.next(ERROR, lambda m: "remote_file.fits" in m["message"])
            self.assertIn("without --remote-host", error["message"])
            self.assertEqual((await client.call("session.state"))["files"], [])
            await client.close()


if __name__ == "__main__":
    unittest.main()
