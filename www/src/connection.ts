/** The viewer's connection: made however often it takes, and what the person is told about it. */
import { AUTHENTICATION_FAILED, CubelinkError, connect, type Client, type ConnectOptions } from "cubelink";
import { byId, type Root } from "./dom";
import { delay } from "./pump";

/** A person begins to wonder. */
const LONG_SILENCE_SECONDS = 3;

export class Connection {
  private stop: (() => void)[] = [];
  private closed = false;
  private client: Client | null = null;

  /** `onSecret` hears what the person has typed. */
  constructor(
    private readonly root: Root,
    private readonly onSecret: (secret: string) => void,
  ) {}

  /** Rejects only once it is closed. */
  async open(options: ConnectOptions): Promise<Client> {
    let asked = false;
    for (let attempt = 0; !this.closed; attempt++) {
      this.show("waiting", "connecting");
      try {
        const client = await connect(options);
        if (this.closed) {
          client.close();
          break;
        }
        this.watch(client);
        return client;
      } catch (error) {
        if (error instanceof CubelinkError && error.code === AUTHENTICATION_FAILED) {
          this.show("bad", "secret needed");
          options = { ...options, secret: await this.askSecret(asked || options.secret !== undefined ? "The server does not accept this secret." : "") };
          asked = true;
          continue;
        }
        this.show("bad", "no connection, trying again");
        await delay(Math.min(10_000, 500 * 2 ** attempt));
      }
    }
    throw new CubelinkError("the viewer was closed");
  }

  close(): void {
    this.closed = true;
    this.stop.forEach((stop) => stop());
    this.stop = [];
    byId<HTMLDialogElement>(this.root, "secret-dialog").close();
    this.client?.close();
  }

  private show(kind: "good" | "waiting" | "bad", text: string): void {
    const chip = byId(this.root, "connection");
    chip.dataset["kind"] = kind;
    chip.querySelector(".chip-text")!.textContent = text;
  }

  /** Resolves with what was typed. */
  private askSecret(problem: string): Promise<string> {
    const dialog = byId<HTMLDialogElement>(this.root, "secret-dialog");
    const input = byId<HTMLInputElement>(this.root, "secret-input");
    byId(this.root, "secret-error").textContent = problem;
    input.value = "";
    if (!dialog.open) dialog.showModal();
    input.focus();
    return new Promise((resolve) => {
      byId<HTMLFormElement>(this.root, "secret-form").onsubmit = () => {
        this.onSecret(input.value);
        resolve(input.value);
      };
      // Without a secret there is nothing to see: Escape does not help.
      dialog.oncancel = (event) => event.preventDefault();
    });
  }

  private watch(client: Client): void {
    this.client = client;
    this.show("good", "connected");
    let slow = false;
    const timer = window.setInterval(() => {
      const was = slow;
      slow = client.silence > LONG_SILENCE_SECONDS;
      if (slow !== was && client.state === "connected") this.show(slow ? "waiting" : "good", slow ? "waiting for the server" : "connected");
    }, 1000);
    const stopState = client.onState(({ state, retryIn }) => {
      byId(this.root, "app").classList.toggle("offline", state !== "connected");
      if (state === "connected") this.show("good", "connected");
      else if (state === "connecting") this.show("waiting", "connecting again");
      else if (state === "lost") this.show("bad", retryIn > 1500 ? `connection lost, next try in ${Math.round(retryIn / 1000)} s` : "connection lost");
      else if (state === "denied") {
        this.show("bad", "secret needed");
        void this.askSecret("The server asks for another secret now.").then((secret) => client.retryNow(secret));
      }
    });
    const chip = byId(this.root, "connection");
    const retry = () => client.retryNow();
    chip.addEventListener("click", retry);
    // A session that nobody will come back to need not wait on the server. A page kept for the back button may come back.
    const leave = (event: PageTransitionEvent) => void (!event.persisted && client.close());
    window.addEventListener("pagehide", leave);
    this.stop.push(
      () => clearInterval(timer),
      stopState,
      () => chip.removeEventListener("click", retry),
      () => window.removeEventListener("pagehide", leave),
    );
  }
}
