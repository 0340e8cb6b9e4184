/** The package in Node: the globals that wslink wants, before anything else, and then the same as in a browser. */
import "./node-globals.js";
import "./node-workers.js";

export * from "./index.js";
