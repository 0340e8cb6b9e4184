#!/usr/bin/python3
"""docs/deployment.md as it stands there: nginx in front of the example server, TLS with a certificate that changes, the launcher.

    deployment_test.py build/release/tests/wslink_example_server
"""

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "server" / "net")]

import websockets  # noqa: E402
from document import block, free_ports, launcher_config, make_certificate, options_of_the_unit  # noqa: E402
from wslink_client import Client, Server, run  # noqa: E402

trust_anything = ssl._create_unverified_context()


def get(url, headers=None, data=None):
    """(status, body, headers), also of failures and of redirections, which are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=trust_anything))
    try:
        with opener.open(urllib.request.Request(url, data, headers or {}), timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


async def connect(url, secret, generation, **options):
    client = Client(await websockets.connect(url, max_size=None, compression=None, **options), generation)
    client.start()
    client.client_id = (await client.hello(secret))["clientID"]
    return client


class Nginx:
    """nginx with the site of the document, on a port of its own."""

    def __init__(self, folder, upstream):
        certificate, key = make_certificate(folder)
        (self.port, _), site = free_ports(1), block("nginx", "proxy_pass")
        for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"), ("http://127.0.0.1:1234", f"http://127.0.0.1:{upstream}"),
                         ("/etc/ssl/certs/images.example.org.pem", str(certificate)), ("/etc/ssl/private/images.example.org.key", str(key))):
            assert site.count(old) == 1, old
            site = site.replace(old, new)
        paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
                                           f"http {{\n    access_log off;\n{paths}{site}}}\n")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])
        self.folder = folder
        for _ in range(200):
            try:
                if get(f"https://127.0.0.1:{self.port}/", {"Host": "images.example.org"})[0]:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("nginx did not start: " + (folder / "error.log").read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


async def behind_nginx(program):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page").mkdir()
        (folder / "page" / "index.html").write_text("<h1>the page</h1>")
        with Server(program, *options_of_the_unit(), "--content", str(folder / "page")) as server, Nginx(folder, server.port) as nginx:
            base = f"https://127.0.0.1:{nginx.port}"
            host = {"Host": f"images.example.org:{nginx.port}"}

            def pages():
                assert get(base + "/cubelink/", host)[:2] == (200, b"<h1>the page</h1>")
                status, _, headers = get(base + "/cubelink", host)
                assert status == 308 and headers["Location"] == "cubelink/", headers["Location"]
                assert get(base + "/cubelink/healthz", host)[:2] == (200, b"ok")
                assert get(base + "/cubelink/metrics", host)[0] == 401
                assert get(base + "/cubelink/metrics?token=" + server.secret, host)[0] == 200
                assert get(base + "/cubelink/nothing", host)[0] == 404
                assert get(base + "/cubelink/ws", host)[0] == 426
                assert get(base + "/elsewhere", host)[0] == 404
                assert get(base + "/cubelinked", host)[0] == 404
                # Not below the base path, even straight from the server; and not by another name.
                assert get(f"http://127.0.0.1:{server.port}/healthz")[0] == 404
                assert get(f"http://127.0.0.1:{server.port}/cubelink/healthz", {"Host": "evil.example"})[0] == 403

            await asyncio.to_thread(pages)
            url = f"wss://images.example.org:{nginx.port}/cubelink/ws"
            there = {"host": "127.0.0.1", "port": nginx.port, "ssl": trust_anything}  # as if the name were known here
            own = f"https://images.example.org:{nginx.port}"
            for generation in (1, 2):
                client = await connect(url, server.secret, generation, origin=own, **there)
                large = os.urandom(5 << 20)
                assert await client.call("bench.echo", large) == large
                await client.call("bench.publish", "topic", 300_000, 20)
                assert [len(value["data"]) for _, value in await client.publications(20)] == [300_000] * 20
                await client.close()
            # What decides is the name and the scheme by which the page was reached, as the proxy tells them.
            for origin in ("https://evil.example", f"http://images.example.org:{nginx.port}", "https://images.example.org:1", "null"):
                try:
                    await websockets.connect(url, origin=origin, **there)
                    raise AssertionError(f"{origin} was let in")
                except websockets.InvalidStatusCode as refused:
                    assert refused.status_code == 403
            # A client that says it was forwarded, without being the trusted proxy, changes nothing: see forwarded_by_anybody.
            text = (await asyncio.to_thread(get, base + "/cubelink/metrics?token=" + server.secret, host))[1].decode()
            assert re.search(r'^wslink_refusals_total\{reason="origin"\} 4$', text, re.M)


async def forwarded_by_anybody(program):
    """Without --trusted-proxy, X-Forwarded-* is what anybody may write."""
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1"}
    with Server(program) as server:
        try:
            await websockets.connect(server.url, extra_headers=forged, origin="https://evil.example")
            raise AssertionError("a forged origin was let in")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 403
    with Server(program, "--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "50") as server:
        await (await websockets.connect(server.url, extra_headers=forged, origin="https://evil.example")).close()


async def connections_of_one_address(program):
    with Server(program, "--max-connections-per-address", "3") as server:
        clients = [await Client.open(server, 2) for _ in range(3)]
        try:
            await websockets.connect(server.url)
            raise AssertionError("a fourth connection was let in")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 503
        await clients[0].close()
        for _ in range(100):
            try:
                clients[0] = await Client.open(server, 1)
                break
            except websockets.InvalidStatusCode:
                await asyncio.sleep(0.05)
        for client in clients:
            assert await client.call("bench.echo", 1) == 1
            await client.close()


async def connections_of_one_address_behind_a_proxy(program):
    """Those of one client are counted, not those of the proxy."""
    with Server(program, "--max-connections-per-address", "2", "--trusted-proxy", "127.0.0.1") as server:
        open_ones = []
        for client in (1, 2, 3):
            headers = {"X-Forwarded-For": f"10.0.0.{client}"}
            open_ones += [await websockets.connect(server.url, extra_headers=headers) for _ in range(2)]
            try:
                await websockets.connect(server.url, extra_headers=headers)
                raise AssertionError("a third connection was let in")
            except websockets.InvalidStatusCode as refused:
                assert refused.status_code == 503
        for connection in open_ones:
            await connection.close()


async def tls_and_a_new_certificate(program):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate, key = make_certificate(folder)
        new_certificate, new_key = make_certificate(folder, "new")
        with Server(program, "--ssl-cert", str(certificate), "--ssl-key", str(key)) as server:
            assert server.lines[0].startswith("Open https://")
            url = f"wss://localhost:{server.port}/ws"
            trusted = ssl.create_default_context(cafile=certificate)
            old = await connect(url, server.secret, 2, ssl=trusted, origin=f"https://localhost:{server.port}")
            assert (await asyncio.to_thread(get, f"https://127.0.0.1:{server.port}/healthz"))[:2] == (200, b"ok")

            # What cannot be read changes nothing.
            certificate.rename(folder / "kept.pem")
            certificate.write_text("no certificate")
            server.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.5)
            await (await connect(url, server.secret, 1, ssl=trusted)).close()

            new_certificate.replace(certificate)
            new_key.replace(key)
            server.process.send_signal(signal.SIGHUP)
            trusted_now = ssl.create_default_context(cafile=certificate)
            for _ in range(100):
                try:
                    client = await connect(url, server.secret, 1, ssl=trusted_now)
                    break
                except ssl.SSLCertVerificationError:
                    await asyncio.sleep(0.05)
            large = os.urandom(8 << 20)
            assert await client.call("bench.echo", large) == large and await old.call("bench.echo", large) == large
            try:
                await websockets.connect(url, ssl=trusted)
                raise AssertionError("the old certificate is still shown")
            except ssl.SSLCertVerificationError:
                pass
            await client.close()
            await old.close()
    for wrong in (("--ssl-cert", "x.pem"), ("--ssl-cert", "/none.pem", "--ssl-key", "/none.key")):
        done = await asyncio.to_thread(subprocess.run, [program, "--port", "0", *wrong], capture_output=True, timeout=20)
        assert done.returncode in (1, 2) and done.stderr, wrong


async def under_the_launcher(program):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = launcher_config(program, folder, free_ports(2), after=10)
        launcher = subprocess.Popen([sys.executable, str(Path(__file__).with_name("launcher.py")), str(config)], stdout=subprocess.PIPE, text=True)
        try:
            url = f"http://127.0.0.1:{launcher.stdout.readline().split()[1]}/paraview/"

            def post(request):
                status, body, _ = get(url, {"Content-Type": "application/json"}, json.dumps(request).encode())
                return status, json.loads(body)

            assert await asyncio.to_thread(post, {"something": "else"}) == (400, {"error": "The request is not complete"})
            (status, first), (_, second) = [await asyncio.to_thread(post, {"application": "example"}) for _ in range(2)]
            assert status == 200 and set(first) == {"id", "sessionURL", "secret"}
            assert first["sessionURL"] != second["sessionURL"] and first["secret"] != second["secret"]
            assert len((folder / "sessions.txt").read_text().splitlines()) == 2
            assert (await asyncio.to_thread(post, {"application": "example"}))[0] == 503  # both ports are taken

            page = "http://127.0.0.1:8080"  # of the document's launcher
            for generation, session in ((1, first), (2, second)):
                client = await connect(session["sessionURL"], session["secret"], generation, origin=page)
                assert await client.call("bench.echo", "here") == "here"
                other = Client(await websockets.connect(session["sessionURL"]), generation)
                other.start()
                assert (await other.failure("wslink.hello", {"secret": second["secret"] if session is first else first["secret"]}, id="system:c0:0")).code == -32000
                await other.close()
                await client.close()
            # --timeout: both end by themselves, and their ports can be had again.
            for _ in range(60):
                await asyncio.sleep(0.5)
                status, third = await asyncio.to_thread(post, {"application": "example", "secret": "from the page"})
                if status == 200:
                    break
            assert status == 200 and third["secret"] == "from the page"
            client = await connect(third["sessionURL"], "from the page", 2)
            assert await client.call("application.exit.later", 1) is None
            await client.close()
        finally:
            launcher.terminate()
            launcher.wait(20)


if __name__ == "__main__":
    sys.exit(run([behind_nginx, forwarded_by_anybody, connections_of_one_address, connections_of_one_address_behind_a_proxy, tls_and_a_new_certificate, under_the_launcher], sys.argv[1]))
