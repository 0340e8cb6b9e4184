"""Random calls, made from the ICD's own schema: sensible ones, odd ones and broken ones, by several connections at once. Every call is
answered, replies leave in order, sets of tiles are whole, and the server lives.

CUBELINK_SEED chooses another exploration, CUBELINK_SECONDS a longer one."""

import asyncio
import json
import os
import random
import time
import unittest

import numpy
from astropy.io import fits

from harness import PATIENCE, ROOT, SYNC, ServerTest, open_file, settled
from test_order import check_sets

SECONDS = float(os.environ.get("CUBELINK_SECONDS", "6"))
SEED = int(os.environ.get("CUBELINK_SEED", "1"))

SCHEMA = json.loads((ROOT / "tests/rpc/icd/icd30.json").read_text())
# These may overtake others: they are long work.
LATE = {"OPEN_FILE", "RESUME_SESSION", "FILE_INFO_REQUEST", "FILE_LIST_REQUEST", "REGION_LIST_REQUEST", "REGION_FILE_INFO_REQUEST", "IMPORT_REGION", "EXPORT_REGION",
        "CATALOG_LIST_REQUEST", "CATALOG_FILE_INFO_REQUEST", "OPEN_CATALOG_FILE", "MOMENT_REQUEST", "PV_REQUEST", "FITTING_REQUEST", "SAVE_FILE", "REMOTE_FILE_REQUEST", "SCRIPTING_RESPONSE", "CONCAT_STOKES_FILES"}
OF_A_FILE = {"carta." + event["name"].lower().replace("_", ".") for event in SCHEMA["events"]
             if any(field["name"] in ("file_id", "region_id") for field in SCHEMA["messages"].get(event["message"], {"fields": []})["fields"])}  # fmt: skip
# Asked for more often than others: what works already.
FAVOURED = ["OPEN_FILE", "SET_IMAGE_CHANNELS", "SET_CURSOR", "SET_SPATIAL_REQUIREMENTS", "SET_SPECTRAL_REQUIREMENTS", "SET_HISTOGRAM_REQUIREMENTS",
            "SET_STATS_REQUIREMENTS", "ADD_REQUIRED_TILES", "CLOSE_FILE", "FILE_LIST_REQUEST", "FILE_INFO_REQUEST", "STOP_FILE_LIST"]  # fmt: skip
FILES = ["image.fits", "cube.fits", "small.fits.gz", "pressed.fits.fz", "missing.fits", "broken.fits", ""]
NUMBERS = [0, 0, 0, 1, 1, 2, 3, -1, -2, 5, 7, 100, 255, 256, 4095, 2**24, 2**31 - 1, -(2**31), 1 << 24 | 1, 2 << 24 | 4096]
REALS = [0.0, 0.5, 1.0, 10.5, -0.4, 100.25, 1e30, -1e30, float("nan"), float("inf"), 3, None, 1e-40]
TEXTS = ["", "x", "y", "z", "Ix", "Qz", "Plinearz", "$BASE", "..", "sub", "0", "1", "ä\u2028", "a" * 300, "wslink_bin0"]
WRONG = ["text", [], {}, [[]], None, True, 2**63, -1.5, b"\0\1", {"x": {"y": {}}}, [1, "a"]]
NAMED = {"file": FILES, "name": ["table.csv", "table.csv", "broken.fits", "", ".."], "column_name": ["a", "b", "c", "x"], "sort_column": ["", "a", "b", "c"], "column_indices": [[0], [0, 1], [7], []], "subset_data_size": [0, 1, 5, 100], "subset_start_index": [0, 0, 3, 1000], "directory": ["", "", "", ".", "sub", "..", "$BASE"], "coordinate": ["x", "y", "z", "Qz", "", "Uy"], "hdu": ["", "", "0", "1", "9"],
         "file_id": [0, 0, 1, 2, 3, -1], "region_id": [0, 0, -1, -2, 1], "channel": [0, 1, 2, 3, 9], "stokes": [0, 0, 1, 14, 5],
         "tiles": [[0], [0, 1 << 24], [], [0] * 50, [2 << 24, 1]], "num_bins": [-1, 1, 10, 1000, 0], "mip": [0, 1, 2, 5, 10000],
         "compression_quality": [11, 9, 32, 1, 0.5], "compression_type": ["ZFP", "NONE", 0, 1]}  # fmt: skip


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def message(self, name, depth=0, wrongness=0.02):
        out = {}
        for field in SCHEMA["messages"][name]["fields"]:
            if self.random.random() < (0.25 if depth == 0 else 0.4):
                continue
            out[field["name"]] = self.value(field, depth, wrongness)
        if self.random.random() < wrongness:
            out[self.random.choice(["nonsense", "", "fileID", "ä"])] = self.random.choice(WRONG)
        return out

    def value(self, field, depth, wrongness):
        if self.random.random() < wrongness:
            return self.random.choice(WRONG)
        if field["name"] in NAMED and self.random.random() < 0.9:
            return self.random.choice(NAMED[field["name"]])
        count = self.random.choice([0, 1, 1, 2, 3, 20])
        if field["map"]:
            key, _, kind = field["type"][4:-1].partition(",")
            return {self.random.choice(["0", "1", "a", "7"]) if self.random.random() < 0.3 else (str(i) if key != "string" else f"k{i}"): self.one(kind.strip(), depth, wrongness)
                    for i in range(count)}  # fmt: skip
        if field["repeated"]:
            return [self.one(field["type"], depth, wrongness) for _ in range(count)]
        return self.one(field["type"], depth, wrongness)

    def one(self, kind, depth, wrongness):
        if kind in SCHEMA["messages"]:
            return self.message(kind, depth + 1, wrongness) if depth < 5 else {}
        if kind in SCHEMA["enums"]:
            names = list(SCHEMA["enums"][kind])
            return self.random.choice([*names, SCHEMA["enums"][kind][self.random.choice(names)]] if self.random.random() < 0.95 else [99, "NO_SUCH", -1])
        if kind == "string":
            return self.random.choice(TEXTS)
        if kind == "bytes":
            return self.random.randbytes(self.random.choice([0, 3, 1000]))
        if kind == "bool":
            return self.random.random() < 0.5
        if kind in ("float", "double"):
            return self.random.choice(REALS)
        return self.random.choice(NUMBERS)

    def own_method(self):
        """A method of the server's own."""
        pick = self.random.choice
        span = lambda: pick([None, 0, 3, [0, 5], [0, 10, 3], [5, 2], "a", [0, 1e9], [-1, 4], []])  # noqa: E731
        return pick([
            ("image.read", {"file_id": pick([0, 1, 2]), "x": span(), "y": span(), "channel": span(), "stokes": span()}), ("image.header", {"file_id": pick([0, 1, 7])}),
            ("image.to_world", {"file_id": pick([0, 1]), "points": [[pick(REALS), pick(REALS)] for _ in range(pick([0, 1, 5]))], "frame": pick(["", "ICRS", "GALACTIC", "x"])}),
            ("image.to_pixel", {"file_id": pick([0, 1]), "points": [[pick(REALS), pick(REALS)]]}),
            ("image.spectral_axis", {"file_id": pick([0, 1]), "kind": pick(["frequency", "radio velocity", "wavelength", "x", ""]), "rest_freq": pick(REALS)}),
            ("session.state", {}), ("session.connections", {}), ("server.info", {}), ("no.such.method", {"x": 1}), ("pubsub.subscriptions", {}),
        ])  # fmt: skip

    def call(self):
        """(method, argument, whether it may overtake others)"""
        if self.random.random() < 0.15:
            method, arguments = self.own_method()
            return method, arguments, method == "image.read"
        events = [e for e in SCHEMA["events"] if e["direction"] == "frontend->backend" and e["name"] != "REGISTER_VIEWER"]
        event = self.random.choice(events)
        if self.random.random() < 0.7:
            favourite = self.random.choice(FAVOURED)
            event = next(e for e in events if e["name"] == favourite)
        wrongness = self.random.choice([0, 0, 0.02, 0.2])
        return "carta." + event["name"].lower().replace("_", "."), self.message(event["message"], 0, wrongness), event["name"] in LATE


class RandomCalls(ServerTest):
    options = ("--memory-limit", "64M")

    @classmethod
    def make_files(cls, folder):
        rng = numpy.random.default_rng(1)
        fits.writeto(folder / "image.fits", rng.normal(size=(900, 700)).astype("f4"))
        header = fits.Header({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRVAL4": 1.0,
                              "CDELT4": 1.0, "CRPIX4": 1.0, "CDELT1": -0.001, "CDELT2": 0.001})  # fmt: skip
        fits.writeto(folder / "cube.fits", rng.normal(size=(3, 10, 200, 300)).astype("f4"), header)
        fits.writeto(folder / "small.fits.gz", rng.normal(size=(30, 40)).astype("f8"))
        fits.CompImageHDU((rng.normal(size=(300, 300)) * 100).astype("i2")).writeto(folder / "pressed.fits.fz")
        (folder / "table.csv").write_text("a,b,c\n" + "".join(f"{n},{n * 0.5},text {n}\n" for n in range(500)))
        (folder / "broken.fits").write_bytes((folder / "image.fits").read_bytes()[:5000])
        (folder / "sub").mkdir()

    async def explore(self, seed, generation, session_id, until):
        maker = Maker(seed)
        client = await self.viewer(generation, session_id)
        sent = answered = errors = 0
        while time.monotonic() < until or sent < 200:
            client.forget()
            batch = []
            for _ in range(maker.random.choice([1, 5, 20, 60])):
                method, argument, late = maker.call()
                keywords = method.startswith(("image", "session", "server", "pubsub", "no")) or maker.random.random() < 0.1
                batch.append((late, method, argument, *await client.start(method, [] if keywords else [argument], argument if keywords else {})))
            for late, method, argument, id, future in batch:
                sent += 1
                try:
                    reply = await asyncio.wait_for(future, PATIENCE)
                except asyncio.TimeoutError:
                    raise AssertionError(f"no answer to {method} {argument} (seed {seed})") from None
                except ConnectionError as lost:
                    raise AssertionError(f"lost the connection: {lost}; in the batch with {method} {argument} (seed {seed})") from None
                answered += 1
                if "error" in reply:
                    errors += 1
                    self.assertIn(reply["error"]["code"], (-32601, -32602, -32001), reply)
                    self.assertTrue(reply["error"]["message"])
            order = [entry[1] for entry in client.log if entry[0] == "reply"]
            # Calls for a file that is being opened, or for new regions while some are being read, by whichever connection of the session, are answered
            # when they are done.
            late_ids = {id for late, method, _, id, _ in batch if late or method.startswith("image.") or method in OF_A_FILE}
            expected = [id for _, _, _, id, _ in batch if id not in late_ids]
            self.assertEqual([id for id in order if id not in late_ids], expected, f"replies out of order (seed {seed})")
            if maker.random.random() < 0.1:
                # A file that is open stays; what is not wanted any more is not sent half.
                await settled(client)
        return sent, answered, errors

    async def test_random_calls(self):
        until = time.monotonic() + SECONDS
        alone = await self.viewer()
        shared = await self.viewer()
        before = self.server.memory()
        results = await asyncio.gather(
            self.explore(SEED * 1000 + 1, 2, shared.session_id, until), self.explore(SEED * 1000 + 2, 1, shared.session_id, until), self.explore(SEED * 1000 + 3, 2, 0, until)
        )
        total = [sum(column) for column in zip(*results)]
        self.assertEqual(total[0], total[1])
        self.assertGreater(total[0], 100)
        self.assertGreater(total[0] - total[2], total[0] // 5, "nearly everything was refused: that explores nothing")
        self.alive()
        self.assertEqual([entry for entry in alone.log if entry[0] == "publish" and entry[1].startswith("carta.")], [])
        await open_file(shared, "image.fits")
        await settled(shared)
        shared.forget()
        await shared.call("carta.add.required.tiles", file_id=0, tiles=[0])
        await shared.next(SYNC, lambda s: s["end_sync"], PATIENCE)
        check_sets(shared.log)
        if "asan" not in self.server.command[0] and "tsan" not in self.server.command[0]:
            self.assertLess(self.server.memory() - before, 300 << 20)
        print(f"seed {SEED}: {total[0]} calls, {total[2]} of them refused")


if __name__ == "__main__":
    unittest.main()
