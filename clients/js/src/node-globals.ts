/**
 * wslink is written for browsers and looks for a few of their globals when it is loaded. Node has most of them by now; what is missing is added
 * here, and nothing that exists is replaced.
 */
import { webcrypto } from "node:crypto";
import { WebSocket } from "ws";

const scope = globalThis as unknown as Record<string, unknown>;
const page = { protocol: "http:", hostname: "localhost", host: "localhost", port: "", pathname: "/", href: "http://localhost/" };
scope["self"] ??= globalThis;
scope["crypto"] ??= webcrypto;
// Node's own WebSocket, where there is one, is not used: it does not tell why a connection failed.
scope["WebSocket"] = WebSocket;
if (scope["window"] === undefined) scope["window"] = Object.assign(Object.create(globalThis), { location: page });
if (scope["document"] === undefined) scope["document"] = { baseURI: page.href };
