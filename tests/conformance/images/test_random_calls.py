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
LATE_OWN = {"session.cancel", "image.read", "image.statistics", "image.render", "catalog.rows", "catalog.pixels"}
OF_A_FILE = {"carta." + event["name"].lower().replace("_", ".") for event in SCHEMA["events"]
             if any(field["name"] in ("file_id", "region_id") for field in SCHEMA["messages"].get(event["message"], {"fields": []})["fields"])}  # fmt: skip
# Asked for more often than others: what works already.
FAVOURED = ["OPEN_FILE", "SET_IMAGE_CHANNELS", "SET_CURSOR", "SET_SPATIAL_REQUIREMENTS", "SET_SPECTRAL_REQUIREMENTS", "SET_HISTOGRAM_REQUIREMENTS",
            "SET_STATS_REQUIREMENTS", "ADD_REQUIRED_TILES", "FILE_LIST_REQUEST", "FILE_INFO_REQUEST", "STOP_FILE_LIST"]  # fmt: skip
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
        """A method of the server's own. Arguments are (sensible ones, odd ones): an odd one spoils a call, so that there are few of them."""
        pick = self.random.choice
        condition = ([None, {"column": "a", "op": "<", "value": 9}, {"column": "c", "matches": "te.t"}, {"all": [{"column": "b", "op": ">", "value": 9}, {"missing": "c"}]}],
                     [{}, [], {"column": "a", "op": "x", "value": 1}, {"column": "c", "matches": "("}, {"none": {"none": {}}}, {"cone": {"lon": "a", "lat": "b", "center": [0, 0], "radius": None}}])  # fmt: skip
        span = ([None, 0, 3, [0, 5], [0, 10, 3]], [[5, 2], "a", [0, 1e9], [-1, 4], []])
        real = ([0.0, 10.5, 100.25], REALS)
        on_view, flag = {"viewId": (["0", "1", 0, "-1"], ["x", None, {}, -2])}, ([True, False], [1, "a", None])
        methods = {
            "image.header": {}, "image.read": {"x": span, "y": span, "channel": span, "stokes": span},
            "image.to_world": {"points": ([[], [[1, 2]], [[0.5, 1e9]] * 5], [[pick(REALS)], "a", [[1, 2, 3, 4]]]), "frame": (["ICRS", "GALACTIC"], ["x", ""])},
            "image.to_pixel": {"points": ([[[0, 0]]], [[[pick(REALS), pick(REALS)]]])},
            "image.spectral_axis": {"kind": (["frequency", "velocity_radio", "wavelength", None], ["x", 3]), "rest_freq": ([None, 1.4e9], REALS),
                                    "frame": ([None, "LSRK", "BARYCENT"], ["TOPOCENT", "x", 3]), "point": ([None, [1, 2]], [[1], [pick(REALS), pick(REALS)], {}, "x"])},
            "image.statistics": {"region": ([None, 1, {"region_type": "CIRCLE", "control_points": [{"x": 50, "y": 50}, {"x": 9, "y": 9}]}], [7, {}, {"region_type": "x"}]),
                                 "types": ([None, ["Mean", "MAD"], ["Percentile:97.5"]], [[], ["Percentile:1e9"], ["x"]]), "channels": ([None, 0], ["a", [5, 2]]),
                                 "stokes": ([None, 0], ["Plinear", 99]), "percentiles": ([[], [50]], [REALS, "a"])},
            "image.preview": {"width": ([10, 512, 4096], [0, 4097, -1, "a"]), "height": ([10, 512], [1e12]), "channel": ([None, 0], [99, -1]), "stokes": ([None, 0], [14, "Q"])},
            "image.render": {
                "view": ([None, {"x": 50, "y": 60, "scale": 0.5}, {"x_min": 3, "x_max": 60, "y_min": 0, "y_max": 40}], [{"x": pick(REALS), "y": pick(REALS), "scale": pick(REALS)}, {"scale": 0}, {}, 5]),
                "size": ([None, 100, [64, 32], [1, 1]], [0, -1, [1e9, 1], [16383, 1], "a", [300]]), "stretch": (["auto", "log", "sqrt", "asinh", "linear"], ["x", 3]),
                "colour_map": (["viridis", "Grey"], ["", 1]), "format": (["png", "jpeg", "webp"], ["gif", None]), "quality": ([0, 50, 100, None], [101, -1]), "inverted": flag,
                "percentile": ([50, 99.5, 100], [0, 200]), "limits": ([None, [0, 1]], [[1, 0], [pick(REALS), pick(REALS)], [0]]), "blank": (["#123456", "transparent"], ["#12", ""]),
                "background": (["#12345678"], ["red"]), "beam": flag, "grid": ([True, False, "GALACTIC"], ["x", 7]), "channel": ([None, 0], [99, -1]), "stokes": ([None, 0], ["Plinear", "x"]),
            },
            "catalog.rows": {"columns": ([None, ["a"], ["c", "a"]], [["x"], ["a", "a"], 3]), "where": condition, "sort": ([None, "a"], ["x"]), "descending": flag, "start": ([0, 3], NUMBERS), "count": ([1, 1000], NUMBERS)},
            "catalog.pixels": {"image_file_id": ([0, 1], [9]), "lon": (["a"], ["x"]), "lat": (["b"], []), "frame": (["ICRS"], ["x", ""]), "where": condition},
            "store.set": {"kind": (["preferences", "layouts"], ["x"]), "name": (["n"], TEXTS), "value": ([{}], WRONG)}, "store.get": {"kind": (["layouts"], [3]), "name": (["n"], TEXTS)},
            "store.list": {"kind": (["layouts"], ["", 3])}, "session.join": {"session_id": (NUMBERS, ["a"])},
            "session.cancel": {"id": ([self.random.randrange(500)], ["rpc:x:1", None, -1, "", {}])}, "session.state": {}, "session.connections": {}, "server.info": {}, "no.such.method": {"x": ([1], [])}, "pubsub.subscriptions": {},
            "viewport.image.push.observer.add": on_view, "viewport.image.push.observer.remove": on_view,
            "viewport.image.push.original.size": {**on_view, "width": ([40, 300], [0, -1, 1e9]), "height": ([30, 200], [16383])},
            "viewport.image.push.quality": {**on_view, "quality": ([1, 50], [101, -1]), "ratio": ([1, 0.5], REALS)},
            "viewport.image.push": {"options": ([{"view": "0", "size": [100, 20], "x": 5, "scale": 2}], [{"view": 0, "x": pick(REALS), "scale": pick(REALS), "grid": 5}, 3])},
            "viewport.image.push.invalidate.cache": on_view, "viewport.image.push.enabled": {**on_view, "enabled": flag},
            "viewport.mouse.interaction": {"event": ([{"view": "0", "action": pick(["down", "up", "dblclick"]), "x": 0.3, "y": pick([0, 0.5, 1]), pick(["buttonLeft", "buttonRight"]): True}],
                                                     [{"view": "1", "action": "x"}, {"view": 0, "action": "down", "x": pick(REALS), "y": pick(REALS), "buttonRight": 1}])},
            "viewport.mouse.zoom.wheel": {"event": ([{"view": "0", "type": pick(["StartMouseWheel", "MouseWheel", "EndMouseWheel"]), "x": 0.5, "y": 0.5, "spinY": 3}], [{"view": "0", "spinY": pick(REALS)}])},
            "viewport.camera.reset": on_view, "viewport.camera.update": {"view_id": (["0", "1"], ["x"]), "focal_point": ([[3, 4, 0]], [[pick(REALS), 1, 0], [], None])},
            "viewport.camera.update.params": {"view_id": (["0"], [{}]), "parameters": ([{"focalPoint": [3, 3, 0], "parallelScale": 10}], [{"focalPoint": [pick(REALS), 3, 0], "parallelScale": pick(REALS)}])},
            "viewport.image.animation.start": on_view, "viewport.image.animation.stop": on_view, "viewport.image.animation.fps.max": {"fps": ([1, 30], [0, -5, 1e9])}, "viewport.image.animation.fps.get": {},
        }  # fmt: skip
        method = pick(list(methods))
        needed = ("id", "points", "lon", "lat", "image_file_id", "kind", "name", "value", "options", "event", "viewId", "view_id", "parameters", "enabled", "width", "height", "quality", "focal_point", "fps")
        chosen = methods[method].items()
        if self.random.random() < 0.9:
            chosen = [(name, values) for name, values in chosen if name in needed or self.random.random() < 0.6]
        odd = self.random.choice([0, 0, 0.1, 0.4])
        arguments = {name: pick(strange if strange and self.random.random() < odd else sensible) for name, (sensible, strange) in chosen}
        if method.startswith(("image.", "catalog.")):
            arguments["file_id"] = pick([0, 0, 1, 1, 2, 7, -1])
        return method, arguments

    def call(self):
        """(method, argument, whether it may overtake others)"""
        if self.random.random() < 0.15:
            method, arguments = self.own_method()
            return method, arguments, method in LATE_OWN
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
            if maker.random.random() < 0.3:
                # Of what is closed little is explored. Another connection of the session may close it again at once.
                for method, arguments in (
                    ("carta.open.file", {"file": "image.fits", "file_id": 0}),
                    ("carta.open.file", {"file": maker.random.choice(["cube.fits", "pressed.fits.fz"]), "file_id": 1}),
                    ("carta.open.catalog.file", {"name": "table.csv", "file_id": maker.random.choice([0, 1])}),
                    ("viewport.image.push.observer.add", {"viewId": "0"}),
                    ("viewport.image.push.observer.add", {"viewId": "1"}),
                ):
                    await asyncio.wait_for((await client.start(method, [], arguments))[1], PATIENCE)
                client.forget()
            for _ in range(maker.random.choice([1, 5, 20, 60])):
                method, argument, late = maker.call()
                keywords = method.startswith(("image", "session", "server", "pubsub", "no", "catalog.rows", "catalog.pixels", "store", "viewport")) or maker.random.random() < 0.1
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
            late_ids = {id for late, method, _, id, _ in batch if late or method.startswith(("image.", "viewport.")) or method in OF_A_FILE}
            expected = [id for _, _, _, id, _ in batch if id not in late_ids]
            self.assertEqual([id for id in order if id not in late_ids], expected, f"replies out of order (seed {seed}): {[(method, id) for _, method, _, id, _ in batch if id not in late_ids]}")
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
