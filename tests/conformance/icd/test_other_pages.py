#!/usr/bin/env python3
"""What browsers let pages of other origins do here, seen in raw HTTP: load the viewer's scripts as modules, read answers,
show it in a frame."""

import asyncio
import os

from harness import SECRET, Case, run

PAGE, EVIL = "https://page.example", "https://evil.example"


class OtherPages(Case):
    def setUp(self):
        super().setUp()
        os.makedirs(f"{self.folder}/www/assets")
        for name in ("index.html", "assets/element.js", "assets/zipped.js", "assets/zipped.js.gz"):
            with open(f"{self.folder}/www/{name}", "w") as file:
                file.write("export const view = 1;")

    def start(self, *more):
        super().start("--content", f"{self.folder}/www", "--carta-frontend", f"{self.folder}/www", *more)

    async def ask(self, path, method="GET", **headers):
        """(status, [(name in lower case, value), …]) as they are on the wire."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        writer.write("".join(line + "\r\n" for line in (*lines, "")).encode())
        answer = await reader.read()
        writer.close()
        first, *fields = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        return int(first.split()[1]), [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]

    @staticmethod
    def values(fields, name):
        return [value for field, value in fields if field == name]

    async def test_a_module_of_the_viewer(self):
        self.start("--allow-origin", PAGE)
        for path, status in (("/assets/element.js", 200), ("/", 200), ("/carta/assets/element.js", 200), ("/healthz", 200), ("/config", 200), ("/nothing.js", 404),
                             (f"/metrics?token={SECRET}", 200), ("/metrics", 401), ("/assets", 301)):
            for origin, may in ((PAGE, True), (EVIL, False), (None, False), (f"http://127.0.0.1:{self.port}", False), ("null", False)):
                with self.subTest(path=path, origin=origin):
                    answered, fields = await self.ask(path, **({"Origin": origin} if origin else {}))
                    self.assertEqual(answered, status)
                    self.assertEqual(self.values(fields, "access-control-allow-origin"), [origin] if may else [])
                    self.assertEqual(self.values(fields, "vary"), ["Origin"])

    async def test_answers_of_all_kinds(self):
        self.start("--allow-origin", PAGE)
        _, fields = await self.ask("/assets/element.js", Origin=PAGE)
        etag = self.values(fields, "etag")[0]
        for status, headers in ((304, {"If_None_Match": etag}), (206, {"Range": "bytes=0-3"}), (416, {"Range": "bytes=1000-"})):
            answered, fields = await self.ask("/assets/element.js", Origin=PAGE, **headers)
            self.assertEqual((answered, self.values(fields, "access-control-allow-origin")), (status, [PAGE]))
        answered, fields = await self.ask("/assets/zipped.js", Origin=PAGE, Accept_Encoding="gzip")
        self.assertEqual((answered, self.values(fields, "vary"), self.values(fields, "content-encoding")), (200, ["Accept-Encoding, Origin"], ["gzip"]))
        answered, fields = await self.ask("/assets/element.js", "HEAD", Origin=PAGE)
        self.assertEqual((answered, self.values(fields, "access-control-allow-origin")), (200, [PAGE]))

    async def test_a_preflight(self):
        self.start("--allow-origin", PAGE)
        for path in ("/assets/element.js", "/metrics", "/healthz"):
            answered, fields = await self.ask(path, "OPTIONS", Origin=PAGE, Access_Control_Request_Method="GET", Access_Control_Request_Headers="authorization")
            self.assertEqual((answered, self.values(fields, "access-control-allow-origin"), self.values(fields, "access-control-allow-methods")), (204, [PAGE], ["GET, HEAD"]))
            self.assertIn("authorization", self.values(fields, "access-control-allow-headers")[0])
            answered, fields = await self.ask(path, "OPTIONS", Origin=EVIL, Access_Control_Request_Method="GET")
            self.assertEqual(self.values(fields, "access-control-allow-origin"), [])

    async def test_frames(self):
        for origins, sources, option in (((), "'self'", ["SAMEORIGIN"]), (("*",), "'self'", ["SAMEORIGIN"]), (("*", PAGE), f"'self' {PAGE}", []), ((PAGE, "http://localhost:8888"), f"'self' {PAGE} http://localhost:8888", [])):
            self.start(*(word for origin in origins for word in ("--allow-origin", origin)))
            for path in ("/", "/assets/element.js", "/carta/", "/nothing", "/healthz", "/api/database/preferences"):
                with self.subTest(path=path, origins=origins):
                    _, fields = await self.ask(path)
                    self.assertEqual(self.values(fields, "content-security-policy"), [f"frame-ancestors {sources}"])
                    self.assertEqual(self.values(fields, "x-frame-options"), option)
            await self.stopped()

    async def test_without_named_origins(self):
        self.start()
        for path in ("/assets/element.js", "/healthz"):
            answered, fields = await self.ask(path, Origin=PAGE)
            self.assertEqual((answered, self.values(fields, "access-control-allow-origin"), self.values(fields, "vary")), (200, [], []))
            self.assertEqual(self.values(fields, "cross-origin-resource-policy"), ["same-origin"])


if __name__ == "__main__":
    run()
