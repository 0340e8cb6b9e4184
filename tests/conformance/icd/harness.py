"""What the tests of this folder share: a server over a folder with an image and a cube, its store, and clients of every dialect.

The server is build/release/server/cubelink, or what the environment's CUBELINK_PROGRAM names."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import aiohttp
import numpy
from astropy.io import fits

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import icd_client  # noqa: E402
import wslink_client  # noqa: E402
from cubelink_server import Server  # noqa: E402
from icd_client import icd  # noqa: E402,F401
from patience import PATIENCE, open_socket, paces, until  # noqa: E402,F401

PROGRAM = os.environ.get("CUBELINK_PROGRAM", str(ROOT / "build/release/server/cubelink"))
SECRET = "a-secret-of-the-tests"

random = numpy.random.default_rng(11)
IMAGE = random.normal(size=(300, 400)).astype("f4")
CUBE = random.normal(size=(20, 60, 80)).astype("f4")


def write_files(folder):
    fits.writeto(f"{folder}/image.fits", IMAGE)
    header = fits.Header()
    for n, (kind, value, step, unit) in enumerate((("RA---SIN", 120, -1e-3, "deg"), ("DEC--SIN", 30, 1e-3, "deg"), ("FREQ", 1.4e9, 1e6, "Hz")), 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CUNIT{n}"] = kind, 1, value, step, unit
    fits.writeto(f"{folder}/cube.fits", CUBE, header)


class Case(unittest.IsolatedAsyncioTestCase):
    """A folder and a store for each test; start() runs a server over them, as often as is needed."""

    options = ()
    secret = SECRET

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cubelink-icd-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        os.mkdir(f"{self.folder}/data")
        write_files(f"{self.folder}/data")
        self.store = f"{self.folder}/store.sqlite"
        self.server = None
        self.addCleanup(self.stop)

    def start(self, *more):
        self.server = Server(PROGRAM, f"{self.folder}/data", "--store", self.store, *self.options, *more, secret=self.secret).__enter__()
        self.port, self.base = self.server.port, f"http://127.0.0.1:{self.server.port}"

    def stop(self):
        if self.server:
            server, self.server = self.server, None
            server.__exit__(None, None, None)

    async def stopped(self):
        """As stop(), while clients hear the server's goodbye and answer it."""
        await asyncio.get_running_loop().run_in_executor(None, self.stop)

    async def kill(self):
        self.server.process.kill()
        self.server.process.wait()
        self.server = None

    async def page(self, session_id=0, token=SECRET, flags=5, version=30, api_key="", path="/carta/"):
        """A client as CARTA's page is one."""
        client = await icd_client.connect(self.port, token, path=path, version=version)
        self.addAsyncCleanup(client.close, 1001)
        client.ack = await client.ask("REGISTER_VIEWER", session_id=session_id, client_feature_flags=flags, api_key=api_key)
        client.session = client.ack.session_id
        return client

    async def wslink(self, session_id=0, secret=SECRET, generation=2, register=True):
        client = await wslink_client.connect(f"ws://127.0.0.1:{self.port}/ws", secret, generation)
        self.addAsyncCleanup(client.close, 1001)
        if register:
            client.ack = await client.call("carta.register.viewer", {"session_id": session_id})
            client.session = client.ack["session_id"]
        return client

    async def http(self, method, path, body=None, token=SECRET, headers=None, how="bearer"):
        """(status, JSON or text)"""
        headers = dict(headers or {})
        if token is not None and how == "bearer":
            headers["Authorization"] = f"Bearer {token}"
        if token is not None and how == "cookie":
            headers["Cookie"] = f"other=1; carta-auth-token={token}"
        if token is not None and how == "query":
            path += f"?token={token}"
        async with aiohttp.ClientSession() as session:
            async with session.request(method, self.base + path, json=body, headers=headers) as response:
                self.response = response
                text = await response.read()
                if "json" in response.headers.get("Content-Type", ""):
                    return response.status, await response.json()
                return response.status, text


def run():
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # sanitizers and busy machines are slow
    unittest.main(verbosity=1)
