"""Region files as CARTA's page asks for them: its own framing, the top folder as ".", both maps of an import."""

from harness import Case, icd, run


class RegionFiles(Case):
    async def test_what_a_page_does(self):
        with open(f"{self.folder}/data/a.reg", "w") as file:
            file.write("# Region file format: DS9\nimage\nbox(11,21,30,40,15) # color=red text={one}\n# text(5,6) text={two}\npanda(1,2,3)\n")
        self.start()
        page = await self.page()
        await page.ask("OPEN_FILE", file="image.fits", file_id=0)
        listed = await page.ask("REGION_LIST_REQUEST", directory="$BASE")
        self.assertEqual((listed.success, listed.directory, [(f.name, f.type) for f in listed.files]), (True, ".", [("a.reg", icd.DS9_REG)]))
        info = await page.ask("REGION_FILE_INFO_REQUEST", directory=".", file="a.reg")
        self.assertEqual((info.success, info.file_info.name, info.contents[1]), (True, "a.reg", "image"))
        ack = await page.ask("IMPORT_REGION", group_id=0, type=icd.DS9_REG, directory=".", file="a.reg")
        self.assertEqual((ack.success, ack.message), (True, "line 5: panda is not supported"))
        self.assertEqual((sorted(ack.regions), sorted(ack.region_styles)), ([1, 2], [1, 2]))
        box = ack.regions[1]
        self.assertEqual((box.region_type, [(p.x, p.y) for p in box.control_points], box.rotation), (icd.RECTANGLE, [(10, 20), (30, 40)], 15))
        self.assertEqual((ack.region_styles[1].color, ack.region_styles[1].name), ("#FF0000", "one"))
        self.assertEqual(ack.region_styles[2].annotation_style.text_label0, "two")
        error = await page.next("ERROR_DATA", lambda m: "panda" in m.message)
        self.assertEqual(error.severity, icd.WARNING)
        styles = {1: icd.RegionStyle(color="#FF0000", line_width=2), 2: ack.region_styles[2]}
        saved = await page.ask("EXPORT_REGION", file_id=0, type=icd.CRTF, region_styles=styles, directory=".", file="b.crtf")
        self.assertEqual((saved.success, saved.message), (True, ""))
        again = await page.ask("EXPORT_REGION", file_id=0, type=icd.CRTF, region_styles=styles, directory=".", file="b.crtf")
        self.assertEqual((again.success, again.overwrite_confirmation_required), (False, True))
        ack = await page.ask("IMPORT_REGION", group_id=0, type=icd.CRTF, directory=".", file="b.crtf")
        self.assertEqual((ack.success, sorted(ack.regions)), (True, [3, 4]))
        self.assertEqual(ack.regions[3], box)
        for event in ("IMPORT_REGION", "EXPORT_REGION"):
            answer = await page.ask(event, **({"group_id": 7} if event == "IMPORT_REGION" else {"file_id": 7}))
            self.assertFalse(answer.success)
            self.assertIn("7", answer.message)


if __name__ == "__main__":
    run()
