/**
 * A client of the server: one session (what is open), carried by one connection after the other. When a connection is lost, the next one attaches to the same
 * session, and subscriptions are made again.
 */
import type { ContourLines } from "./contours.js";
import { AUTHENTICATION_FAILED, BAD_ARGUMENTS, CubelinkError, successOrThrow, toError } from "./error.js";
import type { Carta, ContourSet, FileListResponse, RegisterViewerAck } from "./icd.js";
import { Image } from "./image.js";
import { Link } from "./link.js";
import { messages, type MessagesOptions } from "./messages.js";
import { methodName } from "./names.js";
import { fetchPreview, type PreviewWanted } from "./preview.js";
import type { CallOptions, ConnectionState, Session, SessionChange, StateEvent, SubscribeOptions, Topics } from "./session.js";
import { Subscriptions, type Filter, type Subscription } from "./subscriptions.js";
import { TileCache } from "./tile-cache.js";
import { DecoderPool } from "./decoder-pool.js";
import { TileStream } from "./tile-stream.js";
import { loadWslink, type SmartConnectConfig, type WslinkModule } from "./wslink-api.js";

export interface ConnectOptions {
  /**
   * Address of the WebSocket, ws://host:port/ws, or the http://host:port/?token=… that the server printed; in a page by default `ws` beside the page. sessionURL is
   * the same by wslink's name.
   */
  url?: string;
  sessionURL?: string;
  /** Address of a wslink launcher, and the name of the application that it is to start. */
  sessionManagerURL?: string;
  application?: string;
  secret?: string;
  /** Join this session instead of making a new one. connect() rejects if there is none of that id, or it belongs to another user. */
  sessionId?: number;
  /** Make a new session instead of rejecting. `sessionId` of the client tells which it has become. */
  orNewSession?: boolean;
  /** Another user's key for REGISTER_VIEWER. */
  apiKey?: string;
  /** Come back by itself after a lost connection (default true). */
  reconnect?: boolean;
  /** Seconds between signs of life that are asked of the server (default 20, 0 none). */
  keepAlive?: number;
  /** Seconds that a connection may take to be made (default 20). */
  timeout?: number;
  /** Bytes of decoded tiles that Image.fetchTile() keeps (default 64 MiB, 0 none). */
  tileCache?: number;
  /** npm wslink, if it shall not be the one that this package depends on; 1.x works too. */
  wslink?: WslinkModule;
}

/** Connects, registers a viewer and answers the client; rejects if the first attempt fails. */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const client = new Client(options, options.wslink ?? (await loadWslink()));
  await client.start();
  return client;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

const CONNECT_SECONDS = 20;
/** Of server_feature_flags. */
const READ_ONLY = 8;

export interface OpenOptions {
  /** Of `file`, which then is a name alone. */
  directory?: string;
  hdu?: string | number;
  /** One that the session does not have; given out by the client otherwise. */
  fileId?: number;
  /** @internal A preview that comes with the image: image.firstPreview. */
  preview?: PreviewWanted;
}

const TILE_CACHE_BYTES = 64 * 1024 * 1024;

export class Client implements Session {
  readonly carta: Carta = new Proxy({} as Carta, {
    get: (_target, name) =>
      typeof name === "string" && name !== "then"
        ? (fields: Record<string, unknown> = {}, options: CallOptions = {}) => this.call(methodName(name), [fields], {}, options)
        : undefined,
  });

  /** Tiles that Image.fetchTile() has fetched. */
  readonly tileCache: TileCache;

  /** Id of the session, 0 before there is one. */
  sessionId: number;

  private link: Link | null = null;
  private config: SmartConnectConfig;
  private state_: ConnectionState = "connecting";
  private readonly stateListeners = new Set<(event: StateEvent) => void>();
  private readonly changeListeners = new Set<(change: SessionChange) => void>();
  private readonly subscriptions = new Subscriptions();
  private tileStream: TileStream | null = null;
  private pool: DecoderPool | null = null;
  private nextFileId = 0;
  /** How many connections the session has, if the server has told. */
  private attached: number | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private keepAliveTimer: ReturnType<typeof setTimeout> | undefined;
  private attempts = 0;
  private flags = 0;
  private registered = false;
  private readonly wake = () => this.retryNow();

  /** Use connect(). */
  constructor(
    private readonly options: ConnectOptions,
    private readonly wslink: WslinkModule,
  ) {
    this.sessionId = options.sessionId ?? 0;
    this.tileCache = new TileCache(options.tileCache ?? TILE_CACHE_BYTES);
    const address = options.url ?? options.sessionURL ?? (options.sessionManagerURL ? undefined : besideThePage());
    if (address !== undefined && !/^(wss?|https?):/.test(address)) {
      throw new CubelinkError(`connect: "${address}" is no address of a server: it begins with ws://, wss://, http:// or https://`);
    }
    // wslink would ask a launcher.
    if (address === undefined && typeof XMLHttpRequest === "undefined") throw new CubelinkError("connect: there is no url; only pages can do without one, or ask a launcher");
    this.config = {
      ...(address === undefined ? {} : target(address)),
      sessionManagerURL: options.sessionManagerURL,
      application: options.application,
    };
    if (options.secret !== undefined) this.config.secret = options.secret;
    // SmartConnect looks whether a key is there.
    for (const key of Object.keys(this.config)) if (this.config[key] === undefined) delete this.config[key];
    // Others in the session open images and change channels, too.
    this.subscriptions.add("session.changed", { filter: {}, callback: (change: SessionChange) => this.sessionChanged(change) });
  }

  get state(): ConnectionState {
    return this.state_;
  }

  /** Seconds since the server was heard last, as long as a call waits for it; else 0. Long work and a network that stands still look the same. */
  get silence(): number {
    return this.link?.silence ?? 0;
  }

  /** @internal */
  async start(): Promise<void> {
    await this.attempt();
    globalThis.addEventListener?.("online", this.wake);
  }

  /** Hears of changes of the connection; returns what stops it. */
  onState(listener: (event: StateEvent) => void): () => void {
    this.stateListeners.add(listener);
    return () => void this.stateListeners.delete(listener);
  }

  /** Hears what is changed in the session, by this client or by another; returns what stops it. */
  onSessionChange(listener: (change: SessionChange) => void): () => void {
    this.changeListeners.add(listener);
    return () => void this.changeListeners.delete(listener);
  }

  /** Calls any method of the server. Bytes in the result are Uint8Array. Rejects with CubelinkError, also if the answer says `success: false`. */
  call<T = any>(method: string, args: unknown[] = [], kwargs: Record<string, unknown> = {}, options: CallOptions = {}): Promise<T> { // eslint-disable-line @typescript-eslint/no-explicit-any
    if (!this.link) return Promise.reject(new CubelinkError(`${method}: not connected`));
    return this.link.call(method, args, kwargs, options).then((answer) => successOrThrow(answer as T, method));
  }

  /** Hears a topic, now and after reconnects. The server sends only what has been subscribed to. */
  subscribe<Name extends keyof Topics>(topic: Name, filter: Filter, callback: (message: Topics[Name]) => void, options?: SubscribeOptions): Promise<Subscription>;
  subscribe<T = any>(topic: string, filter: Filter, callback: (message: T) => void, options?: SubscribeOptions): Promise<Subscription>; // eslint-disable-line @typescript-eslint/no-explicit-any
  async subscribe(topic: string, filter: Filter, callback: (message: never) => void, { signal }: SubscribeOptions = {}): Promise<Subscription> {
    signal?.throwIfAborted();
    const listener = { filter, callback };
    this.subscriptions.add(topic, listener);
    try {
      if (this.link) await this.tell(this.link, topic);
    } catch (error) {
      this.subscriptions.remove(topic, listener);
      throw error;
    }
    let ended = false;
    const unsubscribe = async () => {
      if (ended) return;
      ended = true;
      signal?.removeEventListener("abort", aborted);
      if (this.subscriptions.remove(topic, listener) && this.link) await this.call("pubsub.unsubscribe", [topic]);
    };
    // A connection that is lost meanwhile ends the subscription, too.
    const aborted = () => void unsubscribe().catch(() => undefined);
    if (signal?.aborted) {
      await unsubscribe().catch(() => undefined);
      throw signal.reason;
    }
    signal?.addEventListener("abort", aborted);
    return { topic, unsubscribe };
  }

  /**
   * The messages of a topic, to be read by `for await`; leaving the loop ends the subscription. It goes on across reconnects, ends when the client is closed, and
   * throws the signal's reason when that is aborted.
   */
  messages<Name extends keyof Topics>(topic: Name, options?: MessagesOptions): AsyncGenerator<Topics[Name], void, void>;
  messages<T = any>(topic: string, options?: MessagesOptions): AsyncGenerator<T, void, void>; // eslint-disable-line @typescript-eslint/no-explicit-any
  messages(topic: string, options: MessagesOptions = {}): AsyncGenerator<unknown, void, void> {
    return messages(this, topic, options);
  }

  /** Bytes for an argument of call(): in wslink 1.x they travel ahead of the message, in 2.x within it. To be used in one call. */
  addAttachment(payload: ArrayBuffer | ArrayBufferView): unknown {
    if (!this.link) throw new CubelinkError("addAttachment: not connected");
    return this.link.addAttachment(payload);
  }

  /** The server writes no files for this client. */
  get readOnly(): boolean {
    return (this.flags & READ_ONLY) !== 0;
  }

  /** Files and sub-folders of a folder below the server's. */
  list(directory = "", filterMode: "Content" | "Extension" | "AllFiles" = "Content"): Promise<FileListResponse> {
    return this.carta.fileListRequest({ directory, filter_mode: filterMode });
  }

  /** Opens an image. `file` may be a path; file ids are given out by this client unless one is named. */
  async open(file: string, options: OpenOptions = {}): Promise<Image> {
    const slash = file.lastIndexOf("/");
    const directory = options.directory ?? (slash < 0 ? "" : file.slice(0, slash));
    const name = options.directory === undefined ? file.slice(slash + 1) : file;
    const hdu = String(options.hdu ?? "");
    const fileId = options.fileId ?? (await this.freeFileId());
    const opening = this.carta.openFile({
      directory,
      file: name,
      hdu,
      file_id: fileId,
      render_mode: "RASTER",
    });
    // The server takes it up when the file is open: nobody waits for the way back and forth.
    const preview = options.preview ? fetchPreview(this, fileId, options.preview) : null;
    preview?.catch(() => undefined);
    const image = new Image(this, await opening, directory, hdu);
    image.firstPreview = preview;
    this.nextFileId = Math.max(this.nextFileId, fileId + 1);
    return image;
  }

  /** What is open in the session: for programs that join another's. */
  sessionState(): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
    return this.call("session.state");
  }

  /** Tiles as they arrive, decoded, and the state of their sets. One stream for all images of the client. */
  tiles(): TileStream {
    this.tileStream ??= new TileStream(this, this.decoders());
    return this.tileStream;
  }

  /**
   * The polylines of a set of `carta.contour.image.data`, decoded in a worker where there are any, in no order. Rejects for what makes no sense, and where fzstd can't be
   * loaded (pages without a bundler or an import map): decodeContours() takes any decompressor.
   */
  decodeContours(set: ContourSet): Promise<ContourLines> {
    return this.decoders().decodeContours(set);
  }

  private decoders(): DecoderPool {
    this.pool ??= new DecoderPool();
    return this.pool;
  }

  /** Closes the connection, and with it the session if nobody else is in it. */
  close(): void {
    this.end("");
  }

  private end(reason: string): void {
    if (this.state_ === "closed") return;
    clearTimeout(this.retryTimer);
    clearTimeout(this.keepAliveTimer);
    globalThis.removeEventListener?.("online", this.wake);
    this.link?.close();
    this.link = null;
    this.tileStream?.close();
    this.pool?.close();
    this.pool = null;
    this.tileCache.clear();
    this.change({ state: "closed", resumed: false, reason, retryIn: 0 });
  }

  /** Tries at once, if the connection is lost, instead of waiting for the next attempt; with another secret, if one is given. */
  retryNow(secret?: string): void {
    if (secret !== undefined) this.config.secret = secret;
    if (this.state_ !== "lost" && !(this.state_ === "denied" && secret !== undefined)) return;
    clearTimeout(this.retryTimer);
    this.retry();
  }

  /** An id that no image of the session has, given out once. */
  private async freeFileId(): Promise<number> {
    const attached = this.attached ?? (await this.call<unknown[]>("session.connections")).length;
    // What is told of others' images may still be on its way.
    if (attached > 1) this.idsUsedBelow((await this.sessionState()).next_file_id);
    return this.nextFileId++;
  }

  private idsUsedBelow(next: unknown): void {
    if (typeof next === "number") this.nextFileId = Math.max(this.nextFileId, next);
  }

  private sessionChanged(change: SessionChange): void {
    if (change.what === "connections") this.attached = change.connections ?? null;
    this.idsUsedBelow(change.next_file_id);
    // The id may be given to another file. A file is opened anew under its old id, too.
    if ((change.what === "file_closed" || change.what === "file_opened") && change.file_id !== undefined) {
      if (change.file_id < 0) this.tileCache.clear();
      else this.tileCache.forget(change.file_id);
    }
    for (const listener of [...this.changeListeners]) listener(change);
  }

  private async attempt(): Promise<void> {
    const timeout = this.options.timeout ?? CONNECT_SECONDS;
    const link = await Link.open(this.wslink, this.config, 1000 * timeout);
    let resumed: boolean;
    try {
      const key = this.options.apiKey ?? "";
      // Once there was a session, coming back to a new one is better than not to come back: onState() tells.
      const joins = this.sessionId !== 0 && !this.registered && !this.options.orNewSession;
      this.attached = null;
      const registered = joins
        ? link.call("session.join", [this.sessionId, key], {}, { timeout })
        : link.call("carta.register.viewer", [{ session_id: this.sessionId, api_key: key, client_feature_flags: 0 }], {}, { timeout });
      // Subscriptions belong to the connection: they need not wait for the answer, which may come from far away.
      this.subscriptions.forgetTold();
      const told = this.tellAll(link);
      told.catch(() => undefined); // if there is no session, that is what is told
      const ack = (await registered) as RegisterViewerAck;
      if (!ack.success) throw new CubelinkError(ack.message || "the server does not register viewers");
      resumed = ack.session_type === "RESUMED" || ack.session_type === 1;
      this.sessionId = ack.session_id;
      this.flags = Number(ack.server_feature_flags) || 0;
      this.registered = true;
      await told;
      if (resumed) {
        const state = (await link.call("session.state", [], {}, { timeout }).catch(() => null)) as { next_file_id?: number } | null;
        this.idsUsedBelow(state?.next_file_id);
      }
    } catch (error) {
      link.close();
      throw error;
    }
    if (this.state_ === "closed") {
      link.close();
      return;
    }
    this.link = link;
    this.config = link.config();
    this.attempts = 0;
    // While the connection was lost, files may have been closed and their ids given to others.
    this.tileCache.clear();
    link.onLost = (reason) => this.lost(reason);
    this.watch(link);
    this.change({ state: "connected", resumed, reason: "", retryIn: 0 });
  }

  private async tellAll(link: Link): Promise<void> {
    const told = this.subscriptions.topicNames().map((topic) =>
      this.tell(link, topic).catch((error: unknown) => {
        // A topic that was asked for while there was no connection: without it, all else works.
        if (!(error instanceof CubelinkError) || error.code !== BAD_ARGUMENTS) throw error;
        console.error(`cubelink: ${error.message}`);
      }),
    );
    await Promise.all(told);
  }

  private async tell(link: Link, topic: string): Promise<void> {
    link.listen(topic, (message) => this.subscriptions.dispatch(topic, message));
    const filter = this.subscriptions.news(topic);
    if (!filter) return;
    try {
      await link.call("pubsub.subscribe", [topic, filter], {});
    } catch (error) {
      this.subscriptions.forgetTold(topic);
      throw error;
    }
  }

  private lost(reason: string): void {
    this.link = null;
    clearTimeout(this.keepAliveTimer);
    if (this.state_ === "closed") return;
    if (this.options.reconnect === false) {
      this.end(reason);
      return;
    }
    // A page that comes back with all the others after a restart should not do so in the same millisecond.
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.attempts) * (0.75 + 0.5 * Math.random());
    this.attempts += 1;
    this.change({ state: "lost", resumed: false, reason, retryIn: wait });
    this.retryTimer = setTimeout(() => this.retry(), wait);
  }

  private retry(): void {
    this.change({ state: "connecting", resumed: false, reason: "", retryIn: 0 });
    this.attempt().catch((reason: unknown) => {
      const error = toError(reason, "reconnect");
      if (error.code === AUTHENTICATION_FAILED) this.change({ state: "denied", resumed: false, reason: error.message, retryIn: 0 });
      else this.lost(error.message);
    });
  }

  /** A connection can be dead without either end being told: a call that stays without an answer shows it. */
  private watch(link: Link): void {
    const seconds = this.options.keepAlive ?? 20;
    if (seconds <= 0) return;
    this.keepAliveTimer = setTimeout(async () => {
      const silent = setTimeout(() => link.abandon("the server does not answer any more"), 1000 * seconds);
      // An error is an answer too.
      await link.call("pubsub.subscriptions", [], {}).catch(() => undefined);
      clearTimeout(silent);
      if (this.link === link) this.watch(link);
    }, 1000 * seconds);
    // In Node, a timer alone should not keep the program alive.
    (this.keepAliveTimer as { unref?: () => void }).unref?.();
  }

  private change(event: StateEvent): void {
    this.state_ = event.state;
    for (const listener of [...this.stateListeners]) listener(event);
  }
}

function besideThePage(): string | undefined {
  if (typeof document === "undefined" || typeof location === "undefined") return undefined;
  // The page's own parameters are nobody else's.
  const url = new URL(document.baseURI);
  url.search = "";
  return url.href;
}

/** Where a page's address leads to: `ws` beside it, with the token that it brings. Addresses of sockets are taken as they are. */
function target(address: string): { sessionURL: string; secret?: string } {
  if (!/^https?:/.test(address)) return { sessionURL: address };
  const url = new URL("ws", address);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const secret = new URL(address).searchParams.get("token");
  return secret === null ? { sessionURL: url.href } : { sessionURL: url.href, secret };
}
