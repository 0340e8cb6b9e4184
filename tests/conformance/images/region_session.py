"""What tests of a session's regions share: two images, regions that are set, and viewers of both dialects."""

from urllib.parse import quote

import numpy
from astropy.io import fits

from harness import ServerTest, open_file
from regions_support import TYPES, info

import icd_client  # after the harness, which knows where it lies

CHANGED = "session.changed"
WIDTH, HEIGHT, DEPTH = 90, 70, 4
VALUES = numpy.random.default_rng(5).normal(size=(DEPTH, HEIGHT, WIDTH)).astype("f4")
VALUES[:, 30:33, 40:60] = numpy.nan
BOX = info("RECTANGLE", [(40, 30), (20, 10)])


def write_images(folder):
    header = fits.Header()
    for n, (kind, value, step, unit) in enumerate((("RA---TAN", 120, -1e-3, "deg"), ("DEC--TAN", 30, 1e-3, "deg"), ("FREQ", 1.4e9, 1e6, "Hz")), 1):
        header[f"CTYPE{n}"], header[f"CRPIX{n}"], header[f"CRVAL{n}"], header[f"CDELT{n}"], header[f"CUNIT{n}"] = kind, 40, value, step, unit
    fits.writeto(folder / "cube.fits", VALUES, header)
    fits.writeto(folder / "plain.fits", VALUES[0])


def set_region(file_id, region_id, region, **more):
    return {"file_id": file_id, "region_id": region_id, "region_info": region, **more}


async def put(client, file_id, region_id, region):
    ack = await client.call("carta.set.region", set_region(file_id, region_id, region))
    assert ack["success"] and ack["message"] == "", ack
    return ack["region_id"]


def plain(region):
    """With the type by its name, as requests have it."""
    kind = region["region_type"]
    return {**region, "region_type": kind if isinstance(kind, str) else {number: name for name, number in TYPES.items()}[kind]}


class RegionTest(ServerTest):
    @classmethod
    def make_files(cls, folder):
        write_images(folder)

    async def two_files(self, generation=2):
        client = await self.viewer(generation)
        await open_file(client, "cube.fits", 0)
        await open_file(client, "plain.fits", 1)
        return client

    async def page(self, session_id=0):
        """A client that speaks the ICD's own framing."""
        client = await icd_client.connect(self.server.port, quote(self.server.secret))
        self.addAsyncCleanup(client.close)
        client.session = (await client.ask("REGISTER_VIEWER", session_id=session_id, client_feature_flags=5)).session_id
        return client
