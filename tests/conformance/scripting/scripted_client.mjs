// A client that programs can drive, as CARTA's page is one: it resolves the dot path of a request in an object of its own, puts the values of
// macros into the parameters, calls the action, and answers with JSON text. Speaks wslink's first generation over a bare WebSocket.
import { WebSocket } from "ws";

export class ScriptedClient {
  /** `target` is what requests' paths begin at. */
  static async connect(url, secret, target) {
    const client = new ScriptedClient(new WebSocket(url), target);
    await new Promise((resolve, reject) => client.socket.once("open", resolve).once("error", reject));
    client.socket.on("message", (data, binary) => !binary && client.#received(JSON.parse(data)));
    await client.call("wslink.hello", [{ secret }], "system:c0:0");
    const ack = await client.call("carta.register.viewer", [{ session_id: 0 }]);
    client.sessionId = ack.session_id;
    return client;
  }

  constructor(socket, target) {
    Object.assign(this, { socket, target, waiting: new Map(), count: 0, asked: [] });
  }

  call(method, args = [], id = `rpc:c0:${(this.count += 1)}`) {
    this.socket.send(JSON.stringify({ wslink: "1.0", id, method, args, kwargs: {} }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  close(code = 1000) {
    const closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.close(code);
    return closed;
  }

  #received(message) {
    if (message.id.startsWith("publish:carta.scripting.request:")) return void this.#scripted(message.result);
    const waiting = this.waiting.get(message.id);
    if (!waiting) return;
    this.waiting.delete(message.id);
    message.error ? waiting.reject(new Error(JSON.stringify(message.error))) : waiting.resolve(message.result);
  }

  #at(path) {
    return path ? path.split(".").reduce((object, name) => object?.[name], this.target) : this.target;
  }

  #value(parameter) {
    if (parameter && typeof parameter === "object" && "macroVariable" in parameter) return this.#at([parameter.macroTarget, parameter.macroVariable].filter(Boolean).join("."));
    return parameter;
  }

  async #scripted(request) {
    this.asked.push(request);
    const answer = { scripting_request_id: request.scripting_request_id, success: true, message: "", response: "" };
    try {
      const target = this.#at(request.target);
      if (!target) throw new Error(`Missing target object: ${request.target}`);
      if (typeof target[request.action] !== "function") throw new Error(`Missing action function: ${request.action}`);
      const parameters = JSON.parse(request.parameters).map((parameter) => this.#value(parameter));
      let result = target[request.action](...parameters);
      if (request.async) result = await result;
      if (request.return_path) result = request.return_path.split(".").reduce((object, name) => object?.[name], result);
      answer.response = JSON.stringify(result) ?? "";
    } catch (error) {
      Object.assign(answer, { success: false, message: String(error) });
    }
    await this.call("carta.scripting.response", [answer]);
  }
}
