// CARTA's own page, as its npm package carries it, on a real server in Chromium: what is on its canvas and in its plots is compared with values read
// from the FITS files; it loses its socket and its server, and comes back. Leaves screenshots in tests/output/.
//
//     node tests/browser/carta.test.mjs           with build/release (or $CUBELINK_BUILD) and `npm ci` done in tools/carta
import assert from "node:assert/strict";

import { CartaTest, comparePicture, demoFolder, output, SECRET, showsPicture, sleep } from "./carta_support.mjs";
import { Fits } from "./viewer_support.mjs";

const demo = demoFolder();
const mosaic = new Fits(`${demo}/mosaic.fits`);
const cube = new Fits(`${demo}/disk_cube.fits`);
const test = await CartaTest.begin("carta", demo, { options: ["--scripting"] });
const { page, problems, carta, until, alerts } = test;
const check = (name, work) => test.check(name, work);

/** Opens a file through the page's file browser. */
async function open(name) {
  if (!(await page.locator(".file-browser-dialog:visible").count())) {
    await page.getByText("File", { exact: true }).first().click();
    await page.getByText("Append Image", { exact: true }).click();
  }
  await page.locator(".file-browser-dialog").getByText(name, { exact: true }).first().click();
  await until(`carta.fileBrowserStore.selectedFile?.name === ${JSON.stringify(name)} && carta.fileBrowserStore.isFileInfoResp`, `${name} is described`);
  await page.locator(".file-browser-dialog .bp6-dialog-footer a, .file-browser-dialog a").filter({ hasText: /^(Load|Append)/ }).first().click();
  await until(`carta.activeFrame && carta.activeFrame.frameInfo.fileInfo.name === ${JSON.stringify(name)}`, `${name} is open`);
}

const planes = new Map();
/** One channel, row by row from the bottom. */
function planeOf(fits, channel = 0) {
  const key = `${fits.data} ${fits.width} ${channel}`;
  if (!planes.has(key)) {
    const count = fits.width * fits.height;
    const bytes = fits.bytes(fits.data + 4 * count * channel, 4 * count).swap32();
    planes.set(key, new Float32Array(bytes.buffer, bytes.byteOffset, count));
  }
  return planes.get(key);
}

const compare = (fits, plane, file) => comparePicture(test, fits, plane, file);
const shows = (fits, plane, least, file) => showsPicture(test, fits, plane, least, file);

const close = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a} is not ${b}`);

await check("starts without an alert and lists the files", async () => {
  await test.start();
  for (const name of ["mosaic.fits", "disk_cube.fits", "polarised_jet.fits"]) await page.locator(".file-browser-dialog").getByText(name).first().waitFor({ timeout: 60_000 });
  assert.deepEqual(await alerts(), []);
  assert.deepEqual(problems, []);
});

await check("opens the demo image and draws it", async () => {
  await open("mosaic.fits");
  const seen = await shows(mosaic, planeOf(mosaic), 0.85, "carta-mosaic");
  console.log(`     ${JSON.stringify(seen)}`);
  assert.ok(seen.blanks > 100 && seen.blanksRight / seen.blanks > 0.9, JSON.stringify(seen));
});

await check("zooms until full-resolution tiles", async () => {
  await carta("carta.activeFrame.setZoom(4, true), carta.activeFrame.setCenter(1926, 2252)");
  const seen = await shows(mosaic, planeOf(mosaic), 0.95, "carta-mosaic-zoomed");
  console.log(`     ${JSON.stringify(seen)}`);
  assert.equal(await carta("carta.activeFrame.requiredFrameView.mip"), 1);
});

await check("opens the demo cube and changes the channel", async () => {
  await open("disk_cube.fits");
  await page.locator("[data-testid=image-view-header-multipanel-view-switch]").click(); // one panel, with the active image
  await carta("carta.activeFrame.setZoom(2, true)"); // two points of the screen for each pixel, so that half a pixel's rounding does no harm
  await shows(cube, planeOf(cube, 0), 0.9, "carta-cube-0");
  await carta("carta.activeFrame.setChannels(60, 0, true)");
  const seen = await shows(cube, planeOf(cube, 60), 0.9, "carta-cube-60");
  console.log(`     ${JSON.stringify(seen)}`);
  const other = await compare(cube, planeOf(cube, 100));
  assert.ok(other.correlation < 0.7, `channel 100 looks the same: ${JSON.stringify(other)}`);
});

/** What the page has at the cursor, as `read` (of the active frame and its file's id) takes it, once the cursor rests and `read` is content. */
async function atCursor(move, read, what) {
  const box = await page.locator("#raster-canvas").boundingBox();
  for (const [dx, dy] of move) await page.mouse.move(box.x + dx, box.y + dy);
  const expression = `(() => {
    const frame = carta.activeFrame, value = frame.cursorValue, pointed = frame.cursorInfo?.posImageSpace;
    const rests = value && pointed && value.position.x === Math.round(pointed.x) && value.position.y === Math.round(pointed.y);
    const found = rests && (${read})(frame, frame.frameInfo.fileId, value.position);
    return found ? { x: value.position.x, y: value.position.y, value: value.value, found } : null;
  })()`;
  for (let i = 0; i < 600; i++) {
    const seen = await carta(expression);
    if (seen) return seen;
    await sleep(100);
  }
  throw new Error(`${what}: did not come`);
}

await check("shows the profiles under the cursor", async () => {
  const { x, y, value, found } = await atCursor(
    [[300, 250], [360, 270]],
    `(frame, id, at) => {
      const p = carta.spatialProfiles.get(id + "-0");
      if (!p || p.x !== at.x || p.y !== at.y || p.profiles.size !== 2) return null;
      return ["x", "y"].map((name) => { const one = p.getProfile(name); return { start: one.start, mip: one.mip, values: [...one.values] }; });
    }`,
    "profiles",
  );
  close(value, cube.value(x, y, 60), 1e-9, "the value under the cursor");
  const [along, across] = found;
  assert.ok(along.values.length > 100 && across.values.length > 100);
  if (along.mip <= 1) along.values.forEach((one, i) => close(one, cube.value(along.start + i, y, 60), 1e-8, `x profile at ${along.start + i}`));
  if (across.mip <= 1) across.values.forEach((one, i) => close(one, cube.value(x, across.start + i, 60), 1e-8, `y profile at ${across.start + i}`));
  await page.locator("[data-testid=x-profiler-info]").getByText(`Image: ${x} px`).waitFor();
});

await check("shows the spectrum under the cursor", async () => {
  await page.locator("#SpectralProfilerButton").click();
  await page.locator("[data-testid=spectral-profiler-0-header-close-button]").waitFor();
  const read = `(frame, id) => {
    const store = carta.spectralProfiles.get(id)?.get(0);
    const profile = store && [...store.profiles.values()].flatMap((byType) => [...byType.values()]).find((one) => one.coordinate === "z");
    return profile?.progress === 1 ? [...profile.values] : null;
  }`;
  // Below the new window, which floats above the image. The spectrum does not say whose it is: until it is the new place's, it is the old one's.
  let worst = Infinity;
  for (let i = 0; i < 300 && !(worst < 1e-8); i++) {
    const { x, y, found } = await atCursor(i === 0 ? [[340, 400], [345, 405]] : [], read, "the spectrum");
    const expected = cube.spectrum(x, y);
    worst = found.length === expected.length ? Math.max(...found.map((value, channel) => Math.abs(value - expected[channel]))) : Infinity;
    if (!(worst < 1e-8)) await sleep(200);
  }
  assert.ok(worst < 1e-8, `the spectrum is off by ${worst}`);
  await page.screenshot({ path: `${output}carta-spectrum.png` });
  await page.locator("[data-testid=spectral-profiler-0-header-close-button]").click();
});

await check("survives a dropped socket", async () => {
  test.proxy.shut();
  await test.comeBack(() => test.proxy.open());
  await carta("carta.activeFrame.setChannels(61, 0, true)");
  await shows(cube, planeOf(cube, 61), 0.9, "carta-reconnected");
});

await check("survives a server that was killed and started again", async () => {
  await test.endServer("SIGKILL");
  await test.comeBack(() => test.startServer());
  await carta("carta.activeFrame.setChannels(66, 0, true)");
  await shows(cube, planeOf(cube, 66), 0.9, "carta-restarted");
  assert.equal(await carta("carta.frames.length"), 2);
});

await check("survives a server that was stopped and started again", async () => {
  assert.equal(await test.endServer("SIGTERM"), 0);
  await test.comeBack(() => test.startServer());
  await carta("carta.activeFrame.setChannels(56, 0, true)");
  await shows(cube, planeOf(cube, 56), 0.9, "carta-restarted-again");
});

await check("a program drives it by scripting", async () => {
  const ask = async (body) => {
    const response = await fetch(`http://127.0.0.1:${test.port}/carta/api/scripting/action`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${SECRET}` },
      body: JSON.stringify({ session_id: test.session, path: "", async: false, ...body }),
    });
    return [response.status, await response.json()];
  };
  assert.deepEqual(await ask({ path: "activeFrame", action: "setChannels", parameters: [40, 0, true] }), [200, { success: true }]);
  await shows(cube, planeOf(cube, 40), 0.9, "carta-scripted");
  const parameters = [{ macroTarget: "activeFrame", macroVariable: "channel" }];
  assert.deepEqual(await ask({ action: "fetchParameter", parameters }), [200, { success: true, response: 40 }]);
});

await check("what scripts wait for before they save a picture", async () => {
  // What CARTA's Python client waits for before it saves a picture.
  await carta("carta.waitForImageData().then(() => (window.pictureIsThere = true)), 0");
  await page.waitForFunction("window.pictureIsThere");
  await carta("carta.activeFrame.setChannels(60, 0, true)");
  await shows(cube, planeOf(cube, 60), 0.9, "carta-for-scripts");
  assert.deepEqual(await alerts(), []);
});

await check("keeps a preference across a reload", async () => {
  await carta("carta.preferenceStore.setPreference('colormap', 'viridis')");
  const kept = async () => (await (await fetch(`http://127.0.0.1:${test.port}/carta/api/database/preferences`, { headers: { authorization: `Bearer ${SECRET}` } })).json()).preferences;
  for (let i = 0; i < 600 && (await kept()).colormap !== "viridis"; i++) await sleep(100);
  assert.equal((await kept()).colormap, "viridis");
  await test.start();
  await until("carta.preferenceStore.isPreferenceReady", "preferences are there");
  assert.equal(await carta("carta.preferenceStore.colormap"), "viridis");
});

await check("no error of the page on the way", async () => assert.deepEqual(problems, []));

await test.end();
