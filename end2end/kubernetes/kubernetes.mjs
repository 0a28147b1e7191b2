// Catalyst as the chart installs it, in the cluster of KUBECONFIG, with the doors that GitHub, a person
// and a visitor use: all of them lead through the ingress controller. README.md names the settings.
import { execFile } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { until } from "../system/catalyst.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const chart = join(here, "../../charts/catalyst");
const cache = process.env.CATALYST_KUBERNETES_CACHE ?? join(homedir(), ".cache/catalyst-kubernetes");
const setting = (name, value) => process.env[`CATALYST_E2E_${name}`] ?? value;

export const image = setting("IMAGE", "localhost:5000/catalyst:dev");
// What is upgraded to. Where there is a version before this one, its chart and image are what is upgraded
// from; until there is, the same chart is given another image and other values.
export const nextImage = setting("NEXT_IMAGE", "localhost:5000/catalyst:next");
const previousChart = setting("PREVIOUS_CHART", chart);
const previousImage = setting("PREVIOUS_IMAGE", image);
export const tools = setting("TOOLS", "localhost:5000/tools:1");
export const ingress = setting("INGRESS", "10.245.0.1");
export const redis = setting("REDIS", "localhost:5000/redis:1");
export const postgres = setting("POSTGRES", "localhost:5000/postgres:1");
export const mariadb = setting("MARIADB", "localhost:5000/mariadb:1");
export const ruby = setting("RUBY", "localhost:5000/ruby:1");
const ingressClass = setting("INGRESS_CLASS", "traefik");
const ingressNamespace = setting("INGRESS_NAMESPACE", "ingress");
const certificates = setting("CERTIFICATES", join(cache, "pki"));
/** Whether this cluster's network plugin enforces policies: `enforced` or `ignored`. */
export const policies = setting("POLICIES", "ignored");
/** A registry as pods and nodes reach it, and BuildKit's image; `none`: no images are built. */
export const registry = setting("REGISTRY", "registry.default.svc.cluster.local:5000");
export const builds = registry !== "none";
const buildkit = setting("BUILDKIT", "localhost:5000/buildkit:1");
const apiserverScript = setting("APISERVER", join(here, "apiserver"));
export const dashboard = "https://dashboard.catalyst.dev";
export const github = "https://github.catalyst.dev";
export const previews = "preview.catalyst.dev";
export const namespace = "catalyst-system";
const secret = "a secret of the end-to-end tests";

const authority = readFileSync(join(certificates, "ca.crt"));

export async function run(program, ...args) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: 300_000, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}: ${error.stderr || error.message}`);
  }
}
export const kubectl = (...args) => run("kubectl", ...args);
export const json = async (...args) => JSON.parse(await kubectl(...args, "--output=json"));

/** A request; host names lead to `address` where one is given. Answers whatever the status is. */
function request(url, { method = "GET", headers = {}, body, address, timeout = 10_000, ...tls } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = new URL(url);
    const options = {
      ...{ host: address ?? hostname, port: port || 443, servername: address ? hostname : undefined, method, timeout },
      ...{ path: pathname + search, headers: { host: hostname, ...headers }, agent: false, ca: authority, ...tls },
    };
    const sent = https.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode, text, headers: response.headers }));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer from ${url} within ${timeout} ms`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

/** A visitor's request, through the ingress controller. */
export const visit = (url, options) => request(url, { ...options, address: ingress });

/** An image's name as the chart's values have it. */
const imageValues = (name) => ({ repository: name.slice(0, name.lastIndexOf(":")), tag: name.slice(name.lastIndexOf(":") + 1) });

const values = {
  url: dashboard,
  github: { webhookSecret: secret, personalAccessToken: "ghp_endtoend", apiUrl: `${github}/api/v3` },
  previews: {
    ...{ domain: previews, ingressClassName: ingressClass, ingressNamespace, gitCloneImage: tools, helmImage: tools },
    // The tests' GitHub answers behind the ingress controller, whose own port is what a policy sees.
    ...{ images: { "*": tools, ruby, postgres, mariadb, redis }, egress: ["10.0.0.0/8:443,8443"] },
  },
  ...(builds && {
    builds: {
      ...{ registry, insecure: true, engine: "buildkit", image: buildkit },
      // The bases' stand-ins have a name that only the node knows.
      buildkit: { config: `[registry."localhost:5000"]\n  mirrors = ["${registry}"]\n` },
    },
  }),
  networkPolicy: { apiServerPorts: [443, 6443, 8443] },
  ingress: { className: ingressClass, tlsSecret: "dashboard" },
  trustedCertificates: { configMap: "trusted" },
};

export class Catalyst {
  /** Installs the tests' GitHub and Catalyst, into a namespace that enforces Pod Security's strictest. */
  static async install() {
    const catalyst = new Catalyst();
    catalyst.folder = mkdtempSync(join(tmpdir(), "catalyst-kubernetes-"));
    catalyst.output = "";
    await catalyst.#learnCluster();
    await catalyst.#installGitHub();
    await catalyst.apply({
      ...{ apiVersion: "v1", kind: "Namespace" },
      metadata: { name: namespace, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    await kubectl("create", "configmap", "trusted", "-n", namespace, `--from-file=ca.crt=${join(certificates, "ca.crt")}`);
    await kubectl(
      ...["create", "secret", "tls", "dashboard", "-n", namespace],
      ...["--cert", join(certificates, "wildcard.crt"), "--key", join(certificates, "wildcard.key")],
    );
    await catalyst.helm("install", {}, { of: previousChart, running: previousImage });
    await catalyst.#signIn();
    return catalyst;
  }

  /** `helm lint`, `template`, `install`, `upgrade` with the suite's values and `more` of them. */
  helm(command, more = {}, { of = chart, running = image } = {}) {
    const file = join(this.folder, "values.json");
    writeFileSync(file, JSON.stringify({ ...values, image: imageValues(running) }));
    const extra = Object.entries(more).flatMap(([name, value]) => ["--set-json", `${name}=${JSON.stringify(value)}`]);
    const release = command === "lint" ? [] : ["catalyst", "--namespace", namespace];
    const wait = command === "lint" || command === "template" ? [] : ["--wait", "--timeout=3m"];
    return run("helm", command, ...release.slice(0, 1), of, ...release.slice(1), "--values", file, ...extra, ...wait);
  }

  /** To the chart and the image under test, with the definitions first, as helm never changes them. */
  async upgrade(more) {
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", join(chart, "crds"));
    return this.helm("upgrade", more, { running: nextImage });
  }

  /** To the revision before. */
  async rollback() {
    return run("helm", "rollback", "catalyst", "--namespace", namespace, "--wait", "--timeout=3m");
  }

  async uninstall() {
    await run("helm", "uninstall", "catalyst", "--namespace", namespace, "--ignore-not-found", "--wait", "--timeout=3m");
  }

  /** Takes away whatever of the suite is still there. */
  async remove() {
    await this.uninstall();
    await kubectl("delete", "namespace", namespace, "github", "monitoring", "--ignore-not-found");
    await kubectl("delete", "--ignore-not-found", "-f", join(chart, "crds"));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async apply(object) {
    const file = join(this.folder, `${randomUUID()}.json`);
    writeFileSync(file, JSON.stringify(object));
    return kubectl("apply", "-f", file);
  }

  async #learnCluster() {
    const config = JSON.parse(await kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"));
    const { cluster } = config.clusters[0];
    const { user } = config.users[0];
    const decode = (text) => (text ? Buffer.from(text, "base64") : undefined);
    this.api = {
      url: cluster.server,
      ca: decode(cluster["certificate-authority-data"]),
      cert: decode(user["client-certificate-data"]),
      key: decode(user["client-key-data"]),
      headers: user.token ? { authorization: `Bearer ${user.token}` } : {},
    };
  }

  async #installGitHub() {
    await kubectl("create", "namespace", "github");
    await kubectl("create", "configmap", "github", "-n", "github", `--from-file=${join(here, "github.mjs")}`);
    const manifest = readFileSync(join(here, "github.yaml"), "utf8").replace("TOOLS", tools).replace("INGRESS_CLASS", ingressClass);
    writeFileSync(join(this.folder, "github.yaml"), manifest);
    await kubectl("apply", "-n", "github", "-f", join(this.folder, "github.yaml"));
    await kubectl("rollout", "status", "deployment/github", "-n", "github", "--timeout=120s");
    await until("GitHub answers through the ingress controller", 30, async () => (await visit(`${github}/statuses`)).status === 200);
  }

  /** A person signs in by the one-time link. */
  async #signIn() {
    const link = (await this.command("sign-in")).trim();
    const token = new URL(link).searchParams.get("token");
    await until("the dashboard answers", 30, async () => (await visit(`${dashboard}/api/health/readiness`)).status === 200);
    const answer = await visit(`${dashboard}/sign-in`, {
      method: "POST",
      headers: { origin: dashboard, "content-type": "application/x-www-form-urlencoded" },
      body: `token=${token}`,
    });
    this.cookie = answer.headers["set-cookie"]?.[0].split(";")[0];
    if (!this.cookie) throw new Error(`the sign-in answered ${answer.status}: ${answer.text}`);
  }

  /** Where the dashboard is, and how it is reached. */
  url = dashboard;
  connection = { host: ingress, port: 443, servername: new URL(dashboard).hostname, ca: authority };

  /** A page or an API of the dashboard, as the person who has signed in. */
  get(path, options) {
    return visit(dashboard + path, { ...options, headers: { cookie: this.cookie } });
  }

  /** A form of the dashboard, sent as the person who has signed in. */
  post(path, fields) {
    const headers = { cookie: this.cookie, origin: dashboard, "content-type": "application/x-www-form-urlencoded" };
    return visit(dashboard + path, { method: "POST", headers, body: new URLSearchParams(fields).toString() });
  }

  /** What a stream of the dashboard tells, until `close`: `events` grows, and `error` says why it ended. */
  stream(path) {
    const { hostname } = new URL(dashboard);
    const headers = { host: hostname, cookie: this.cookie, accept: "text/event-stream" };
    const stream = { events: [], error: undefined, close: () => sent.destroy() };
    let text = "";
    const sent = https.get({ host: ingress, port: 443, servername: hostname, path, headers, agent: false, ca: authority }, (response) => {
      stream.status = response.statusCode;
      response.setEncoding("utf8");
      response.on("data", (piece) => {
        const messages = (text + piece).split("\n\n");
        text = messages.pop();
        for (const message of messages) {
          const data = message.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
          if (data.length > 0) stream.events.push(JSON.parse(data.join("\n")));
        }
      });
      response.on("close", () => (stream.error ??= "it ended"));
    });
    sent.on("error", (error) => (stream.error ??= error.message));
    return stream;
  }

  /** Stops the API server, or starts it anew. */
  async apiserver(command) {
    await run(apiserverScript, command);
  }

  /** Whether the API server answers, and pods are led to it again. */
  async answers() {
    const { url, ...options } = this.api;
    const ask = (path) => request(url + path, { ...options, timeout: 1000 }).catch(() => ({ status: 0, text: "{}" }));
    if ((await ask("/readyz")).status !== 200) return false;
    const { text } = await ask("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
    return JSON.parse(text).endpoints?.length > 0;
  }

  /** kill -9 of the first container of a pod, from a pod that sees the node's processes; when it happened. */
  async kill(namespace, name) {
    const pod = await json("get", "pod", name, "-n", namespace);
    const id = pod.status.containerStatuses[0].containerID.split("//")[1];
    const program = `
      const fs = require("node:fs");
      const of = (pid) => { try { return fs.readFileSync("/proc/" + pid + "/cgroup", "utf8"); } catch { return ""; } };
      const found = fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name) && of(name).includes(process.argv[1]));
      for (const pid of found) process.kill(Number(pid), "SIGKILL");
      console.log(Date.now());
      process.exit(found.length > 0 ? 0 : 1);`;
    const container = { name: "killer", image: tools, command: ["node", "-e", program, id], securityContext: { privileged: true } };
    const spec = { hostPID: true, restartPolicy: "Never", nodeName: pod.spec.nodeName, containers: [container] };
    await this.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "killer", namespace: "default" }, spec });
    try {
      await kubectl("wait", "pod/killer", "-n", "default", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s");
      return Number(await kubectl("logs", "killer", "-n", "default"));
    } finally {
      await kubectl("delete", "pod", "killer", "-n", "default", "--grace-period=1");
    }
  }

  /** What these URLs answer to a pod of that namespace, one after the other. */
  async fetchFrom(home, urls) {
    await this.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    const program = "(async () => { for (const url of process.argv.slice(1)) console.log(await (await fetch(url)).text()); })()";
    const container = { name: "client", image: tools, command: ["node", "-e", program, ...urls] };
    const name = `client-${randomUUID()}`;
    const spec = { restartPolicy: "Never", automountServiceAccountToken: false, containers: [container] };
    await this.apply({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: home }, spec });
    await kubectl("wait", `pod/${name}`, "-n", home, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s");
    return kubectl("logs", name, "-n", home);
  }

  /** Runs a command of the binary in the web side's pod. */
  command(...args) {
    return kubectl("exec", "-n", namespace, "deployment/catalyst-web", "--", "/opt/catalyst/catalyst", ...args);
  }

  /** The Kubernetes API, asked as the cluster's admin. */
  async kubernetes(path) {
    const { url, ...options } = this.api;
    const answer = await request(url + path, options);
    return { status: answer.status, body: JSON.parse(answer.text) };
  }

  environmentOf(repository, number) {
    const home = `${repository.team}-${repository.project}`;
    return this.kubernetes(`/apis/catalyst.catalyst.dev/v1alpha1/namespaces/${home}/environments/preview-${number}`);
  }

  cloneUrl(repository) {
    return `${github}/${repository.name}.git`;
  }

  previewUrl(namespace) {
    return `https://${namespace}.${previews}/`;
  }

  /** Pushes a repository's branches to GitHub. */
  async publish(repository) {
    const through = ["-c", `http.curloptResolve=github.catalyst.dev:443:${ingress}`];
    const env = { ...process.env, GIT_SSL_CAINFO: join(certificates, "ca.crt") };
    await promisify(execFile)("git", [...through, "push", "--quiet", "--force", this.cloneUrl(repository), "+refs/heads/*:refs/heads/*"], { cwd: repository.folder, env });
  }

  /** Has GitHub say that there is no such repository, or gives it back. */
  hide(repository, hidden) {
    return visit(`${github}/hidden/${repository.name}`, { method: hidden ? "PUT" : "DELETE" });
  }

  /** Delivers a webhook through the ingress controller, once GitHub's API says the same. */
  async deliver(event, payload, { id = randomUUID() } = {}) {
    await visit(`${github}/pulls/${payload.repository.full_name}`, { method: "PUT", body: JSON.stringify(payload.pull_request) });
    const body = JSON.stringify(payload);
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const headers = {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${signature}`,
    };
    return visit(`${dashboard}/api/github/webhook`, { method: "POST", body, headers });
  }

  /** What Catalyst has written on a pull request. */
  async comments(repository, number) {
    const { text } = await visit(`${github}/api/v3/repos/${repository.name}/issues/${number}/comments`);
    return JSON.parse(text).map((comment) => comment.body);
  }

  /** What all pods of a component have logged. */
  logs(component) {
    return kubectl("logs", "-n", namespace, "--tail=-1", "--prefix", `--selector=app.kubernetes.io/component=${component}`);
  }
}
