// Contours, vector overlays and animation in CARTA's own page: what arrives is held against images whose answers are known, and contours are looked for in the
// picture, too.
//
//     node tests/browser/carta_overlays.test.mjs           with build/release (or $CUBELINK_BUILD) and `npm ci` done in tools/carta
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";

import { CartaTest, comparePicture, output, scratchFolder, showsPicture, sleep } from "./carta_support.mjs";
import { random } from "./random.mjs";
import { readPng, writeFits } from "./viewer_support.mjs";

const WIDTH = 200, HEIGHT = 160, DEPTH = 50;
const TOP = { x: 90, y: 70 }; // of the cone, whose contours are circles: of level L in channel k of the radius 100 - k - L
const cone = (x, y, k) => 100 - Math.hypot(x - TOP.x, y - TOP.y) - k;
const wave = (x, y, k) => Math.sin(0.11 * x + k) + Math.cos(0.07 * y - 0.5 * k);
const blank = (x, y) => x >= 150 && y < 20;
const stokes = (x, y) => {
  const angle = Math.atan2(y - 80, x - 100) / 2 + 0.4;
  return [10, (3 + 0.01 * x) * Math.cos(2 * angle), (3 + 0.01 * x) * Math.sin(2 * angle)].map((one) => (blank(x, y) ? NaN : Math.fround(one)));
};

const folder = scratchFolder();
const sky = { CTYPE1: "RA---TAN", CTYPE2: "DEC--TAN", CRVAL1: 120, CRVAL2: 30, CRPIX1: 100, CRPIX2: 80, CDELT1: -1 / 3600, CDELT2: 1 / 3600 };
const spectral = { CRVAL3: 1.4e9, CRPIX3: 1, CDELT3: 1e6, CUNIT3: "Hz" };
const size = { width: WIDTH, height: HEIGHT };
writeFits(`${folder}/cone.fits`, { ...size, depth: 10, header: { ...sky, ...spectral }, value: cone });
writeFits(`${folder}/wave.fits`, { ...size, depth: DEPTH, header: { ...sky, ...spectral }, value: wave });
writeFits(`${folder}/iqu.fits`, { ...size, stokes: 3, header: { ...sky, ...spectral }, value: (x, y, _, s) => stokes(x, y)[s] });

const test = await CartaTest.begin("carta-overlays", folder);
const { page, problems, carta, until, alerts } = test;
const check = (name, work) => test.check(name, work);

/** Shows an image alone, with `zoom` points of the screen for each pixel. */
async function show(file, zoom = 3) {
  await carta(`(carta.updateActiveImageByFrame(carta.frames.find((frame) => frame.frameInfo.fileInfo.name === '${file}')), carta.activeFrame.setZoom(${zoom}, true), 0)`);
  await until(`carta.activeFrame.frameInfo.fileInfo.name === '${file}'`, `${file} is shown`);
}

const planes = new Map();
function wavePlane(channel) {
  if (!planes.has(channel)) planes.set(channel, Float32Array.from({ length: WIDTH * HEIGHT }, (_, i) => wave(i % WIDTH, Math.floor(i / WIDTH), channel)));
  return planes.get(channel);
}

await check("opens the images", async () => {
  await test.start(["iqu.fits", "wave.fits", "cone.fits"]);
  await test.onePanel();
  await show("cone.fits");
  // Notes what arrives, as the page has decoded it.
  await page.evaluate(() => {
    const { backendService } = window.carta;
    window.contours = new Map(); // level → [[x, y], …] of the last time that it was sent, in chunks
    window.vectors = [];
    window.syncs = [];
    for (const frame of window.carta.frames) {
      const contours = frame.updateFromContourData, vectors = frame.updateFromVectorOverlayData;
      let channel = 0;
      frame.updateFromContourData = (message) => {
        channel = message.channel ?? 0;
        contours.call(frame, message);
      };
      // The page hands what it has decoded to a store for each level, which keeps none of it. The first time it makes the store.
      const find = frame.contourStores.get.bind(frame.contourStores);
      frame.contourStores.get = (level) => {
        const store = find(level);
        if (!store) return undefined;
        const take = (fresh, starts, coordinates, progress) => {
          const one = fresh || !window.contours.has(level) ? { points: [], starts: [] } : window.contours.get(level);
          for (const start of starts) one.starts.push(one.points.length + start / 2);
          for (let i = 0; i < coordinates.length; i += 2) one.points.push([coordinates[i], coordinates[i + 1]]);
          window.contours.set(level, Object.assign(one, { channel, progress }));
        };
        return Object.create(store, {
          addContourData: { value: (starts, coordinates, progress) => (take(false, starts, coordinates, progress), store.addContourData(starts, coordinates, progress)) },
          setContourData: { value: (starts, coordinates, progress) => (take(true, starts, coordinates, progress), store.setContourData(starts, coordinates, progress)) },
          setProgress: { value: (progress) => (take(false, [], [], progress), store.setProgress(progress)) },
        });
      };
      frame.updateFromVectorOverlayData = (message) => {
        const plain = (tiles) => tiles.map((tile) => ({ ...tile, x: tile.x ?? 0, y: tile.y ?? 0, values: [...new Float32Array(new Uint8Array(tile.imageData).buffer)].map(String) }));
        window.vectors.push({ progress: message.progress, intensity: plain(message.intensityTiles), angle: plain(message.angleTiles) });
        vectors.call(frame, message);
      };
    }
    backendService.rasterSyncStream.subscribe((sync) => window.syncs.push({ id: sync.animationId ?? 0, channel: sync.channel ?? 0, end: !!sync.endSync, file: sync.fileId ?? 0 }));
  });
});

/** The levels that have arrived complete for a channel. */
async function contoursOf(levels, channel) {
  await page.waitForFunction(
    ([wanted, plane]) => wanted.every((level) => window.contours.get(level)?.progress === 1 && window.contours.get(level).channel === plane),
    [levels, channel],
  );
  return page.evaluate((wanted) => wanted.map((level) => window.contours.get(level)), levels);
}

/** Each contour is one closed circle of that radius about the cone's top. */
function areCircles(contours, radii) {
  contours.forEach(({ points, starts }, i) => {
    assert.equal(starts.length, 1, `contour ${i} is in ${starts.length} pieces`);
    assert.deepEqual(points[0], points.at(-1), `contour ${i} is not closed`);
    assert.ok(points.length > 4 * radii[i], `contour ${i} has ${points.length} points`);
    for (const [x, y] of points) {
      // Vertices count from the image's corner: half a pixel more than pixel centres.
      const radius = Math.hypot(x - 0.5 - TOP.x, y - 0.5 - TOP.y);
      assert.ok(Math.abs(radius - radii[i]) < 0.2, `contour ${i}: (${x}, ${y}) is ${radius} from the top, expected ${radii[i]}`);
    }
    const quadrants = new Set(points.map(([x, y]) => 2 * (x - 0.5 > TOP.x) + (y - 0.5 > TOP.y)));
    assert.equal(quadrants.size, 4);
  });
}

/** Of each ring of those radii about the top, the part on which the picture is green. */
async function greenOn(radii, file) {
  const at = await test.places();
  const png = await page.screenshot();
  writeFileSync(`${output}${file}.png`, png);
  const picture = readPng(png);
  const isGreen = ([r, g, b]) => g > 150 && g > 1.6 * r && g > 1.6 * b;
  const samples = 90;
  return radii.map((radius) => {
    let green = 0;
    for (let i = 0; i < samples; i++) {
      const angle = (2 * Math.PI * i) / samples;
      const [x, y] = at(TOP.x + radius * Math.cos(angle), TOP.y + radius * Math.sin(angle)).map(Math.round);
      let found = false;
      for (let dx = -2; dx <= 2; dx++) for (let dy = -2; dy <= 2; dy++) found ||= isGreen(picture.at(x + dx, y + dy));
      green += found;
    }
    return green / samples;
  });
}

/** Draws contours of the cone's levels; `mode` and `factor` are the smoothing. Waits until the page has made its stores of them. */
async function draw(levels, mode, factor) {
  await carta(`(carta.activeFrame.contourConfig.setContourConfiguration(${JSON.stringify(levels)}, ${mode}, ${factor}), carta.activeFrame.applyContours(), 0)`);
  await until(`${JSON.stringify(levels)}.every((level) => [...carta.activeFrame.contourStores].some(([key, store]) => key === level && store.isComplete))`, "the contours are there");
}

/** Waits until the picture is green on the rings of the first radii and not on those of the others. */
async function ringsAre(green, others, file) {
  let seen;
  for (let i = 0; i < 120; i++) {
    seen = await greenOn([...green, ...others], file);
    if (seen.every((part, k) => (k < green.length ? part > 0.9 : part < 0.05))) return;
    await sleep(500);
  }
  assert.fail(`green on the rings of radius ${[...green, ...others]}: ${seen}`);
}

await check("contours lie where the image has their levels, in the picture and in numbers", async () => {
  await carta("(carta.activeFrame.contourConfig.setColor('#00ff00'), carta.activeFrame.contourConfig.setThickness(2), 0)");
  await draw([60, 80], 0, 1);
  await ringsAre([20, 40], [30, 50], "carta-contours");
  await carta("(carta.activeFrame.setChannels(9, 0, true), 0)");
  areCircles(await contoursOf([60, 80], 9), [31, 11]);
  await ringsAre([31, 11], [40, 20], "carta-contours-9");
  await carta("(carta.activeFrame.setChannels(4, 0, true), 0)");
  areCircles(await contoursOf([60, 80], 4), [36, 16]);
});

await check("contours of a smoothed image, and none", async () => {
  await draw([50, 60], 2, 4);
  await carta("(carta.activeFrame.setChannels(9, 0, true), 0)");
  const [outer] = await contoursOf([50], 9);
  // A Gaussian of sigma 1.5 pixels raises the cone by sigma² / (2 r), and pulls in its circles by as much.
  const radii = outer.points.map(([x, y]) => Math.hypot(x - 0.5 - TOP.x, y - 0.5 - TOP.y));
  const mean = radii.reduce((a, b) => a + b, 0) / radii.length;
  assert.ok(Math.abs(mean - 41) < 0.25 && Math.max(...radii) - Math.min(...radii) < 0.4, `radius ${mean}`);
  await carta("(carta.activeFrame.clearContours(true), 0)");
  await ringsAre([], [41, 31, 20], "carta-contours-off");
});

await check("vectors of an image with I, Q and U", async () => {
  await show("iqu.fits");
  await carta("((window.vectors.length = 0), carta.activeFrame.applyVectorOverlay(), 0)");
  await page.waitForFunction("window.vectors.some((message) => message.progress === 1)");
  const messages = await page.evaluate("window.vectors");
  assert.deepEqual(messages.map((message) => message.progress).sort((a, b) => a - b), messages.map((_, i) => (i + 1) / messages.length));
  assert.equal(messages.length, 1, "200 × 160 pixels in blocks of 4 are one tile");
  const [{ intensity: [length], angle: [turn] }] = messages;
  for (const tile of [length, turn]) assert.deepEqual([tile.mip, tile.width, tile.height, tile.x, tile.y], [4, 50, 40, 0, 0]);
  let blanks = 0;
  for (let v = 0; v < 40; v++)
    for (let u = 0; u < 50; u++) {
      let q = 0, p = 0, n = 0;
      for (let y = 4 * v; y < 4 * v + 4; y++)
        for (let x = 4 * u; x < 4 * u + 4; x++) {
          const [, qq, uu] = stokes(x, y);
          if (Number.isFinite(qq)) (q += qq), (p += uu), n++;
        }
      const [l, t] = [length, turn].map((tile) => Number(tile.values[50 * v + u]));
      if (n === 0) {
        assert.ok(!Number.isFinite(l) || l <= -3e38, `block (${u}, ${v}) is blank, and has the length ${l}`);
        blanks++;
        continue;
      }
      assert.ok(Math.abs(l - Math.hypot(q / n, p / n)) < 1e-5, `length at (${u}, ${v}): ${l}`);
      const wanted = (Math.atan2(p / n, q / n) / 2) * (180 / Math.PI);
      // An angle has no sign: 90° and -90° are one.
      assert.ok(Math.abs(((t - wanted + 270) % 180) - 90) < 1e-3, `angle at (${u}, ${v}): ${t}, expected ${wanted}`);
    }
  assert.ok(blanks > 50, `${blanks} blank blocks`);
  await page.screenshot({ path: `${output}carta-vectors.png` });
  await carta("(carta.activeFrame.clearVectorOverlay(), 0)");
});

/** The channel of which the server has the value under the cursor, which is moved. */
async function serversChannel() {
  await page.evaluate(() => {
    window.atCursor = undefined;
    window.cursorListening?.unsubscribe();
    window.cursorListening = window.carta.backendService.spatialProfileStream.subscribe((message) => (window.atCursor = { channel: message.channel ?? 0, value: message.value, x: message.x ?? 0, y: message.y ?? 0 }));
  });
  const [x, y] = [Math.round(40 + 60 * random()), Math.round(40 + 60 * random())];
  await page.mouse.move(...(await test.at(x, y)));
  await page.mouse.move(...(await test.at(x + 3, y + 2)));
  await page.waitForFunction("window.atCursor");
  await sleep(400); // the last one counts
  const found = await page.evaluate("window.atCursor");
  assert.ok(Math.abs(found.value - wave(found.x, found.y, found.channel)) < 1e-5, `the value at (${found.x}, ${found.y}) of channel ${found.channel} is ${found.value}`);
  return found.channel;
}

/** Frames of the animation that have been sent: their channels. */
const frames = () => page.evaluate("window.syncs.filter((sync) => sync.id > 0 && !sync.end).map((sync) => sync.channel)");

async function play(rate, mode = 0) {
  await carta(`((window.syncs.length = 0), carta.animatorStore.setAnimationMode(0), carta.animatorStore.setFrameRate(${rate}), (carta.animatorStore.playMode = ${mode}), carta.animatorStore.startAnimation(), 0)`);
  await until("carta.animatorStore.isAnimationActive", "it plays");
}

/** Stops it; the channel that is shown. What comes then was on its way already; after the tiles of the channel that the page asks for, no frame comes any more. */
async function stopPlaying(rate) {
  const channel = await page.evaluate(() => {
    window.carta.animatorStore.stopAnimation();
    window.stoppedAt = window.syncs.length;
    return window.carta.activeFrame.channel;
  });
  await page.waitForFunction("window.syncs.some((sync, i) => i >= window.stoppedAt && sync.id === 0 && !sync.end)");
  await sleep(1000);
  const after = await page.evaluate("window.syncs.slice(window.stoppedAt).filter((sync) => !sync.end).map((sync) => sync.id)");
  assert.ok(after.indexOf(0) <= Math.floor(rate / 3) + 2, `${after.indexOf(0)} frames were on their way`);
  assert.ok(after.slice(after.indexOf(0)).every((id) => id === 0), "frames came after it had stopped");
  assert.deepEqual(await carta("[carta.animatorStore.isAnimationActive, carta.activeFrame.channel]"), [false, channel]);
  return channel;
}

await check("an animation of 50 channels plays, and stops within a frame", async () => {
  await show("wave.fits");
  await showsPicture(test, size, wavePlane(0), 0.9, "carta-animation-before");
  await play(15);
  await until("carta.activeFrame.channel >= 12", "twelve frames are shown");
  const channel = await stopPlaying(15);
  const sent = await frames();
  assert.ok(sent.length >= 12, `frames ${sent}`); // on a busy machine it may have begun again by now
  sent.slice(1).forEach((one, i) => assert.equal(one, (sent[i] + 1) % DEPTH, `frames ${sent}`));
  await showsPicture(test, size, wavePlane(channel), 0.9, "carta-animation");
  assert.ok((await comparePicture(test, size, wavePlane((channel + 1) % DEPTH))).correlation < 0.8, "the next channel looks the same");
  assert.equal(await serversChannel(), channel);
  assert.equal(await carta("carta.activeFrame.channel"), channel);
});

await check("it goes on after the last channel, and turns round where it is told to", async () => {
  await carta("(carta.activeFrame.setChannels(45, 0, true), 0)");
  await showsPicture(test, size, wavePlane(45), 0.9, "carta-animation-45");
  await play(15);
  await until("carta.activeFrame.channel >= 2 && carta.activeFrame.channel < 40", "it has begun again");
  await stopPlaying(15);
  await carta("(carta.activeFrame.setChannels(45, 0, true), 0)");
  await showsPicture(test, size, wavePlane(45), 0.9, "carta-animation-45");
  await play(15, 2);
  await until("carta.activeFrame.channel < 44", "it has turned round");
  const channel = await stopPlaying(15);
  const sent = await frames();
  // Up and down as often as there was time for.
  const last = DEPTH - 1;
  const upAndDown = (step) => last - Math.abs(last - (step % (2 * last)));
  assert.deepEqual(sent, sent.map((_, i) => upAndDown(46 + i)));
  assert.ok(sent.includes(last) && sent.length > last - 46 + 1, `frames ${sent}`);
  assert.equal(await serversChannel(), channel);
});

await check("the view changes while it plays", async () => {
  await play(10);
  for (const zoom of [4, 2, 3]) {
    const before = (await frames()).length;
    await carta(`(carta.activeFrame.setZoom(${zoom}, true), 0)`);
    await page.waitForFunction(`window.syncs.filter((sync) => sync.id > 0 && sync.end).length > ${before} + 2`);
  }
  const channel = await stopPlaying(10);
  await showsPicture(test, size, wavePlane(channel), 0.9, "carta-animation-zoomed");
  assert.deepEqual(await alerts(), []);
});

await check("no error of the page on the way", async () => assert.deepEqual(problems, []));

rmSync(folder, { recursive: true });
await test.end();
