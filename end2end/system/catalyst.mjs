// Starts the real binary on a data folder of its own, and speaks to it as GitHub, a person and a
// visitor do. The tests of this folder share it.
import { execFile, spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The binary under test: `cargo xtask test` names it. */
export const binary = process.env.CATALYST;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks until the answer is truthy; the last error, or `what`, is thrown after `seconds`. */
export async function until(what, seconds, ask) {
  const deadline = Date.now() + seconds * 1000;
  for (let last; ; await sleep(50)) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`, { cause: last });
  }
}

/** A port that is free now. */
async function freePort() {
  const server = net.createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** GET of a preview's URL; its host name is this machine, whatever the resolver thinks. */
export function visit(url, { timeout = 10_000 } = {}) {
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.get(
      { host: "127.0.0.1", port, path: pathname + search, headers: { host: `${hostname}:${port}` }, timeout, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode, text, headers: response.headers }));
        response.on("error", reject);
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no answer from ${url} within ${timeout} ms`)));
    request.on("error", reject);
  });
}

export class Catalyst {
  /** Starts a server on a new data folder; `stop` ends it and removes the folder. */
  static async start(settings = {}) {
    if (!binary) throw new Error("set CATALYST to the binary under test");
    const catalyst = new Catalyst();
    catalyst.folder = mkdtempSync(join(tmpdir(), "catalyst-system-"));
    catalyst.data = join(catalyst.folder, "data");
    catalyst.port = await freePort();
    catalyst.ingress = await freePort();
    catalyst.url = `http://127.0.0.1:${catalyst.port}`;
    catalyst.environment = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /CERT|_CA_|CAINFO|registry|PROXY/i.test(name))),
      CATALYST_DATA: catalyst.data,
      CATALYST_LISTEN: `127.0.0.1:${catalyst.port}`,
      CATALYST_CLUSTER: "local",
      CATALYST_ALLOW_LOCAL_REPOSITORIES: "true",
      INGRESS_PORT: String(catalyst.ingress),
      GITHUB_WEBHOOK_SECRET: "a secret of the system tests",
      ...settings,
    };
    await catalyst.resume();
    return catalyst;
  }

  /** Starts the server anew on the same data. */
  async resume() {
    this.log = join(this.folder, "serve.log");
    const child = spawn(binary, ["serve"], { env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (this.output += piece));
    this.exited = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
    await until("catalyst serve is ready", 60, async () => {
      if (child.exitCode !== null) throw new Error(`catalyst serve ended: ${this.output}`);
      return (await fetch(`${this.url}/api/health/readiness`)).ok;
    });
  }

  /** kill -9. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  async stop() {
    this.child.kill("SIGTERM");
    const forced = setTimeout(() => this.child.kill("SIGKILL"), 20_000);
    await this.exited;
    clearTimeout(forced);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs a command of the binary with the server's settings. */
  async command(...args) {
    const { stdout } = await run(binary, args, { env: this.environment });
    return stdout;
  }

  /** The embedded cluster, asked without any tool. */
  kubernetes(path) {
    const kubeconfig = readFileSync(join(this.data, "kubeconfig"), "utf8");
    const value = (name) => kubeconfig.match(new RegExp(`${name}: *["']?([^"'\\s]+)`))?.[1];
    const url = new URL(path, value("server"));
    const ca = Buffer.from(value("certificate-authority-data") ?? "", "base64");
    const client = url.protocol === "https:" ? https : http;
    const options = { ca, headers: { authorization: `Bearer ${value("token")}` }, agent: false };
    return new Promise((resolve, reject) => {
      const request = client.get(url, options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
        response.on("error", reject);
      });
      request.on("error", reject);
    });
  }

  /** Where the previews' pods fetch the repository from. */
  cloneUrl(repository) {
    return `file://${repository.folder}`;
  }

  /** Called when the repository's branches have changed; a folder is there already. */
  async publish() {}

  previewUrl(namespace) {
    return `http://${namespace}.localhost:${this.ingress}/`;
  }

  environmentOf(repository, number) {
    return this.kubernetes(
      `/apis/catalyst.catalyst.dev/v1alpha1/namespaces/${repository.team}-${repository.project}/environments/preview-${number}`,
    );
  }

  /** Posts a webhook; returns the response's status. */
  async deliver(event, payload, { id = randomUUID(), secret = this.environment.GITHUB_WEBHOOK_SECRET } = {}) {
    const body = typeof payload === "string" ? payload : JSON.stringify(payload);
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const response = await fetch(`${this.url}/api/github/webhook`, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": id,
        "x-hub-signature-256": `sha256=${signature}`,
      },
    });
    return { status: response.status, text: await response.text() };
  }
}

let repositories = 0;

/** A Git repository in a folder, with the pull requests of a project of its own. */
export class Repository {
  /** Makes the project, with the files that `fill(folder)` writes on its main branch. */
  static async create(catalyst, name, fill) {
    const repository = new Repository();
    Object.assign(repository, { catalyst, id: ++repositories, team: "acme", project: name, name: `acme/${name}` });
    repository.folder = mkdtempSync(join(catalyst.folder, `${name}-`));
    await repository.git("init", "--quiet", "--initial-branch=main");
    await fill(repository.folder);
    await repository.commit("First commit");
    await catalyst.publish(repository);
    await catalyst.command(
      ...["project", "create", "--team", repository.team, "--name", name],
      ...["--repository", repository.name, "--clone-url", catalyst.cloneUrl(repository)],
    );
    return repository;
  }

  async git(...args) {
    const identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "core.hooksPath=/dev/null"];
    const { stdout } = await run("git", [...identity, ...args], { cwd: this.folder });
    return stdout.trim();
  }

  async commit(message) {
    await this.git("add", "--all");
    await this.git("commit", "--quiet", "--allow-empty", "--message", message);
  }

  write(path, text) {
    writeFileSync(join(this.folder, path), text);
  }

  /** Commits what `change()` did to the pull request's branch, which is a fresh one or goes on; its sha. */
  async commitTo(number, fresh, change = () => {}) {
    const branch = `change-${number}`;
    await this.git("checkout", "--quiet", ...(fresh ? ["-B", branch, "main"] : [branch]));
    await change();
    await this.commit(`Change of pull request ${number}`);
    await this.git("checkout", "--quiet", "main");
    await this.catalyst.publish(this);
    return this.git("rev-parse", branch);
  }

  /** The same, and delivers the event. */
  async push(number, action, change) {
    await this.commitTo(number, action === "opened", change);
    return this.event(number, action);
  }

  /** Delivers an event about the pull request as its branch stands. */
  async event(number, action, options) {
    const branch = `change-${number}`;
    const sha = await this.git("rev-parse", branch);
    const answer = await this.catalyst.deliver("pull_request", this.payload(number, action, branch, sha), options);
    if (answer.status !== 200) throw new Error(`the webhook answered ${answer.status}: ${answer.text}`);
    return sha;
  }

  payload(number, action, branch, sha) {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const owner = { login: "acme", id: 1 };
    const repo = {
      ...{ id: 5000 + this.id, name: this.project, full_name: this.name, private: false, fork: false, owner },
      ...{ default_branch: "main", clone_url: this.catalyst.cloneUrl(this), html_url: `https://github.com/${this.name}` },
    };
    const closed = action === "closed";
    const pull_request = {
      ...{ id: 9000 + number, number, state: closed ? "closed" : "open", title: `Change ${number}`, draft: false },
      ...{ html_url: `https://github.com/${this.name}/pull/${number}`, merged: false, labels: [] },
      ...{ user: { login: "dana", id: 3 }, created_at: now, updated_at: now, closed_at: closed ? now : null, merged_at: null },
      head: { ref: branch, sha, label: `acme:${branch}`, repo, user: owner },
      base: { ref: "main", sha, label: "acme:main", repo, user: owner },
    };
    return { action, number, pull_request, repository: repo, sender: owner };
  }

  namespace(number) {
    return `${this.team}-${this.project}-preview-${number}`;
  }

  url(number) {
    return this.catalyst.previewUrl(this.namespace(number));
  }

  /** Waits until the commit is ready; fails at once, with its reason, if it has failed. */
  async ready(number, sha, seconds = 60) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const { body } = await this.catalyst.environmentOf(this, number);
      const conditions = body.status?.conditions ?? [];
      const current = conditions.find((c) => c.type === "Ready" && c.observedGeneration === body.metadata.generation);
      if (body.spec?.sources[0].commitSha === sha && current) {
        if (body.status.phase === "Ready") return body;
        if (body.status.phase === "Failed") throw new Error(`the preview failed: ${current.message}`);
      }
      if (Date.now() > deadline) {
        throw new Error(`not ready within ${seconds} s: ${JSON.stringify(body.status)}\n${this.catalyst.output.slice(-4000)}`);
      }
      await sleep(50);
    }
  }

  /** Waits until nothing is left of the preview in the cluster. */
  async gone(number, seconds = 30) {
    await until(`preview ${number} is gone`, seconds, async () => {
      const environment = await this.catalyst.environmentOf(this, number);
      const namespace = await this.catalyst.kubernetes(`/api/v1/namespaces/${this.namespace(number)}`);
      return environment.status === 404 && namespace.status === 404;
    });
  }
}
