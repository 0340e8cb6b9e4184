// A catalogue in CARTA's own page: opened, filtered, sorted, plotted over the image at the pixels where its sources are.
//
//     node tests/browser/carta_catalogs.test.mjs         with build/release (or $CUBELINK_BUILD) and `npm ci` done in tools/carta
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";

import { CartaTest, output, scratchFolder } from "./carta_support.mjs";
import { writeFits } from "./viewer_support.mjs";

const WIDTH = 200, HEIGHT = 150, STEP = 1 / 3600, RA = 120, DEC = 30;
const folder = scratchFolder();
writeFits(`${folder}/image.fits`, {
  width: WIDTH, height: HEIGHT, value: (x, y) => Math.sin(x / 9) + Math.cos(y / 7),
  header: { CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CUNIT1: "deg", CUNIT2: "deg", CRVAL1: RA, CRVAL2: DEC, CRPIX1: 101, CRPIX2: 76, CDELT1: -STEP, CDELT2: STEP, RADESYS: "ICRS", BUNIT: "Jy" },
});
const RADIAN = Math.PI / 180;
/** The gnomonic projection, backwards: the sky at a 0-based pixel. */
function sky(x, y) {
  const u = -(x - 100) * STEP * RADIAN, v = (y - 75) * STEP * RADIAN, d = DEC * RADIAN;
  return [RA + Math.atan2(u, Math.cos(d) - v * Math.sin(d)) / RADIAN, Math.atan2(Math.sin(d) + v * Math.cos(d), Math.hypot(u, Math.cos(d) - v * Math.sin(d))) / RADIAN];
}
const sources = Array.from({ length: 120 }, (_, n) => {
  const x = (n * 37) % WIDTH, y = (n * 53) % HEIGHT;
  const [ra, dec] = sky(x, y);
  return { x, y, ra, dec, flux: ((n * 71) % 120) / 10, name: `${n % 4 ? "star" : "galaxy"} ${n}` };
});
writeFileSync(`${folder}/sources.xml`, `<?xml version="1.0"?>
<VOTABLE version="1.4"><RESOURCE><COOSYS ID="s" system="ICRS"/><TABLE name="sources">
<FIELD name="name" datatype="char" arraysize="*"/><FIELD name="RA" datatype="double" unit="deg" ucd="pos.eq.ra" ref="s"/>
<FIELD name="DEC" datatype="double" unit="deg" ucd="pos.eq.dec" ref="s"/><FIELD name="flux" datatype="float" unit="mJy"/>
<DATA><TABLEDATA>${sources.map((s) => `<TR><TD>${s.name}</TD><TD>${s.ra}</TD><TD>${s.dec}</TD><TD>${s.flux}</TD></TR>`).join("")}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`);

const test = await CartaTest.begin("carta-catalogs", folder);
const { page, problems, carta, until, alerts } = test;
const check = (name, work) => test.check(name, work);
const profile = "carta.catalogStore.catalogProfileStores.get(1)";
/** Values of a column as the page has them, in the order of its table. */
const column = (index) => carta(`Array.from(${profile}.catalogData.get(${index})?.data ?? [])`);

await check("a catalogue is listed, and opened by the file browser", async () => {
  await test.start(["image.fits"]);
  await test.onePanel();
  await carta("(carta.fileBrowserStore.showFileBrowser(4, false), 0)");
  await page.locator(".file-browser-dialog").getByText("sources.xml").first().click();
  await until("carta.fileBrowserStore.catalogFileInfo?.name === 'sources.xml' && carta.fileBrowserStore.catalogHeaders.length === 4", "its columns are shown");
  await page.screenshot({ path: `${output}carta-catalogs-browser.png` });
  await page.getByText("Load catalog", { exact: true }).click();
  await until(`${profile}`, "the catalogue is open");
  assert.equal(await carta(`${profile}.catalogInfo.dataSize`), sources.length);
  assert.deepEqual(await carta(`${profile}.catalogHeader.map((header) => header.name)`), ["name", "RA", "DEC", "flux"]);
  assert.deepEqual(await column(0), sources.slice(0, 50).map((s) => s.name));
});

await check("filtered and sorted", async () => {
  const filter = async () => {
    await page.locator("[data-testid=catalog-filter-button]").click();
    await until(`${profile}.isLoadingData === false && ${profile}.progress === 1`, "the rows are there");
  };
  await carta(`(${profile}.setColumnFilter("> 6", "flux"), 0)`);
  await filter();
  const bright = sources.filter((s) => s.flux > 6);
  await until(`${profile}.filterDataSize === ${bright.length}`, "the bright sources are left");
  assert.deepEqual((await column(0)).slice(0, 20), bright.slice(0, 20).map((s) => s.name));
  await carta(`(${profile}.setColumnFilter("galaxy", "name"), 0)`);
  await filter();
  const galaxies = bright.filter((s) => s.name.startsWith("galaxy"));
  await until(`${profile}.filterDataSize === ${galaxies.length}`, "of them the galaxies");
  // Sorting, as a click on the column's title does.
  await carta(`(() => { const p = ${profile}; p.setSortingInfo("flux", 1); p.resetFilterRequest(); const r = p.updateRequestDataSize; r.sortColumn = "flux"; r.sortingType = 1; carta.sendCatalogFilter(r); return 0; })()`);
  const sorted = [...galaxies].sort((a, b) => b.flux - a.flux);
  await until(`${profile}.catalogData.get(0)?.data[0] === ${JSON.stringify(sorted[0].name)}`, "the brightest is first");
  assert.deepEqual(await column(0), sorted.map((s) => s.name));
  await page.screenshot({ path: `${output}carta-catalogs-table.png` });
});

await check("plotted over the image, at the right pixels", async () => {
  await page.locator("[data-testid=catalog-reset-button]").click();
  await until(`${profile}.filterDataSize === ${sources.length} || ${profile}.filterDataSize === undefined`, "all rows again");
  await carta(`(() => { const w = carta.catalogStore.catalogWidgets.get(1); const s = carta.widgetsStore.catalogWidgets.get(w); s.setxAxis("RA"); s.setyAxis("DEC"); return 0; })()`);
  await page.locator("[data-testid=catalog-plot-button]").click();
  const last = sources.length - 1; // rows come in two requests
  await until(`carta.catalogStore.catalogGLData.get(1)?.x?.[${last}] > 0 && carta.catalogStore.catalogGLData.get(1).y[${last}] > 0`, "the positions");
  const [xs, ys] = await carta("[Array.from(carta.catalogStore.catalogGLData.get(1).x), Array.from(carta.catalogStore.catalogGLData.get(1).y)]");
  for (const [n, source] of sources.entries()) {
    assert.ok(Math.abs(xs[n] - source.x) < 0.01 && Math.abs(ys[n] - source.y) < 0.01, `source ${n}: ${xs[n]}, ${ys[n]} for ${source.x}, ${source.y}`);
  }
  await page.screenshot({ path: `${output}carta-catalogs-overlay.png` });
});

await check("an empty file and a broken one are refused in words", async () => {
  writeFileSync(`${folder}/broken.xml`, "<VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'/><DATA><TABLEDATA><TR><TD>");
  await carta(`(carta.backendService.loadCatalogFile('', 'broken.xml', 7, 50).then(() => (window.refusal = "it was not refused"), (error) => (window.refusal = String(error.message ?? error)))), 0`);
  await page.waitForFunction("window.refusal");
  assert.match(await page.evaluate("window.refusal"), /broken\.xml.*line 1/);
});

await check("closed", async () => {
  await page.locator("[data-testid=catalog-close-button]").click();
  await until("!carta.catalogStore.catalogProfileStores.has(1)", "the catalogue is gone");
  assert.deepEqual(await alerts(), []);
  assert.deepEqual(problems, []);
});

rmSync(folder, { recursive: true });
await test.end();
