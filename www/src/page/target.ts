/** Which server the page is for, and with which secret. */
import type { ConnectOptions } from "cubelink";
import { keptInTab } from "./kept";

export const STORED_SECRET = "cubelink-secret";

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
export function target(): ConnectOptions {
  const parameters = new URL(location.href).searchParams;
  const configured = (name: string) =>
    parameters.get(name) ?? document.querySelector<HTMLMetaElement>(`meta[name="cubelink:${name}"]`)?.content ?? undefined;
  const fromLink = parameters.get("sessionURL") ?? parameters.get("sessionManagerURL");
  const stored = takeSecret();
  // A link can lead this page to another server; the secret of this one must not follow it there.
  const secret = fromLink === null ? stored : (parameters.get("secret") ?? undefined);
  const session = Number(parameters.get("session") ?? 0);
  return {
    ...(Number.isSafeInteger(session) && session > 0 ? { sessionId: session } : {}),
    url: configured("sessionURL"),
    sessionManagerURL: configured("sessionManagerURL"),
    application: configured("application"),
    secret,
  };
}
