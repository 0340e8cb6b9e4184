// Methods for the mock server that show one made-up cube: enough to open it, see tiles, move the cursor.
const WIDTH = 700;
const HEIGHT = 500;
const DEPTH = 40;

/** Pixels of the cube; a blank corner. */
export function pixel(x, y, channel) {
  if (x < 40 && y < 60) return NaN;
  const dx = (x - 350) / 90;
  const dy = (y - 240 - 3 * (channel - 20)) / 60;
  return Math.fround(3 * Math.exp(-(dx * dx + dy * dy)) + 0.05 * Math.sin(x * 12.9898 + y * 78.233 + channel) + 0.2);
}

function bytesOf(array) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function tileOf(code, channel) {
  const [layer, y, x] = [(code >> 24) & 0x7f, (code >> 12) & 0xfff, code & 0xfff];
  const mip = 2 ** (2 - layer);
  const [x0, y0] = [256 * mip * x, 256 * mip * y];
  const width = Math.ceil((Math.min(WIDTH, x0 + 256 * mip) - x0) / mip);
  const height = Math.ceil((Math.min(HEIGHT, y0 + 256 * mip) - y0) / mip);
  const pixels = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const value = pixel(x0 + mip * column, y0 + mip * row, channel);
      pixels[row * width + column] = Number.isNaN(value) ? -3.4028234663852886e38 : value;
    }
  }
  return { layer, x, y, width, height, image_data: bytesOf(pixels), nan_encodings: new Uint8Array(0), mip: 0 };
}

/** `send(connection, messages)` puts [topic, message] pairs on the wire; tests shuffle them there. */
export function imageMethods({ send = (connection, messages) => messages.forEach(([t, m]) => connection.publish(t, m)), sessions = new Map() } = {}) {
  let syncId = 0;
  let nextSession = 7;
  const view = { channel: 0, spatial: [], spectral: [], point: { x: 350, y: 240 } };

  const later = (work) => void setTimeout(work, 1);
  const tiles = (connection, { file_id, tiles: codes }) => {
    const head = { file_id, channel: view.channel, stokes: 0, sync_id: ++syncId, animation_id: 0 };
    const sync = (end_sync) => ["carta.raster.tile.sync", { ...head, tile_count: codes.length, end_sync }];
    const data = codes.map((code) => [
      "carta.raster.tile.data",
      { ...head, compression_type: "NONE", compression_quality: 0, tiles: [tileOf(code, view.channel)] },
    ]);
    later(() => send(connection, [sync(false), ...data, sync(true)]));
  };
  const histogram = (connection) =>
    later(() =>
      send(connection, [
        ["carta.region.histogram.data", {
          file_id: 0, region_id: -1, channel: view.channel, stokes: 0, progress: 1, config: null,
          histograms: { num_bins: 64, bin_width: 0.055, first_bin_center: 0.16, mean: 0.5, std_dev: 0.6,
            bins: Array.from({ length: 64 }, (_, i) => Math.round(90000 * Math.exp(-i / 6))) },
        }],
      ]),
    );
  const spatial = (connection) => {
    const { x, y } = view.point;
    const along = { x: [WIDTH, (i) => pixel(i, y, view.channel)], y: [HEIGHT, (i) => pixel(x, i, view.channel)] };
    const profiles = view.spatial.map(({ coordinate, start = 0, end = 0, mip = 1 }) => {
      const [length, value] = along[coordinate];
      const stop = end || length;
      return { coordinate, start, end: stop, mip, raw_values_fp32: bytesOf(Float32Array.from({ length: stop - start }, (_, i) => value(start + i))) };
    });
    later(() => send(connection, [["carta.spatial.profile.data", { file_id: 0, region_id: 0, x, y, channel: view.channel, stokes: 0, value: pixel(x, y, view.channel), profiles }]]));
  };
  const spectral = (connection) => {
    if (view.spectral.length === 0) return;
    const values = Float32Array.from({ length: DEPTH }, (_, c) => pixel(view.point.x, view.point.y, c));
    later(() => send(connection, [["carta.spectral.profile.data", { file_id: 0, region_id: 0, stokes: 0, progress: 1, profiles: [{ coordinate: "z", stats_type: "Mean", raw_values_fp32: bytesOf(values), raw_values_fp64: new Uint8Array(0) }] }]]));
  };

  return {
    "server.info": () => ({ name: "mock" }),
    "pubsub.subscribe": () => null,
    "pubsub.unsubscribe": () => null,
    "pubsub.subscriptions": () => [],
    "session.connections": () => [{}],
    "session.state": () => ({ files: [], next_file_id: 1 }),
    "carta.register.viewer": ({ session_id }) => {
      const resumed = sessions.has(session_id);
      const id = resumed ? session_id : nextSession++;
      sessions.set(id, true);
      return { session_id: id, success: true, message: "", session_type: resumed ? "RESUMED" : "NEW", server_feature_flags: 0 };
    },
    "carta.file.list.request": ({ directory }) => ({
      success: true, message: "", directory, parent: "", cancel: false,
      files: directory ? [] : [
        { name: "cube.fits", type: "FITS", size: 56000000, HDU_list: [""], date: 1700000000 },
        { name: "broken.fits", type: "FITS", size: 12, HDU_list: [""], date: 1700000000 },
      ],
      subdirectories: directory ? [] : [{ name: "survey", item_count: 12, date: 1700000000 }],
    }),
    "carta.open.file": function ({ file, file_id }) {
      if (file !== "cube.fits") return { success: false, message: `${file}: not a FITS file`, file_id };
      Object.assign(view, { channel: 0, spatial: [], spectral: [] });
      histogram(this);
      return {
        success: true, message: "", file_id, file_feature_flags: 0,
        file_info: { name: file, type: "FITS", size: 56000000, HDU_list: ["0"], date: 1700000000 },
        file_info_extended: {
          dimensions: 3, width: WIDTH, height: HEIGHT, depth: DEPTH, stokes: 1, stokes_vals: [],
          header_entries: [
            { name: "BUNIT", value: "Jy/beam", entry_type: "STRING", numeric_value: 0, comment: "" },
            { name: "NAXIS", value: "3", entry_type: "INT", numeric_value: 3, comment: "" },
          ],
          computed_entries: [{ name: "Shape", value: `[${WIDTH}, ${HEIGHT}, ${DEPTH}] (RA, DEC, FREQ)`, entry_type: "STRING", numeric_value: 0, comment: "" }],
          axes_numbers: { spatial_x: 1, spatial_y: 2, spectral: 3, stokes: 0, depth: 3 },
        },
        beam_table: [{ channel: -1, stokes: -1, major_axis: 6, minor_axis: 4, pa: 30 }],
      };
    },
    "carta.close.file": () => null,
    "carta.set.image.channels": function ({ channel, required_tiles }) {
      if (!(channel >= 0 && channel < DEPTH)) throw { code: -32602, message: `channel: ${channel} is not in 0 … ${DEPTH - 1}` };
      view.channel = channel;
      histogram(this);
      if (required_tiles?.tiles?.length) tiles(this, required_tiles);
      spatial(this);
      return null;
    },
    "carta.add.required.tiles": function (request) {
      tiles(this, request);
      return null;
    },
    "carta.set.cursor": function ({ point }) {
      view.point = { x: Math.round(point.x), y: Math.round(point.y) };
      spatial(this);
      spectral(this);
      return null;
    },
    "carta.set.spatial.requirements": function ({ spatial_profiles }) {
      view.spatial = spatial_profiles;
      spatial(this);
      return null;
    },
    "carta.set.spectral.requirements": function ({ spectral_profiles }) {
      view.spectral = spectral_profiles;
      spectral(this);
      return null;
    },
    "image.read": ({ x, y, channel }) => {
      const [[x0, x1], [y0, y1], [c0, c1]] = [x, y, channel];
      const values = [];
      for (let c = c0; c < c1; c++) for (let j = y0; j < y1; j++) for (let i = x0; i < x1; i++) values.push(pixel(i, j, c));
      return { data: bytesOf(Float32Array.from(values)), dtype: "<f4", shape: [1, c1 - c0, y1 - y0, x1 - x0] };
    },
    "image.to_world": (_fileId, points) => ({ points: points.map(([x, y]) => [180 - x / 3600, -30 + y / 3600]), frame: "ICRS", names: ["RA", "DEC"], units: ["deg", "deg"] }),
    echo: (...args) => args,
    fail: () => { throw { code: -32001, message: "Exception raised", data: { method: "fail", exception: "the disk is on fire" } }; },
    hang: () => new Promise(() => {}),
  };
}
