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
export const tools = setting("TOOLS", "localhost:5000/tools:1");
const ingress = setting("INGRESS", "10.245.0.1");
const ingressClass = setting("INGRESS_CLASS", "traefik");
const ingressNamespace = setting("INGRESS_NAMESPACE", "ingress");
const certificates = setting("CERTIFICATES", join(cache, "pki"));
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

const values = {
  url: dashboard,
  image: { repository: image.slice(0, image.lastIndexOf(":")), tag: image.slice(image.lastIndexOf(":") + 1) },
  github: { webhookSecret: secret, personalAccessToken: "ghp_endtoend", apiUrl: `${github}/api/v3` },
  previews: {
    ...{ domain: previews, ingressClassName: ingressClass, ingressNamespace, gitCloneImage: tools },
    ...{ images: { "*": tools }, egress: ["10.0.0.0/8:443"] },
  },
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
    await catalyst.helm("install");
    await catalyst.#signIn();
    return catalyst;
  }

  /** `helm lint`, `template`, `install`, `upgrade` with the suite's values and `more` of them. */
  helm(command, more = {}) {
    const file = join(this.folder, "values.json");
    writeFileSync(file, JSON.stringify(values));
    const extra = Object.entries(more).flatMap(([name, value]) => ["--set-json", `${name}=${JSON.stringify(value)}`]);
    const release = command === "lint" ? [] : ["catalyst", "--namespace", namespace];
    const wait = command === "lint" || command === "template" ? [] : ["--wait", "--timeout=3m"];
    return run("helm", command, ...release.slice(0, 1), chart, ...release.slice(1), "--values", file, ...extra, ...wait);
  }

  async uninstall() {
    await run("helm", "uninstall", "catalyst", "--namespace", namespace, "--ignore-not-found", "--wait", "--timeout=3m");
  }

  /** Takes away whatever of the suite is still there. */
  async remove() {
    await this.uninstall();
    await kubectl("delete", "namespace", namespace, "github", "--ignore-not-found");
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

  /** A page or an API of the dashboard, as the person who has signed in. */
  get(path) {
    return visit(dashboard + path, { headers: { cookie: this.cookie } });
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
