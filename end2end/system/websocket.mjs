// A WebSocket client small enough to say what it does: with headers of one's choice, which the
// browser's has not, and without a package.
import { randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";

const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class WebSocketClient {
  /** Connects; rejects with the status where the server refuses. `options` are those of a request. */
  static connect(url, headers, options = {}) {
    const { protocol, hostname, port, pathname, search, host } = new URL(url);
    return new Promise((resolve, reject) => {
      const request = (protocol === "https:" ? https : http).request({
        ...{ host: hostname, port, path: pathname + search, agent: false },
        ...options,
        headers: {
          ...{ host, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
          ...{ "sec-websocket-key": randomBytes(16).toString("base64") },
          ...headers,
        },
      });
      request.on("upgrade", (_, socket, head) => {
        const client = new WebSocketClient();
        client.begin(socket);
        client.take(head);
        resolve(client);
      });
      request.on("response", (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () => reject(Object.assign(new Error(`${response.statusCode} ${text}`), { status: response.statusCode, text })));
      });
      request.on("error", reject);
      request.end();
    });
  }

  begin(socket) {
    Object.assign(this, { socket, pending: [], length: 0, onMessage: () => {} });
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => {
      this.onClose = resolve;
      socket.on("close", () => resolve({ code: 1006, reason: "" }));
    });
    socket.on("data", (bytes) => this.take(bytes));
    socket.on("error", () => {});
  }

  take(bytes) {
    this.pending.push(bytes);
    this.length += bytes.length;
    for (;;) {
      if (this.length < 2) return;
      let all = this.pending.length === 1 ? this.pending[0] : Buffer.concat(this.pending);
      this.pending = [all];
      let size = all[1] & 127;
      let start = 2;
      if (size === 126) [size, start] = [all.length < 4 ? Infinity : all.readUInt16BE(2), 4];
      else if (size === 127) [size, start] = [all.length < 10 ? Infinity : Number(all.readBigUInt64BE(2)), 10];
      if (all.length < start + size) return;
      const payload = all.subarray(start, start + size);
      const kind = all[0] & 15;
      all = all.subarray(start + size);
      this.pending = [all];
      this.length = all.length;
      if (kind === PING) this.frame(PONG, payload);
      else if (kind === CLOSE) {
        this.onClose({ code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.subarray(2).toString() });
        this.frame(CLOSE, payload.subarray(0, 2));
        this.socket.end();
      } else this.onMessage(payload);
    }
  }

  frame(kind, payload) {
    if (this.socket.destroyed || this.socket.writableEnded) return;
    const [mask, size] = [randomBytes(4), payload.length];
    const head = size < 126 ? Buffer.alloc(2) : size < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
    head[0] = 128 | kind;
    head[1] = 128 | (size < 126 ? size : size < 65536 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(size, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
    const masked = Buffer.from(payload);
    for (let at = 0; at < size; at += 1) masked[at] ^= mask[at & 3];
    this.socket.write(Buffer.concat([head, mask, masked]));
  }

  /** Sends a binary message. */
  send(bytes) {
    this.frame(2, bytes);
  }

  close() {
    this.frame(CLOSE, Buffer.from([3, 232]));
    this.socket.end();
  }
}
