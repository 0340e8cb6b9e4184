/** The package: importing it defines <cubelink-view>. */
import "./workers";
import { CubelinkView } from "./element";

if (!customElements.get("cubelink-view")) customElements.define("cubelink-view", CubelinkView);

export { CubelinkView };
export { Viewer, type ViewerEvents } from "./viewer";
export type { PictureOptions } from "./picture";
export { Regions, type Region } from "./regions";
export { Signal } from "./signal";
export { Leaf, fromLink, leaves, toLink, watchTree, type Branch, type Codec } from "./state/tree";
export { makeViewState, type Framing, type ViewState } from "./state/view-state";

declare global {
  interface HTMLElementTagNameMap {
    "cubelink-view": CubelinkView;
  }
}
