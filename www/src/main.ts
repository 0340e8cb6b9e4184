/** The page: puts the parts together and opens images. */
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/files.css";
import "./style/stage.css";
import "./style/display.css";
import "./style/narrow.css";

import type { Client, RegionHistogramData } from "cubelink";
import { openConnection } from "./connection";
import { byId } from "./dom";
import { message, report } from "./messages";
import { OpenImage } from "./open-image";
import { ChannelsPanel } from "./panels/channels";
import { DisplayPanel } from "./panels/display";
import { FilesPanel } from "./panels/files";
import { InfoPanel } from "./panels/info";
import { Readout } from "./panels/readout";
import { Plots } from "./plots";
import { Renderer } from "./renderer";
import { Stage } from "./stage";
import { installTestHook } from "./test-hook";
import { TileCache } from "./tile-cache";

const TILE_BUDGET = 384 << 20;

class Viewer {
  open: OpenImage | null = null;
  readonly display = new DisplayPanel();
  readonly stage: Stage;
  readonly plots: Plots;
  private readonly cache: TileCache;
  private readonly files: FilesPanel;
  private readonly info: InfoPanel;
  private readonly channels = new ChannelsPanel();
  private readonly readout = new Readout();
  private stop: (() => void)[] = [];
  private opening = 0;
  private busy = false;
  private early: RegionHistogramData[] = [];
  private source = { directory: "", file: "", hdu: "" };

  constructor(private readonly client: Client) {
    const renderer = new Renderer(byId<HTMLCanvasElement>("canvas"), () => {
      this.cache.forgetTextures();
      this.stage.redraw();
    });
    this.cache = new TileCache(TILE_BUDGET, (cached) => renderer.release(cached));
    this.stage = new Stage(renderer, this.cache, () => this.display.look);
    this.plots = new Plots(this.stage, report);
    this.files = new FilesPanel(client, (directory, file) => void this.openFile(directory, file), report);
    this.info = new InfoPanel((hdu) => void this.openFile(this.source.directory, this.source.file, hdu), report);
    this.display.onChange = () => this.stage.redraw();
    this.stage.onPoint = (x, y) => this.open?.setCursor(x, y);
    this.stage.onStep = (by) => {
      const plane = this.open?.loader.wanted.value;
      if (plane) this.open!.setPlane({ ...plane, channel: plane.channel + by });
    };
    this.stage.onView = () => this.viewChanged();
    for (const [id, action] of [
      ["zoom-in", () => this.stage.zoom(1.5)],
      ["zoom-out", () => this.stage.zoom(1 / 1.5)],
      ["zoom-fit", () => this.stage.fit()],
      ["zoom-one", () => this.stage.oneToOne()],
    ] as const) {
      byId(id).addEventListener("click", action);
    }
    client.onState(({ state, resumed }) => {
      if (state === "connected") void this.cameBack(resumed).catch(report);
    });
  }

  async start(): Promise<void> {
    await OpenImage.listen(
      this.client,
      () => this.open,
      (data) => this.early.push(data),
    );
    await this.client.subscribe<{ severity: string; message: string }>("carta.error.data", {}, ({ severity, message: text }) => {
      if (severity === "DEBUG" || text === "") return;
      message(severity === "INFO" ? "info" : severity === "WARNING" ? "warning" : "error", text);
    });
    window.addEventListener("hashchange", () => {
      const { directory, file, hdu } = fileInAddress();
      if (file !== "") void this.openFile(directory, file, hdu);
    });
    const { directory, file, hdu } = fileInAddress();
    await this.files.list(directory);
    if (file !== "") await this.openFile(directory, file, hdu);
  }

  async openFile(directory: string, file: string, hdu = ""): Promise<void> {
    const mine = ++this.opening;
    this.progress(true);
    try {
      this.early = [];
      // Under a new number: what still comes of the old image can't be taken for the new one's.
      const image = await this.client.open(file, { directory, hdu });
      if (mine !== this.opening) {
        await image.close();
        return;
      }
      this.close();
      this.cache.clear();
      this.source = { directory, file, hdu };
      const open = new OpenImage(image, this.cache, this.stage.redraw, report);
      this.open = open;
      // The histogram can overtake the answer to the call that it belongs to.
      for (const data of this.early) if (data.file_id === image.fileId) open.takeHistogram(data);
      this.show(open);
      await open.require();
    } catch (error) {
      report(error);
      if (this.open) this.showAddress();
    } finally {
      if (mine === this.opening) this.progress(false);
    }
  }

  private show(open: OpenImage): void {
    const { info } = open.image;
    byId("title").textContent = info.name;
    byId("subtitle").textContent = [
      `${info.width} × ${info.height}`,
      info.depth > 1 ? `${info.depth} channels` : "",
      info.stokes > 1 ? `${info.stokes} Stokes` : "",
    ].filter(Boolean).join(" · ");
    document.title = `${info.name} – Cubelink`;
    this.files.mark(this.showAddress());
    this.info.show(open.image);
    this.display.newImage(String(open.image.card("BUNIT") ?? ""));
    this.stop = [
      open.histogram.watch((histogram) => histogram && this.display.setHistogram(histogram)),
      open.loader.missing.watch(() => this.progress()),
      open.loader.wanted.watch(() => this.progress()),
      open.loader.shown.watch(() => this.progress()),
    ];
    this.channels.show(open);
    this.readout.show(open);
    this.stage.show(open);
    this.plots.show(open);
  }

  /** Into the address bar: what is open, so that a reload or a link opens it again. Returns its path. */
  private showAddress(): string {
    const { directory, file, hdu } = this.source;
    const path = directory === "" ? file : `${directory}/${file}`;
    history.replaceState(null, "", `#${new URLSearchParams(hdu === "" ? { file: path } : { file: path, hdu })}`);
    return path;
  }

  private close(): void {
    this.stop.forEach((stop) => stop());
    this.stop = [];
    const open = this.open;
    this.open = null;
    open?.close();
    // If the connection is lost just now, the file stays open until the session ends: no harm.
    open?.image.close().catch(() => undefined);
  }

  private viewChanged(): void {
    if (!this.open) return;
    const { x0, y0, x1, y1 } = this.stage.view.bounds();
    if (x1 > x0 && y1 > y0) this.open.setVisible({ start: x0, end: x1 }, { start: y0, end: y1 });
    this.plots.viewChanged();
    this.readout.zoom(this.stage.view);
  }

  /** After a lost connection. The session usually is as it was, but the view belonged to the connection. */
  private async cameBack(resumed: boolean): Promise<void> {
    const open = this.open;
    if (!open) return;
    const { channel, stokes } = open.image;
    if (!resumed) {
      const { directory, file, hdu } = this.source;
      await this.client.open(file, { directory, hdu, fileId: open.image.fileId });
    }
    // Also in a resumed session: the message that changed it last may have been lost.
    await open.image.setChannel(channel, stokes);
    open.loader.restart();
    await open.require();
    this.viewChanged();
  }

  private progress(busy = this.busy): void {
    this.busy = busy;
    byId("progress").hidden = !(busy || this.open?.loader.waiting);
  }
}

/** #file=folder/name&hdu=1 */
function fileInAddress(): { directory: string; file: string; hdu: string } {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const path = parameters.get("file") ?? "";
  const slash = path.lastIndexOf("/");
  return { directory: path.slice(0, Math.max(0, slash)), file: path.slice(slash + 1), hdu: parameters.get("hdu") ?? "" };
}

async function main(): Promise<void> {
  const client = await openConnection();
  const viewer = new Viewer(client);
  installTestHook(client, viewer);
  await viewer.start();
}

main().catch((error: unknown) => {
  // Nothing works after this: it is no passing message.
  byId("welcome-text").textContent = error instanceof Error ? error.message : String(error);
  byId("welcome").hidden = false;
});
