/** One view of one image: puts the parts together, opens images, and keeps the state, the session and the screen the same. */
import { Image, type Client, type OpenFileAck, type RegionHistogramData, type RegionInfo } from "cubelink";
import { Compare } from "./compare/compare";
import { byId, css, type Root } from "./dom";
import type { Messages } from "./messages";
import { LinkMeter } from "./link-meter";
import { OpenImage, type CursorValue } from "./open-image";
import { ContourOverlay } from "./contour-overlay";
import { Contours } from "./contours";
import { ChannelsPanel } from "./panels/channels";
import { ContoursPanel } from "./panels/contours";
import { DisplayPanel } from "./panels/display";
import { PictureDialog } from "./panels/export";
import { FilesPanel } from "./panels/files";
import { InfoPanel } from "./panels/info";
import { ProfileTools } from "./panels/profile-tools";
import { Readout } from "./panels/readout";
import { RegionsPanel } from "./panels/regions";
import { picture, type PictureOptions } from "./picture";
import { Plots } from "./plots";
import { firstPreview } from "./previews";
import { delay } from "./pump";
import { RegionAnalysis } from "./region-analysis";
import { RegionEditor } from "./region-editor";
import { SkyFacts } from "./region-facts";
import { Regions, entryOf, type Region } from "./regions";
import { Renderer } from "./renderer";
import { Stage } from "./stage";
import { watchTree } from "./state/tree";
import { resetForImage, type Framing, type ViewState } from "./state/view-state";
import { TileCache } from "./tile-cache";
import type { Plane } from "./tile-loader";

const TILE_BUDGET = 384 << 20;
/** After so long the list of files comes, whether the first image is there or not. */
const LIST_LATEST_MS = 1000;

export interface ViewerEvents {
  imageopen: { file: string; hdu: string; width: number; height: number; channels: number; stokes: number };
  viewchange: Framing | null;
  channelchange: Plane;
  /** The value under the cursor, once the server has told it. */
  cursorchange: { x: number; y: number; value: number; channel: number; stokes: number };
  regionschange: Region[];
  connectionchange: { state: Client["state"] };
  /** A person has typed the server's secret. */
  secretentered: { secret: string };
  viewererror: { message: string };
}

interface SessionFile {
  file_id: number;
  directory: string;
  file: string;
  hdu: string;
  channel: number;
  stokes: number;
  cursor: { x: number; y: number } | null;
  open_file_ack: OpenFileAck;
}

export class Viewer {
  /** @internal */
  open_: OpenImage | null = null;
  readonly display: DisplayPanel;
  readonly stage: Stage;
  readonly plots: Plots;
  /** Regions of the image on show. */
  readonly regions: Regions;
  /** What the server computes of the selected region, while its panel is open. */
  readonly analysis: RegionAnalysis;
  readonly regionEditor: RegionEditor;
  readonly regionsPanel: RegionsPanel;
  readonly profileTools: ProfileTools;
  readonly contours: Contours;
  private readonly contourOverlay: ContourOverlay;
  private readonly contoursPanel: ContoursPanel;
  private readonly cache: TileCache;
  private readonly renderer: Renderer;
  readonly compare: Compare;
  private readonly files: FilesPanel;
  private readonly info: InfoPanel;
  private readonly channels: ChannelsPanel;
  private readonly readout: Readout;
  private readonly report: (error: unknown) => void;
  private stop: (() => void)[] = [];
  private readonly stopAll: (() => void)[] = [];
  private opening = 0;
  private busy = false;
  private early: RegionHistogramData[] = [];
  private source = { file: "", hdu: "" };
  /** The image was opened by somebody else in the session. */
  private shared = false;
  /** The state is being brought up to the image, or the image is still to come: what changes in the state is no wish. */
  private quiet = false;

  constructor(
    private readonly root: Root,
    readonly client: Client,
    readonly state: ViewState,
    private readonly messages: Messages,
    private readonly emit: <K extends keyof ViewerEvents>(name: K, detail: ViewerEvents[K]) => void,
  ) {
    const { report } = messages;
    this.report = report;
    // It is to know the round trip when the first image is opened.
    LinkMeter.of(client);
    this.renderer = new Renderer(byId<HTMLCanvasElement>(root, "canvas"), () => {
      this.cache.forgetTextures();
      this.stage.redraw();
    });
    this.cache = new TileCache(TILE_BUDGET, (cached) => this.renderer.release(cached));
    this.display = new DisplayPanel(root, state);
    this.stage = new Stage(root, state, this.renderer, this.cache, () => this.display.look, () => this.pending);
    this.plots = new Plots(root, state, this.stage, report);
    this.channels = new ChannelsPanel(root, state);
    this.readout = new Readout(root, state);
    this.files = new FilesPanel(root, client, (directory, file) => void this.open(directory === "" ? file : `${directory}/${file}`).catch(() => undefined), (path) => this.compare.add(path), report);
    this.contours = new Contours(state, report);
    this.compare = new Compare(root, client, state, this.stage, () => this.display.look, this.contours, report);
    this.compare.onCompanions = () => this.showContours();
    this.info = new InfoPanel(root, (hdu) => void this.open(this.source.file, { hdu }).catch(() => undefined), report);
    this.regions = new Regions(state, () => this.pending, report);
    this.analysis = new RegionAnalysis(() => this.open_, (id) => this.regions.get(id) !== undefined, report);
    this.regionEditor = new RegionEditor(root, this.stage, state, this.regions, new SkyFacts(() => this.image, this.stage.redraw), () => this.open_ !== null, report);
    this.regionsPanel = new RegionsPanel(root, client, state, this.regions, this.regionEditor, this.analysis, messages);
    this.profileTools = new ProfileTools(this.plots, this.regionsPanel.results, this.analysis, state, report);
    this.display.onChange = () => this.stage.redraw();
    this.stage.onPoint = (x, y) => this.open_?.setCursor(x, y);
    this.stage.onStep = (by) => {
      const plane = this.open_?.loader.wanted.value;
      if (plane) this.open_!.setPlane({ ...plane, channel: plane.channel + by });
    };
    this.stage.onNext = () => this.compare.next();
    this.stage.onBlink = () => this.compare.toggleBlink();
    this.stage.onPlay = () => this.open_?.togglePlaying();
    this.stage.onHelp = () => byId<HTMLDialogElement>(root, "help-dialog").showModal();
    this.stage.onView = () => this.viewChanged();
    this.contourOverlay = new ContourOverlay(byId<HTMLCanvasElement>(root, "contours"), state, this.contours, this.stage.redraw);
    this.contoursPanel = new ContoursPanel(root, state, this.contours);
    this.stage.layers.push((view) => this.contourOverlay.draw(view, this.image, this.compare.contourOrigin));
    const pictures = new PictureDialog(root, {
      name: () => this.image?.info.name ?? null,
      several: () => this.compare.beside.length > 0,
      area: (beside) => this.pictureArea(beside),
      make: (options) => this.picture(options),
    });
    const buttons = new AbortController();
    for (const [id, action] of [
      ["zoom-in", () => this.stage.zoom(1.5)],
      ["zoom-out", () => this.stage.zoom(1 / 1.5)],
      ["zoom-fit", () => this.stage.fit()],
      ["help", () => this.stage.onHelp()],
      ["zoom-one", () => this.stage.oneToOne()],
      ["save-picture", () => pictures.show()],
    ] as const) {
      byId(root, id).addEventListener("click", action, { signal: buttons.signal });
    }
    this.stopAll.push(
      () => buttons.abort(),
      client.onState(({ state: connection, resumed }) => {
        this.emit("connectionchange", { state: connection });
        if (connection === "connected") void this.cameBack(resumed).catch(report);
      }),
      client.onSessionChange((change) => this.regions.heard(change)),
      state.view.watch((view) => this.emit("viewchange", view)),
      state.regions.watch(() => {
        this.stage.redraw();
        this.emit("regionschange", this.regions.list());
      }),
      state.contours.of.watch(() => this.showContours()),
      state.channel.watch(() => this.usePlane()),
      state.stokes.watch(() => this.usePlane()),
      state.cursor.watch((cursor) => {
        if (!this.quiet && !this.pending && cursor) this.open_?.setCursor(cursor.x, cursor.y);
      }),
    );
  }

  /** Lists the files and opens what the state names, or what the session has open if the viewer joins one. */
  async start(joins: boolean): Promise<void> {
    // Nothing waits for the answer to what was sent before it on the same connection: to a far server that is a way back and forth each.
    const heard = Promise.all([
      OpenImage.listen(
        this.client,
        () => this.open_,
        (data) => this.early.push(data),
      ),
      this.analysis.listen(this.client),
      this.contours.listen(this.client),
      this.client.subscribe<{ severity: string; message: string }>("carta.error.data", {}, ({ severity, message: text }) => {
        if (severity === "DEBUG" || text === "") return;
        this.messages.show(severity === "INFO" ? "info" : severity === "WARNING" ? "warning" : "error", text);
      }),
    ]);
    if (joins) {
      this.stopAll.push(
        this.client.onSessionChange(({ what, file_id }) => {
          const news = (what === "file_opened" && file_id !== this.open_?.image.fileId) || (what === "file_closed" && file_id === this.open_?.image.fileId);
          if (news && !this.busy) void this.join().catch(this.report);
        }),
      );
    }
    const { file } = this.state;
    const first = this.first(joins);
    // A folder of thousands of images is a long list: over a slow connection the image comes first, unless that takes its time.
    await Promise.race([first, heard.then(() => delay(LIST_LATEST_MS))]);
    void this.files.list(folderOf(file.value));
    await Promise.all([heard, first]);
    await this.compare.start();
    // From here on, another file in the state is a wish to open it.
    this.stopAll.push(
      watchTree({ file, hdu: this.state.hdu }, () => {
        const wanted = { file: file.value, hdu: this.state.hdu.value };
        if (!this.pending) return;
        if (wanted.file === "") this.close();
        else void this.load(wanted.file, wanted.hdu, false).catch(() => undefined);
      }),
    );
  }

  /** Opens what the session has open, if the viewer joins one, or what the state names. */
  private async first(joins: boolean): Promise<void> {
    const joined = joins && (await this.join());
    const { file, hdu } = this.state;
    if (!joined && file.value !== "") await this.load(file.value, hdu.value, false).catch(() => undefined);
  }

  get image(): Image | null {
    return this.open_?.image ?? null;
  }

  /** Opens an image, its path below the server's folder; rejects if it can't be, and then what was open stays. */
  open(file: string, { hdu = "" }: { hdu?: string } = {}): Promise<void> {
    return this.load(file, hdu, true);
  }

  /** What is in view as a PNG picture of any size, with all that lies over it. */
  async picture(options: PictureOptions): Promise<Blob> {
    const main = this.stage.pane([(context, factor) => this.contourOverlay.paint(context, this.stage.view, factor)]);
    if (!main) throw new Error("no image is open");
    const back = css(this.root, "--back");
    const beside = options.beside ? this.compare.beside : [];
    if (beside.length === 0) return picture({ size: main.view, between: back, back, panes: [{ ...main, left: 0, top: 0, label: null }] }, options);
    return picture({ size: this.pictureArea(true), between: css(this.root, "--panel"), back, panes: [main, ...beside.map((one) => one.pane())] }, options);
  }

  /** CSS pixels: of the image on show, or of all that are seen side by side. */
  private pictureArea(beside: boolean): { width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = byId(this.root, "pictures");
    return beside ? { width, height } : this.stage.view;
  }

  /** @internal What is held in memory, for tests. */
  get held() {
    return { ...this.cache.size, open: this.open_ ? 1 : 0 };
  }

  get cursor(): CursorValue | null {
    return this.open_?.cursor.value ?? null;
  }

  /** The colours of the page are others now. */
  restyle(): void {
    this.plots.redraw();
    this.display.redraw();
    this.regionsPanel.redraw();
  }

  destroy(): void {
    this.opening += 1;
    this.close();
    this.stopAll.forEach((stop) => stop());
    this.profileTools.destroy();
    this.contoursPanel.destroy();
    this.contourOverlay.destroy();
    this.contours.destroy();
    this.regionsPanel.destroy();
    this.regionEditor.destroy();
    this.regions.destroy();
    this.display.destroy();
    this.files.destroy();
    this.compare.destroy();
    this.plots.destroy();
    this.readout.destroy();
    this.stage.destroy();
    this.cache.clear();
  }

  /** `fresh`: without what the state says of channel, view and so on. */
  private async load(path: string, hdu: string, fresh: boolean): Promise<void> {
    const mine = ++this.opening;
    this.progress(true);
    try {
      this.early = [];
      // Under a new number: what still comes of the old image can't be taken for the new one's.
      const { channel, stokes } = this.state;
      const image = await this.client.open(path, { hdu, preview: firstPreview(fresh ? { channel: 0, stokes: 0 } : { channel: channel.value, stokes: stokes.value }) });
      if (mine !== this.opening) {
        await image.close();
        return;
      }
      await this.take(image, { file: path, hdu }, fresh);
    } catch (error) {
      this.report(error);
      if (mine === this.opening && !fresh) this.stateFromImage();
      throw error;
    } finally {
      if (mine === this.opening) this.progress(false);
    }
  }

  /** Shows what the session has open; false if that is nothing. */
  private async join(): Promise<boolean> {
    const mine = ++this.opening;
    const session = (await this.client.sessionState()) as {
      files: SessionFile[];
      cursor: { file_id: number } | null;
      regions: { region_id: number; file_id: number; region_info: RegionInfo }[];
    };
    const file = session.files.find((f) => f.file_id === session.cursor?.file_id) ?? session.files.at(-1);
    if (!file || mine !== this.opening) return false;
    // Another image has been opened or closed beside it.
    if (file.file_id === this.open_?.image.fileId) return true;
    const image = new Image(this.client, file.open_file_ack, file.directory, file.hdu);
    image.channel = file.channel;
    image.stokes = file.stokes;
    this.early = [];
    const regions = session.regions
      .filter((r) => r.file_id === file.file_id)
      .map(({ region_id, region_info }) => ({ id: region_id, ...entryOf(region_info) }));
    const path = file.directory === "" ? file.file : `${file.directory}/${file.file}`;
    await this.take(image, { file: path, hdu: "" }, true, { cursor: file.cursor, regions });
    return true;
  }

  /** Puts an image that is open on show. `joined`: what the session already has of it. */
  private async take(image: Image, source: { file: string; hdu: string }, fresh: boolean, joined?: { cursor: { x: number; y: number } | null; regions: Region[] }): Promise<void> {
    this.close();
    this.cache.clear();
    this.source = source;
    this.shared = joined !== undefined;
    const { state } = this;
    this.quiet = true;
    if (fresh) resetForImage(state);
    state.file.set(source.file);
    state.hdu.set(source.hdu);
    if (joined) {
      state.channel.set(image.channel);
      state.stokes.set(image.stokes);
      state.cursor.set(joined.cursor);
    }
    this.quiet = false;
    const wanted = { channel: state.channel.value, stokes: state.stokes.value };
    const cursor = state.cursor.value;
    const open = new OpenImage(image, this.cache, this.stage.redraw, this.report);
    this.open_ = open;
    // The histogram can overtake the answer to the call that it belongs to.
    for (const data of this.early) if (data.file_id === image.fileId) open.takeHistogram(data);
    this.show(open, wanted);
    const { width, height, depth, stokes } = image.info;
    this.emit("imageopen", { ...source, width, height, channels: depth, stokes });
    // In a session that was joined, the histogram was sent long ago.
    if (joined) await open.requireHistogram();
    await open.require(cursor);
    await this.regions.show(open, joined?.regions);
    this.regionsPanel.show(open);
  }

  private show(open: OpenImage, wanted: Plane): void {
    const { info } = open.image;
    byId(this.root, "title").textContent = info.name;
    byId(this.root, "subtitle").textContent = [
      `${info.width} × ${info.height}`,
      info.depth > 1 ? `${info.depth} channels` : "",
      info.stokes > 1 ? `${info.stokes} Stokes` : "",
    ].filter(Boolean).join(" · ");
    this.files.mark(this.source.file);
    this.info.show(open.image);
    this.display.newImage(String(open.image.card("BUNIT") ?? ""));
    open.setPlane(wanted);
    open.loader.onOffline = ({ channel }) => this.messages.show("info", `Channel ${channel} will be shown when the connection is back.`);
    this.stop = [
      open.histogram.watch((histogram) => histogram && this.display.setHistogram(histogram, !open.loader.waitingForPlane)),
      open.sample.watch((sample) => this.display.setSample(sample)),
      open.player.playing.watch(() => this.progress()),
      open.loader.missing.watch(() => this.progress()),
      open.loader.wanted.watch((plane) => {
        this.stateFromPlane(plane);
        this.progress();
      }),
      open.loader.shown.watch((plane) => {
        this.emit("channelchange", plane);
        this.progress();
      }),
      open.cursor.watch((cursor) => {
        if (!cursor) return;
        const { x, y, value, channel, stokes } = cursor;
        this.stateFromCursor({ x, y });
        this.emit("cursorchange", { x, y, value, channel, stokes });
      }),
    ];
    this.channels.show(open);
    this.readout.show(open);
    this.stage.show(open);
    this.plots.show(open);
    this.compare.show(open);
    this.profileTools.show(open);
    this.showContours();
  }

  /** Of the image on show, or of the one beside it that the state names. */
  private showContours(): void {
    if (!this.open_) return;
    const source = this.compare.contourSource;
    this.contours.show(source);
    this.contoursPanel.show(source);
    this.stage.redraw();
  }

  private close(): void {
    this.stop.forEach((stop) => stop());
    this.stop = [];
    const open = this.open_;
    this.open_ = null;
    this.source = { file: "", hdu: "" };
    if (!open) return;
    if (!this.shared) void this.regions.removeFromSession().catch(() => undefined);
    void this.regions.show(null);
    this.regionsPanel.show(null);
    this.stage.show(null);
    this.contours.show(null);
    this.contoursPanel.show(null);
    this.profileTools.show(null);
    this.plots.show(null);
    this.channels.show(null);
    this.readout.show(null);
    this.info.show(null);
    this.compare.show(null);
    open.close();
    // If the connection is lost just now, the file stays open until the session ends: no harm.
    if (!this.shared) open.image.close().catch(() => undefined);
  }

  private usePlane(): void {
    const { channel, stokes } = this.state;
    if (!this.quiet && !this.pending) this.open_?.setPlane({ channel: channel.value, stokes: stokes.value });
  }

  /** The state speaks of another image than that on show, which is to be opened or is being opened. */
  private get pending(): boolean {
    return this.state.file.value !== this.source.file || this.state.hdu.value !== this.source.hdu;
  }

  private stateFromPlane({ channel, stokes }: Plane): void {
    if (this.pending) return;
    this.quiet = true;
    this.state.channel.set(channel);
    this.state.stokes.set(stokes);
    this.quiet = false;
  }

  private stateFromCursor(at: { x: number; y: number }): void {
    if (this.pending) return;
    this.quiet = true;
    this.state.cursor.set(at);
    this.quiet = false;
  }

  /** What was wished could not be opened. */
  private stateFromImage(): void {
    const { state } = this;
    state.file.set(this.source.file);
    state.hdu.set(this.source.hdu);
    if (!this.open_) return;
    this.stateFromPlane(this.open_.loader.wanted.value);
    if (this.open_.cursor.value) this.stateFromCursor(this.open_.cursor.value);
    this.stage.tellState();
    this.regions.tellState();
  }

  private viewChanged(): void {
    if (!this.open_) return;
    const { x0, y0, x1, y1 } = this.stage.view.bounds();
    if (x1 > x0 && y1 > y0) this.open_.setVisible({ start: x0, end: x1 }, { start: y0, end: y1 });
    this.plots.viewChanged();
    this.compare.viewChanged();
    this.readout.zoom(this.stage.view);
  }

  /** After a lost connection. The session usually is as it was, but the view belonged to the connection. */
  private async cameBack(resumed: boolean): Promise<void> {
    const open = this.open_;
    if (!open) return;
    open.keepCursor();
    if (!resumed) {
      const { file, hdu } = this.source;
      await this.client.open(file, { hdu, fileId: open.image.fileId });
    }
    // Also in a resumed session: the message that changed it last may have been lost. And it may have been chosen meanwhile.
    const { channel, stokes } = open.loader.wanted.value;
    await open.image.setChannel(channel, stokes);
    open.loader.restart();
    await open.require();
    await (resumed ? this.regions.cameBack() : this.regions.again());
    this.analysis.again();
    this.contours.again();
    this.viewChanged();
  }

  private progress(busy = this.busy): void {
    this.busy = busy;
    byId(this.root, "progress").hidden = !(busy || this.open_?.loader.waiting);
  }
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
