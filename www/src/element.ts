/**
 * <cubelink-view src="ws://host:port/ws" file="folder/image.fits">: the viewer as an element of anybody's page. In a tree of its own, so that neither the page's
 * style sheets nor the viewer's reach the other.
 */
import type { Client, ConnectOptions, Image } from "cubelink";
import uplotSheet from "uplot/dist/uPlot.min.css?inline";
import icon from "./icon.svg?raw";
import base from "./style/base.css?inline";
import compare from "./style/compare.css?inline";
import display from "./style/display.css?inline";
import files from "./style/files.css?inline";
import forced from "./style/forced.css?inline";
import frame from "./style/frame.css?inline";
import narrow from "./style/narrow.css?inline";
import profileSheet from "./style/profiles.css?inline";
import regionSheet from "./style/regions.css?inline";
import stage from "./style/stage.css?inline";
import markup from "./template.html?raw";
import { Connection } from "./connection";
import { byId } from "./dom";
import { Messages } from "./messages";
import type { Region, Regions } from "./regions";
import { fromLink, toLink } from "./state/tree";
import { makeViewState, type Framing, type ViewState } from "./state/view-state";
import { Viewer, type ViewerEvents } from "./viewer";

const sheets = [uplotSheet, base, frame, files, stage, compare, display, profileSheet, regionSheet, narrow, forced].map((text) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
});

export class CubelinkView extends HTMLElement {
  static readonly observedAttributes = ["file", "hdu", "src", "session", "theme"];

  /** All that is to be seen, to be watched and set; also before there is a connection. */
  readonly state: ViewState = makeViewState();
  /** More than `src`, `secret` and `session` say; to be set before the element is in the page. */
  connectOptions: ConnectOptions = {};

  private readonly tree: ShadowRoot;
  private readonly systemTheme = matchMedia("(prefers-color-scheme: light)");
  private readonly restyle = () => this.viewer?.restyle();
  private running: Running | null = null;
  private ready_!: { promise: Promise<Viewer>; resolve(viewer: Viewer): void; reject(error: unknown): void };

  constructor() {
    super();
    this.tree = this.attachShadow({ mode: "open" });
    this.tree.adoptedStyleSheets = sheets;
    this.waitAgain();
  }

  /** Resolves with the viewer once it is connected, and has opened what it was told to. */
  get ready(): Promise<Viewer> {
    return this.ready_.promise;
  }

  /** null while there is no connection yet. */
  get viewer(): Viewer | null {
    return this.running?.viewer ?? null;
  }

  get client(): Client | null {
    return this.viewer?.client ?? null;
  }

  get image(): Image | null {
    return this.viewer?.image ?? null;
  }

  /** The state as text: what a link to this view holds behind its #. Setting it shows that view. */
  get link(): string {
    return toLink(this.state);
  }

  set link(text: string) {
    fromLink(this.state, text);
  }

  /** Opens an image by its path below the server's folder; rejects if it can't be opened. */
  async open(file: string, options: { hdu?: string } = {}): Promise<void> {
    await (await this.ready).open(file, options);
  }

  get channel(): number {
    return this.state.channel.value;
  }

  set channel(channel: number) {
    this.state.channel.set(channel);
  }

  get stokes(): number {
    return this.state.stokes.value;
  }

  set stokes(stokes: number) {
    this.state.stokes.set(stokes);
  }

  /** What part of the image is seen; null: all of it. */
  get view(): Framing | null {
    return this.state.view.value;
  }

  set view(view: Framing | null) {
    this.state.view.set(view);
  }

  /** Image pixel of the cursor. */
  get cursor(): { x: number; y: number } | null {
    return this.state.cursor.value;
  }

  set cursor(cursor: { x: number; y: number } | null) {
    this.state.cursor.set(cursor);
  }

  /** null while there is no connection yet. */
  get regions(): Regions | null {
    return this.viewer?.regions ?? null;
  }

  connectedCallback(): void {
    this.systemTheme.addEventListener("change", this.restyle);
    this.start();
  }

  disconnectedCallback(): void {
    this.systemTheme.removeEventListener("change", this.restyle);
    this.end();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (name === "theme") this.viewer?.restyle();
    else if (name === "file" || name === "hdu") {
      if (now !== before) this.state[name].set(now ?? "");
    } else if (this.running && now !== before) {
      this.end();
      this.start();
    }
  }

  private waitAgain(): void {
    let resolve!: (viewer: Viewer) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<Viewer>((yes, no) => ([resolve, reject] = [yes, no]));
    promise.catch(() => undefined); // nobody need wait for it
    this.ready_ = { promise, resolve, reject };
  }

  private start(): void {
    this.tree.innerHTML = markup;
    for (const place of this.tree.querySelectorAll(".icon")) place.innerHTML = icon;
    const emit = <K extends keyof ViewerEvents>(name: K, detail: ViewerEvents[K]) => void this.dispatchEvent(new CustomEvent(name, { detail }));
    const running = new Running(this.tree, this.state, emit, (secret) => emit("secretentered", { secret }));
    this.running = running;
    const attribute = (name: string) => this.getAttribute(name) ?? undefined;
    const session = Number(attribute("session") ?? this.connectOptions.sessionId ?? 0);
    const options = { ...this.connectOptions, url: attribute("src") ?? this.connectOptions.url, secret: attribute("secret") ?? this.connectOptions.secret };
    for (const key of ["url", "secret"] as const) if (options[key] === undefined) delete options[key];
    const ready = this.ready_;
    running.run({ ...options, ...(session > 0 ? { sessionId: session, orNewSession: true } : {}) } as ConnectOptions, session).then(ready.resolve, (error: unknown) => {
      ready.reject(error);
      if (this.running !== running) return;
      // Nothing works after this: it is no passing message.
      byId(this.tree, "welcome-text").textContent = error instanceof Error ? error.message : String(error);
      byId(this.tree, "welcome").hidden = false;
    });
  }

  private end(): void {
    this.running?.close();
    this.running = null;
    this.ready_.reject(new Error("the viewer was taken out of the page"));
    this.waitAgain();
  }
}

/** From connecting to leaving the page. */
class Running {
  viewer: Viewer | null = null;
  private readonly connection: Connection;
  private readonly messages: Messages;
  private closed = false;

  constructor(
    private readonly tree: ShadowRoot,
    private readonly state: ViewState,
    private readonly emit: <K extends keyof ViewerEvents>(name: K, detail: ViewerEvents[K]) => void,
    onSecret: (secret: string) => void,
  ) {
    this.connection = new Connection(tree, onSecret);
    this.messages = new Messages(tree, (message) => emit("viewererror", { message }));
  }

  /** `session`: the one to join, 0 for one of its own. */
  async run(options: ConnectOptions, session: number): Promise<Viewer> {
    const client = await this.connection.open(options);
    if (this.closed) throw new Error("the viewer was taken out of the page");
    this.viewer = new Viewer(this.tree, client, this.state, this.messages, this.emit);
    this.emit("connectionchange", { state: client.state });
    const joins = session > 0 && client.sessionId === session;
    if (session > 0 && !joins) this.messages.show("warning", `Session ${session} has ended or is somebody else’s: this is a new one.`);
    await this.viewer.start(joins);
    return this.viewer;
  }

  close(): void {
    this.closed = true;
    this.viewer?.destroy();
    this.messages.clear();
    this.connection.close();
  }
}

export type { Region };
