/** Workers that decode tiles and contours, in pages from elsewhere too: a browser starts workers from the page's own origin only, so one that lies at the viewer's begins as a text that loads it. */
import { provideWorkers, type DecodeWorker } from "../../clients/js/src/decoder-pool";
import url from "../../clients/js/src/decode-worker?worker&url";

provideWorkers((): DecodeWorker => {
  const address = new URL(url, import.meta.url);
  if (address.origin === location.origin) return new Worker(address, { type: "module" }) as unknown as DecodeWorker;
  const start = URL.createObjectURL(new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" }));
  try {
    return new Worker(start, { type: "module" }) as unknown as DecodeWorker;
  } finally {
    setTimeout(() => URL.revokeObjectURL(start), 60_000); // it is read later
  }
});
