#!/usr/bin/env python3
"""Statistics and histograms of a region as CARTA's page asks for them, and errors as it is told of them."""

import numpy

from harness import IMAGE, Case, icd, run


class RegionStatistics(Case):
    async def test_region(self):
        self.start()
        page = await self.page()
        self.assertTrue((await page.ask("OPEN_FILE", file="image.fits", file_id=0)).success)
        info = icd.RegionInfo(region_type=icd.RECTANGLE, control_points=[icd.Point(x=50, y=40), icd.Point(x=20, y=10)])
        ack = await page.ask("SET_REGION", file_id=0, region_id=-1, region_info=info)
        self.assertTrue(ack.success, ack.message)
        types = [icd.NumPixels, icd.Mean, icd.Sigma, icd.FluxDensity, icd.Extrema]
        config = icd.SetStatsRequirements.StatsConfig(coordinate="z", stats_types=types)
        await page.tell("SET_STATS_REQUIREMENTS", file_id=0, region_id=ack.region_id, stats_configs=[config])
        message = await page.next("REGION_STATS_DATA", lambda m: m.region_id == ack.region_id)
        values = IMAGE[35:46, 40:61].astype("f8")
        extreme = max(values.min(), values.max(), key=abs)
        self.assertEqual([entry.stats_type for entry in message.statistics], types)
        got = [entry.value for entry in message.statistics]
        numpy.testing.assert_allclose(got, [values.size, values.mean(), values.std(ddof=1), numpy.nan, extreme], rtol=1e-12)
        await page.tell("SET_HISTOGRAM_REQUIREMENTS", file_id=0, region_id=ack.region_id, histograms=[icd.HistogramConfig(coordinate="z", channel=-1)])
        message = await page.next("REGION_HISTOGRAM_DATA", lambda m: m.region_id == ack.region_id)
        self.assertEqual(list(message.histograms.bins), list(numpy.histogram(values, int(numpy.sqrt(values.size)))[0]))
        # Of a region that is not there: an error, and none if nothing is required of it.
        await page.tell("SET_STATS_REQUIREMENTS", file_id=0, region_id=77, stats_configs=[])
        await page.tell("SET_STATS_REQUIREMENTS", file_id=0, region_id=78, stats_configs=[config])
        message = await page.next("ERROR_DATA", lambda m: "Region" in m.message)
        self.assertIn("Region 78 does not exist", message.message)


if __name__ == "__main__":
    run()
