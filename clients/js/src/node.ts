/** The package in Node: the globals that wslink wants, before anything else, and then the same as in a browser. */
import "./node-globals.js";

export * from "./index.js";
