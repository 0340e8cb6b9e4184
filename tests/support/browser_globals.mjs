// The wslink clients are written for browsers. What they look for there and Node lacks is put in its place before they are loaded.
import { webcrypto } from "node:crypto";

/** WebSocket: the one of npm's ws. Each folder of tests has its own copy of that package. */
export function makeBrowser(WebSocket) {
  const page = { protocol: "http:", hostname: "localhost", host: "localhost", port: "", pathname: "/", href: "http://localhost/" };
  globalThis.self ??= globalThis;
  globalThis.crypto ??= webcrypto;
  globalThis.window ??= Object.assign(Object.create(globalThis), { location: page });
  globalThis.document ??= { baseURI: page.href };

  // A browser gives blobs where binaryType says so; ws knows buffers only, which become blobs here.
  globalThis.WebSocket = class extends WebSocket {
    // As in browsers, nothing is delivered once close() was called.
    set onmessage(handler) {
      super.onmessage = (event) => {
        if (this.readyState !== WebSocket.OPEN) return;
        const data = this.wantsBlobs && typeof event.data !== "string" ? new Blob([event.data]) : event.data;
        handler({ data });
      };
    }
    set binaryType(type) {
      this.wantsBlobs = type === "blob";
      super.binaryType = this.wantsBlobs ? "arraybuffer" : type;
    }
    get binaryType() {
      return this.wantsBlobs ? "blob" : super.binaryType;
    }
    // Generation 1 sends blobs as they are. Node's WebSocket takes no Blob, so its bytes are fetched first, in order.
    send(data, ...rest) {
      this.line = (this.line ?? Promise.resolve()).then(async () => super.send(data instanceof Blob ? Buffer.from(await data.arrayBuffer()) : data, ...rest));
    }
  };

  // Generation 1 reads blobs with a FileReader.
  globalThis.FileReader ??= class {
    readAsArrayBuffer(blob) {
      blob.arrayBuffer().then((buffer) => {
        this.result = buffer;
        this.onload?.({ target: this });
        this.onloadend?.({ target: this });
      });
    }
  };
}
