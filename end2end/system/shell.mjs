// A shell as the dashboard opens one: the WebSocket, its channels and its acknowledgements.
import { until } from "./catalyst.mjs";
import { WebSocketClient } from "./websocket.mjs";

/** Signs in by a one-time link; returns the cookie. */
export async function signIn(catalyst) {
  const link = new URL((await catalyst.command("sign-in")).match(/http\S+/)[0]);
  const answer = await fetch(`${catalyst.url}/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: catalyst.url },
    body: new URLSearchParams({ token: link.searchParams.get("token") }),
  });
  return answer.headers.get("set-cookie").split(";")[0];
}

/** The status of a WebSocket's handshake, with the text of a refusal. */
export async function handshake(catalyst, path, headers) {
  try {
    const client = await WebSocketClient.connect(`${catalyst.url}${path}`, headers);
    client.close();
    return { status: 101, text: "" };
  } catch (error) {
    if (!error.status) throw error;
    return { status: error.status, text: error.text };
  }
}

export class Shell {
  /** Opens a shell; `take: false` never says that output was taken. */
  static async open(catalyst, cookie, namespace, pod, { query = "shell=sh", take = true, keep = true } = {}) {
    const shell = new Shell();
    Object.assign(shell, { text: "", received: 0, take, keep, end: undefined });
    const url = `${catalyst.url}/api/ws/exec/${namespace}/${pod}?${query}&cols=80&rows=24`;
    shell.socket = await WebSocketClient.connect(url, { cookie, origin: catalyst.url }, catalyst.connection);
    shell.socket.onMessage = (message) => shell.receive(message);
    shell.closed = shell.socket.closed;
    return shell;
  }

  receive(message) {
    const rest = message.subarray(1);
    if (message[0] === 1) {
      this.received += rest.length;
      if (this.keep) this.text += rest.toString("latin1");
      if (this.take) this.acknowledge(rest.length);
      this.onOutput?.(rest);
    } else if (message[0] === 3) {
      this.end = JSON.parse(rest.toString());
    }
  }

  acknowledge(count) {
    const message = Buffer.alloc(5);
    message[0] = 5;
    message.writeUInt32BE(count, 1);
    this.socket.send(message);
  }

  type(text) {
    this.socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(text)]));
  }

  async shows(text, seconds = 60) {
    await until(`the shell shows ${JSON.stringify(text)}, and not only ${JSON.stringify(this.text.slice(-500))}`, seconds, () => this.text.includes(text));
  }

  close() {
    this.socket.close();
  }
}

/** A preview that runs, with the name of its pod. */
export async function running(catalyst, repository, number = 1, change = () => {}) {
  const sha = await repository.push(number, "opened", change);
  await repository.ready(number, sha);
  const namespace = repository.namespace(number);
  const { body } = await catalyst.kubernetes(`/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Dweb`);
  return { namespace, pod: body.items[0].metadata.name };
}
