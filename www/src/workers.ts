/** Workers that decode tiles, in pages from elsewhere too: a browser starts workers from the page's own origin only, so one that lies at the viewer's begins as a text that loads it. */
import { provideWorkers, type TileWorker } from "../../clients/js/src/tile-pool";
import url from "../../clients/js/src/tile-worker?worker&url";

provideWorkers((): TileWorker => {
  const address = new URL(url, import.meta.url);
  if (address.origin === location.origin) return new Worker(address, { type: "module" }) as unknown as TileWorker;
  const start = URL.createObjectURL(new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" }));
  try {
    return new Worker(start, { type: "module" }) as unknown as TileWorker;
  } finally {
    setTimeout(() => URL.revokeObjectURL(start), 60_000); // it is read later
  }
});
