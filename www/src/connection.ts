/** The page's one connection: where to, with which secret, and what the person is told about it. */
import { AUTHENTICATION_FAILED, CubelinkError, connect, type Client, type ConnectOptions } from "cubelink";
import { byId } from "./dom";
import { keptInTab } from "./kept";
import { delay } from "./pump";

const STORED_SECRET = "cubelink-secret";
/** A person begins to wonder. */
const LONG_SILENCE_SECONDS = 3;

/**
 * The secret comes as ?token= in the address that the server prints. It is put aside for reloads of this tab and taken out of the address bar, where others could
 * read it over a shoulder or copy it with a link.
 */
function takeSecret(): string | undefined {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token !== null) {
    keptInTab.set(STORED_SECRET, token);
    url.searchParams.delete("token");
    history.replaceState(history.state, "", url);
  }
  return keptInTab.get(STORED_SECRET) ?? undefined;
}

/** Beside the page by default; behind a launcher, or at another server, if the address or a <meta name="cubelink:…"> says so. */
function target(): ConnectOptions {
  const parameters = new URL(location.href).searchParams;
  const configured = (name: string) =>
    parameters.get(name) ?? document.querySelector<HTMLMetaElement>(`meta[name="cubelink:${name}"]`)?.content ?? undefined;
  const fromLink = parameters.get("sessionURL") ?? parameters.get("sessionManagerURL");
  const stored = takeSecret();
  // A link can lead this page to another server; the secret of this one must not follow it there.
  const secret = fromLink === null ? stored : (parameters.get("secret") ?? undefined);
  return {
    url: configured("sessionURL"),
    sessionManagerURL: configured("sessionManagerURL"),
    application: configured("application"),
    secret,
  };
}

function showState(kind: "good" | "waiting" | "bad", text: string): void {
  const chip = byId("connection");
  chip.dataset["kind"] = kind;
  chip.querySelector(".chip-text")!.textContent = text;
}

/** Asks for the secret; resolves with what was typed. */
function askSecret(problem: string): Promise<string> {
  const dialog = byId<HTMLDialogElement>("secret-dialog");
  const input = byId<HTMLInputElement>("secret-input");
  byId("secret-error").textContent = problem;
  input.value = "";
  if (!dialog.open) dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    byId<HTMLFormElement>("secret-form").onsubmit = () => {
      keptInTab.set(STORED_SECRET, input.value);
      resolve(input.value);
    };
    // Without a secret there is nothing to see: Escape does not help.
    dialog.oncancel = (event) => event.preventDefault();
  });
}

/** Connects, however often it takes. */
export async function openConnection(): Promise<Client> {
  const options = target();
  let asked = false;
  for (let attempt = 0; ; attempt++) {
    showState("waiting", "connecting");
    try {
      const client = await connect(options);
      watch(client);
      return client;
    } catch (error) {
      if (error instanceof CubelinkError && error.code === AUTHENTICATION_FAILED) {
        showState("bad", "secret needed");
        options.secret = await askSecret(asked || options.secret !== undefined ? "The server does not accept this secret." : "");
        asked = true;
        continue;
      }
      showState("bad", "no connection, trying again");
      await delay(Math.min(10_000, 500 * 2 ** attempt));
    }
  }
}

function watch(client: Client): void {
  showState("good", "connected");
  let slow = false;
  window.setInterval(() => {
    const was = slow;
    slow = client.silence > LONG_SILENCE_SECONDS;
    if (slow !== was && client.state === "connected") showState(slow ? "waiting" : "good", slow ? "waiting for the server" : "connected");
  }, 1000);
  client.onState(({ state, retryIn }) => {
    document.body.classList.toggle("offline", state !== "connected");
    if (state === "connected") showState("good", "connected");
    else if (state === "connecting") showState("waiting", "connecting again");
    else if (state === "lost") showState("bad", retryIn > 1500 ? `connection lost, next try in ${Math.round(retryIn / 1000)} s` : "connection lost");
    else if (state === "denied") {
      showState("bad", "secret needed");
      void askSecret("The server asks for another secret now.").then((secret) => client.retryNow(secret));
    }
  });
  byId("connection").addEventListener("click", () => client.retryNow());
  // A session that nobody will come back to need not wait on the server. A page kept for the back button may come back.
  window.addEventListener("pagehide", (event) => !event.persisted && client.close());
}
