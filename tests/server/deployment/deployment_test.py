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
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "server" / "net")]

import websockets  # noqa: E402
from document import block, free_ports, launcher_config, make_certificate, options_of_the_unit  # noqa: E402
from wslink_client import Client, Server, run  # noqa: E402
from patience import PATIENCE, open_socket, paces, until, wait_until  # noqa: E402

trust_anything = ssl._create_unverified_context()


def get(url, headers=None, data=None):
    """(status, body, headers), also of failures and of redirections, which are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=trust_anything))
    try:
        with opener.open(urllib.request.Request(url, data, headers or {}), timeout=2 * PATIENCE) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


async def connect(url, secret, generation, **options):
    client = Client(await open_socket(url, **options), generation)
    client.start()
    client.client_id = (await client.hello(secret))["clientID"]
    return client


class Nginx:
    """nginx with the site of the document, on a port of its own."""

    def __init__(self, folder, upstream):
        certificate, key = make_certificate(folder)
        for pace in paces(1, 1, 1):  # another program may have taken the port since it was free
            with pace:
                self.begin(folder, upstream, certificate, key)

    def begin(self, folder, upstream, certificate, key):
        (self.port, _), site = free_ports(1), block("nginx", "proxy_pass")
        for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"), ("http://127.0.0.1:1234", f"http://127.0.0.1:{upstream}"),
                         ("/etc/ssl/certs/images.example.org.pem", str(certificate)), ("/etc/ssl/private/images.example.org.key", str(key))):
            assert site.count(old) == 1, old
            site = site.replace(old, new)
        paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
                                           f"http {{\n    access_log off;\n{paths}{site}}}\n")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])

        def there():
            assert self.process.poll() is None, "nginx did not start: " + (folder / "error.log").read_text()
            try:
                # It writes its pid when it has the port: until then another program could answer there.
                return (folder / "pid").exists() and get(f"https://127.0.0.1:{self.port}/", {"Host": "images.example.org"})[0]
            except OSError:
                return False

        try:
            wait_until(there, "nginx")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)


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
                    await open_socket(url, origin=origin, **there)
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
            await open_socket(server.url, extra_headers=forged, origin="https://evil.example")
            raise AssertionError("a forged origin was let in")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 403
    with Server(program, "--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "50") as server:
        await (await open_socket(server.url, extra_headers=forged, origin="https://evil.example")).close()


async def connections_of_one_address(program):
    with Server(program, "--max-connections-per-address", "3") as server:
        clients = [await Client.open(server, 2) for _ in range(3)]
        try:
            await open_socket(server.url)
            raise AssertionError("a fourth connection was let in")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 503
        await clients[0].close()

        async def let_in():
            try:
                return await Client.open(server, 1)
            except websockets.InvalidStatusCode:
                return None

        clients[0] = await until(let_in, "room for another")
        for client in clients:
            assert await client.call("bench.echo", 1) == 1
            await client.close()


async def connections_of_one_address_behind_a_proxy(program):
    """Those of one client are counted, not those of the proxy."""
    with Server(program, "--max-connections-per-address", "2", "--trusted-proxy", "127.0.0.1") as server:
        open_ones = []
        for client in (1, 2, 3):
            headers = {"X-Forwarded-For": f"10.0.0.{client}"}
            open_ones += [await open_socket(server.url, extra_headers=headers) for _ in range(2)]
            try:
                await open_socket(server.url, extra_headers=headers)
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

            async def shown():
                try:
                    return await connect(url, server.secret, 1, ssl=trusted_now)
                except ssl.SSLCertVerificationError:
                    return None

            client = await until(shown, "the new certificate")
            large = os.urandom(8 << 20)
            assert await client.call("bench.echo", large) == large and await old.call("bench.echo", large) == large
            try:
                await open_socket(url, ssl=trusted)
                raise AssertionError("the old certificate is still shown")
            except ssl.SSLCertVerificationError:
                pass
            await client.close()
            await old.close()
    for wrong in (("--ssl-cert", "x.pem"), ("--ssl-cert", "/none.pem", "--ssl-key", "/none.key")):
        done = await asyncio.to_thread(subprocess.run, [program, "--port", "0", *wrong], capture_output=True, timeout=PATIENCE)
        assert done.returncode in (1, 2) and done.stderr, wrong


async def under_the_launcher(program):
    for pace in paces():
        with pace:
            await launched(program, after=10 * pace.factor)


async def launched(program, after):
    """`after`: seconds for which a launched server waits for a client."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = launcher_config(program, folder, free_ports(2), after)
        launcher = subprocess.Popen([sys.executable, str(Path(__file__).with_name("launcher.py")), str(config)], stdout=subprocess.PIPE, text=True)
        try:
            url = f"http://127.0.0.1:{launcher.stdout.readline().split()[1]}/paraview/"

            async def post(request):
                status, body, _ = await asyncio.to_thread(get, url, {"Content-Type": "application/json"}, json.dumps(request).encode())
                return status, json.loads(body)

            assert await post({"something": "else"}) == (400, {"error": "The request is not complete"})
            page = "http://127.0.0.1:8080"  # of the document's launcher
            sessions, clients = [], []
            for generation in (1, 2):
                status, session = await post({"application": "example"})
                assert status == 200 and set(session) == {"id", "sessionURL", "secret"}, session
                clients.append(await connect(session["sessionURL"], session["secret"], generation, origin=page))
                sessions.append(session)
            first, second = sessions
            assert first["sessionURL"] != second["sessionURL"] and first["secret"] != second["secret"]
            assert len((folder / "sessions.txt").read_text().splitlines()) == 2
            assert (await post({"application": "example"}))[0] == 503  # both ports are taken

            for generation, session, not_its, client in ((1, first, second, clients[0]), (2, second, first, clients[1])):
                assert await client.call("bench.echo", "here") == "here"
                other = Client(await open_socket(session["sessionURL"]), generation)
                other.start()
                assert (await other.failure("wslink.hello", {"secret": not_its["secret"]}, id="system:c0:0")).code == -32000
                await other.close()
            for client in clients:
                await client.close()

            # --timeout: both end by themselves, and their ports can be had again.
            async def launched_again():
                status, session = await post({"application": "example", "secret": "from the page"})
                return session if status == 200 else await asyncio.sleep(0.5)

            third = await until(launched_again, "a free port", PATIENCE + after)
            assert third["secret"] == "from the page"
            client = await connect(third["sessionURL"], "from the page", 2)
            assert await client.call("application.exit.later", 1) is None
            await client.close()
        finally:
            launcher.terminate()
            launcher.wait(PATIENCE)


if __name__ == "__main__":
    sys.exit(run([behind_nginx, forwarded_by_anybody, connections_of_one_address, connections_of_one_address_behind_a_proxy, tls_and_a_new_certificate, under_the_launcher], sys.argv[1]))
