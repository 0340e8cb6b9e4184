"""SAVE_FILE as CARTA's page asks for it: its own framing, the top folder as ".", ranges of one plane, confirmation of what is overwritten."""

import math

import numpy
from astropy.io import fits
from harness import CUBE, Case, icd, run


class Saving(Case):
    async def test_what_a_page_does(self):
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="cube.fits", file_id=0)
        fields = {"file_id": 0, "output_file_directory": ".", "output_file_name": "part.fits", "output_file_type": icd.FITS, "channels": [3, 12, 1], "stokes": [0, 0, 1], "rest_freq": math.nan}
        ack = await page.ask("SAVE_FILE", keep_degenerate=True, **fields)
        self.assertEqual((ack.file_id, ack.success, ack.message, ack.overwrite_confirmation_required), (0, True, "", False))
        again = await page.ask("SAVE_FILE", **fields)
        self.assertEqual((again.success, again.overwrite_confirmation_required), (False, True))
        self.assertTrue((await page.ask("SAVE_FILE", overwrite=True, **fields)).success)
        with fits.open(f"{self.folder}/data/part.fits") as file:
            numpy.testing.assert_array_equal(file[0].data, CUBE[3:13])
            self.assertEqual((file[0].header["CTYPE3"], file[0].header["CRPIX3"]), ("FREQ", -2))
        for wrong in ({"output_file_type": icd.CASA}, {"file_id": 7}, {"output_file_name": ""}, {"region_id": 5}, {"channels": [9, 3, 1]}):
            ack = await page.ask("SAVE_FILE", **{**fields, **wrong})
            self.assertEqual((ack.success, ack.overwrite_confirmation_required), (False, False))
            self.assertTrue(ack.message.endswith((".", "image.")))


if __name__ == "__main__":
    run()
