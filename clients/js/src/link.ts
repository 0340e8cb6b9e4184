/**
 * One connection to the server: a SmartConnect from its start to its end. wslink leaves the calls of a lost connection unanswered for ever; here they
 * fail, so that nobody waits for them.
 */
import { normalise } from "./binary.js";
import { AUTHENTICATION_FAILED, CubelinkError, toError } from "./error.js";
import type { CallOptions } from "./session.js";
import { withSocket } from "./socket.js";
import type { SmartConnect, SmartConnectConfig, WslinkModule, WslinkSession } from "./wslink-api.js";

/** For a socket to say that it has closed. */
const CLOSING_MS = 3000;

export class Link {
  /** Called once, when the connection has ended by itself. */
  onLost: (reason: string) => void = () => {};

  private readonly pending = new Set<(error: unknown) => void>();
  private readonly listened = new Set<string>();
  private heardAt = 0;
  /** Calls so far: wslink numbers them so, and their ids end with it. */
  private calls = 0;
  private ended = false;

  private constructor(
    private readonly smart: SmartConnect,
    private readonly session: WslinkSession,
  ) {}

  /** Connects and says hello. Rejects if the server can't be reached or doesn't take the secret (code AUTHENTICATION_FAILED). */
  static open(wslink: WslinkModule, config: SmartConnectConfig, timeoutMs: number): Promise<Link> {
    return new Promise((resolve, reject) => {
      // SmartConnect changes the configuration it is given.
      const smart = wslink.SmartConnect.newInstance({ config: { ...config }, configDecorator: withSocket });
      let link: Link | undefined;
      const fail = (error: CubelinkError) => {
        clearTimeout(timer);
        if (link) {
          link.end(error.message);
          return;
        }
        reject(error);
        retire(smart);
      };
      const timer = setTimeout(() => fail(new CubelinkError("the server does not answer")), timeoutMs);
      smart.onConnectionReady((connection) => {
        if (link) return;
        clearTimeout(timer);
        link = new Link(smart, connection.getSession());
        resolve(link);
      });
      smart.onConnectionError((_connection, error) => {
        const failure = toError(error, `connection to ${config.sessionURL ?? config.sessionManagerURL}`);
        const refusal = config.secret ? "the server does not accept this secret" : "the server asks for a secret, and none was given";
        fail(failure.code === AUTHENTICATION_FAILED ? new CubelinkError(refusal, AUTHENTICATION_FAILED, failure.data) : failure);
      });
      smart.onConnectionClose((_connection, event) => {
        const { code, reason } = (event ?? {}) as { code?: number; reason?: string };
        fail(new CubelinkError(`connection closed${reason ? `: ${reason}` : code ? ` (${code})` : ""}`));
        destroy(smart);
      });
      smart.connect();
    });
  }

  /** What connects to the same server again: behind a launcher, the address and the secret that it gave. */
  config(): SmartConnectConfig {
    const { sessionURL, secret } = this.smart.getConfig();
    return { sessionURL, secret };
  }

  /**
   * Calls a method; bytes in the result are Uint8Array. Rejects with CubelinkError, or with the reason of the signal that ended it; the server is then told to
   * stop.
   */
  call(method: string, args: unknown[], kwargs: Record<string, unknown>, { signal, timeout }: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(new CubelinkError(`${method}: not connected`));
        return;
      }
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const finish = (): void => {
        this.pending.delete(fail);
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
      };
      const fail = (error: unknown): void => {
        finish();
        reject(error);
      };
      const number = this.calls++;
      const giveUp = (error: unknown): void => {
        fail(error);
        this.cancel(number);
      };
      const aborted = () => giveUp(signal!.reason);
      const late = () => giveUp(new CubelinkError(`${method}: no answer within ${timeout} s`));
      const timer = timeout === undefined ? undefined : setTimeout(late, 1000 * timeout);
      signal?.addEventListener("abort", aborted);
      // The waiting begins with the first of the calls that wait.
      if (this.pending.size === 0) this.heardAt = performance.now();
      this.pending.add(fail);
      const heard = <T>(result: T): T => {
        this.heardAt = performance.now();
        return result;
      };
      this.session
        .call(method, args, kwargs)
        .then(heard, (reason) => Promise.reject(heard(reason)))
        .then(normalise)
        .then(
          (result) => {
            finish();
            resolve(result);
          },
          (reason) => fail(toError(reason, method)),
        );
    });
  }

  /** Nobody waits for what the server says to that: it may know the call no more, or be one that cannot cancel. */
  private cancel(number: number): void {
    if (this.ended) return;
    this.calls++;
    this.session.call("session.cancel", [number]).catch(() => undefined);
  }

  /** Seconds since the server was heard last, as long as a call waits for it; else 0. */
  get silence(): number {
    return this.pending.size === 0 ? 0 : (performance.now() - this.heardAt) / 1000;
  }

  /** Hears a topic; wslink keeps subscriptions on the client's side only. */
  listen(topic: string, callback: (message: unknown) => void): void {
    if (this.listened.has(topic)) return;
    this.listened.add(topic);
    this.session.subscribe(topic, ([message]) => {
      this.heardAt = performance.now();
      const value = normalise(message);
      if (value instanceof Promise) void value.then((v) => !this.ended && callback(v));
      else if (!this.ended) callback(value);
    });
  }

  addAttachment(payload: ArrayBuffer | ArrayBufferView): unknown {
    return this.session.addAttachment(payload);
  }

  /** Closes for good, by us: onLost is not called. */
  close(): void {
    this.onLost = () => {};
    this.end("connection closed");
  }

  /** Gives up a connection that does not answer any more. */
  abandon(reason: string): void {
    this.end(reason);
  }

  private end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    retire(this.smart);
    for (const fail of [...this.pending]) fail(new CubelinkError(reason));
    this.onLost(reason);
  }
}

/** Closes the socket. Destroyed before it is closed, wslink would stumble over what still arrives; but a dead connection may never say that it closed. */
function retire(smart: SmartConnect): void {
  try {
    void smart.getSession()?.close();
  } catch {
    // There is no socket yet, or no more.
  }
  const timer = setTimeout(() => destroy(smart), CLOSING_MS) as unknown as { unref?: () => void };
  timer.unref?.();
}

const destroyed = new WeakSet<SmartConnect>();

/** wslink can't do it twice. */
function destroy(smart: SmartConnect): void {
  if (destroyed.has(smart)) return;
  destroyed.add(smart);
  smart.destroy();
}
