/** The page at "/": a viewer, and what only a page has: an address, a title, what the browser keeps for it. */
import { fromLink, toLink, watchTree } from "../state/tree";
import type { CubelinkView } from "../element";
import "../index";
import { kept, keptInTab } from "./kept";
import { STORED_SECRET, target } from "./target";
import { installTestHook } from "./test-hook";

const THEME = "cubelink-theme";
/** The colours chosen last, and which parts of the panels are unfolded. */
const SAVED = "cubelink-colours";
/** Browsers refuse pages that write their address too often. */
const WRITE_EVERY_MS = 400;

const element: CubelinkView = document.createElement("cubelink-view");
element.connectOptions = target();
const { state } = element;

/** What the browser keeps for the next visit. */
const lasting = { colours: state.colours, panels: state.panels, regionPanel: { open: state.regionPanel.open }, contours: { panel: state.contours.panel } };

/** As the address says; without one, with the colours that were chosen last. */
function readAddress(): void {
  const link = location.hash.slice(1);
  if (link !== "") fromLink(state, link);
}

let timer = 0;
function writeAddress(): void {
  timer = 0;
  const link = toLink(state);
  if (location.hash.slice(1) !== link) history.replaceState(history.state, "", link === "" ? location.pathname + location.search : `#${link}`);
}

function copyButton(label: string, title: string, address: () => string): HTMLButtonElement {
  const button = document.createElement("button");
  button.slot = "actions";
  button.type = "button";
  button.textContent = label;
  button.title = title;
  button.addEventListener("click", () => {
    navigator.clipboard?.writeText(address()).then(
      () => {
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = label), 1500);
      },
      // Only pages from https or this machine may: then it is there to be copied.
      () => window.prompt(title, address()),
    ) ?? window.prompt(title, address());
  });
  return button;
}

/** As the system has it, or as the person wants it here. */
function themeChoice(): HTMLSelectElement {
  const choice = document.createElement("select");
  choice.slot = "actions";
  choice.setAttribute("aria-label", "Theme");
  for (const [value, label] of [["", "System theme"], ["light", "Light"], ["dark", "Dark"]] as const) choice.add(new Option(label, value));
  const use = (theme: string) => (theme === "" ? element.removeAttribute("theme") : element.setAttribute("theme", theme));
  const saved = kept.get(THEME) ?? "";
  choice.value = ["light", "dark"].includes(saved) ? saved : "";
  use(choice.value);
  choice.addEventListener("change", () => {
    use(choice.value);
    kept.set(THEME, choice.value);
  });
  return choice;
}

/** The address without its session, so that whoever opens it gets the same view in a session of their own. */
function addressOf(session: number): string {
  const url = new URL(location.href);
  url.searchParams.delete("session");
  if (session > 0) url.searchParams.set("session", String(session));
  url.hash = session > 0 ? "" : toLink(state);
  return url.href;
}

function main(): void {
  const saved = kept.get(SAVED);
  if (location.hash.length > 1) readAddress();
  else if (saved !== null) fromLink(lasting, saved);
  window.addEventListener("hashchange", () => location.hash.slice(1) !== toLink(state) && readAddress());
  watchTree(state, () => {
    timer ||= window.setTimeout(writeAddress, WRITE_EVERY_MS);
  });
  window.addEventListener("pagehide", writeAddress);
  watchTree(lasting, () => kept.set(SAVED, toLink(lasting)));
  element.addEventListener("imageopen", (event) => {
    const { file } = (event as CustomEvent<{ file: string }>).detail;
    document.title = `${file.split("/").at(-1)} – Cubelink`;
  });
  element.addEventListener("secretentered", (event) => keptInTab.set(STORED_SECRET, (event as CustomEvent<{ secret: string }>).detail.secret));
  element.append(
    themeChoice(),
    copyButton("Copy link", "Link to this view", () => addressOf(0)),
    copyButton("Share session", "Link that joins this session", () => addressOf(element.client?.sessionId ?? 0)),
  );
  installTestHook(element);
  document.body.append(element);
}

main();
