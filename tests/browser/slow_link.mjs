// A slow link in front of a server: so many bits a second and so long a way in each direction, shared by all connections over it.
import { createConnection, createServer } from "node:net";

/** As large as the link hands them on. */
const PACKET = 1460;
/** Bytes that wait at the link's entrance; beyond them the sender must wait. */
const QUEUE = 64 << 10;

/** One direction. */
class Lane {
  constructor(bitsPerSecond, delay) {
    Object.assign(this, { bytesPerMs: bitsPerSecond / 8000, delay, free: 0, queue: [], timer: null });
  }

  connect(from, to) {
    const flow = { to, waiting: 0, from };
    from.on("data", (data) => {
      for (let at = 0; at < data.length; at += PACKET) this.push(flow, data.subarray(at, at + PACKET));
      if (flow.waiting > QUEUE) from.pause();
    });
    from.on("end", () => this.push(flow, null));
  }

  push(flow, packet) {
    this.free = Math.max(this.free, performance.now()) + (packet ? packet.length / this.bytesPerMs : 0);
    flow.waiting += packet?.length ?? 0;
    this.queue.push({ flow, packet, due: this.free + this.delay });
    this.timer ??= setTimeout(() => this.deliver(), Math.max(0, this.queue[0].due - performance.now()));
  }

  deliver() {
    this.timer = null;
    const now = performance.now();
    while (this.queue.length > 0 && this.queue[0].due <= now) {
      const { flow, packet } = this.queue.shift();
      flow.waiting -= packet?.length ?? 0;
      if (!flow.to.destroyed) packet ? flow.to.write(packet) : flow.to.end();
      if (flow.waiting < QUEUE / 2) flow.from.resume();
    }
    if (this.queue.length > 0) this.timer = setTimeout(() => this.deliver(), Math.max(0, this.queue[0].due - performance.now()));
  }
}

/** `delay`: milliseconds in each direction, so half of the round trip. */
export async function startSlowLink(target, { bitsPerSecond = 1e6, delay = 100 } = {}) {
  const [up, down] = [new Lane(bitsPerSecond, delay), new Lane(bitsPerSecond, delay)];
  const sockets = new Set();
  const server = createServer((near) => {
    const far = createConnection(target, "127.0.0.1");
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy()).on("close", () => sockets.delete(socket));
    }
    up.connect(near, far);
    down.connect(far, near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      for (const lane of [up, down]) clearTimeout(lane.timer);
    },
  };
}
