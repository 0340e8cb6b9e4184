/** Small helpers around elements. */

/** The viewer's own tree of elements: several viewers can be in one page. */
export type Root = ShadowRoot;

export function byId<T extends Element = HTMLElement>(root: Root, id: string): T {
  const element = root.getElementById(id);
  if (!element) throw new Error(`the viewer has no element #${id}`);
  return element as unknown as T;
}

/** A colour of the style sheets, for what is drawn on a canvas. */
export function css(root: Root, name: string): string {
  return getComputedStyle(root.host).getPropertyValue(name);
}

type Child = Node | string | null | undefined | false;

/** An element with properties (`class` and `aria-…` as attributes, on… as listeners) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Record<string, unknown> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value as EventListener);
    else if (key in element && key !== "class" && !key.includes("-") && key !== "list" && key !== "role") (element as unknown as Record<string, unknown>)[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** At most one call a frame, with the newest arguments. */
export function perFrame<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void {
  let newest: A | null = null;
  return (...args) => {
    const scheduled = newest !== null;
    newest = args;
    if (scheduled) return;
    requestAnimationFrame(() => {
      const now = newest!;
      newest = null;
      work(...now);
    });
  };
}
