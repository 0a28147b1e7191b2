// How the operator does with many Environments: node scale.mjs CATALYST COUNT
//
// An etcd and an API server on loopback, the operator, and no kubelet: nothing ever runs, so an Environment
// stays where the operator has done all it can. Told are the time until it has, the operator's memory, what
// a push to every Environment costs, what a restart costs, and the requests of a minute in which nothing
// happens. `build` makes the programs; etcd is Debian's.
import { execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { sleep, until } from "../system/catalyst.mjs";

const [catalyst, count] = [process.argv[2], Number(process.argv[3] ?? 1000)];
const PROJECTS = 10;
const here = dirname(fileURLToPath(import.meta.url));
const bin = join(process.env.CATALYST_KUBERNETES_CACHE ?? join(homedir(), ".cache/catalyst-kubernetes"), "bin");
const folder = mkdtempSync(join(tmpdir(), "catalyst-scale-"));
const running = [];

function start(name, program, args, env = {}) {
  const log = openSync(join(folder, `${name}.log`), "a");
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", log, log] });
  running.push(child);
  return child;
}

async function stop(child) {
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  const forced = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(forced);
  running.splice(running.indexOf(child), 1);
}

async function freePort() {
  const server = net.createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

const tokens = { admin: randomBytes(16).toString("hex"), operator: randomBytes(16).toString("hex") };
const agent = new https.Agent({ keepAlive: true, maxSockets: 32 });
let server;

function api(method, path, body, type = "application/json") {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${tokens.admin}`, ...(body ? { "content-type": type } : {}) };
    const sent = https.request(server + path, { method, headers, agent, rejectUnauthorized: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (text += piece));
      response.on("end", () => {
        if (response.statusCode >= 300) return reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 300)}`));
        resolve(response.headers["content-type"]?.includes("json") ? JSON.parse(text) : text);
      });
    });
    sent.on("error", reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** All of these, thirty-two at a time. */
async function all(items, each) {
  const queue = [...items];
  await Promise.all(Array.from({ length: 32 }, async () => { for (let item; (item = queue.pop()) !== undefined; ) await each(item); }));
}

const group = "/apis/catalyst.catalyst.dev/v1alpha1";
const homeOf = (number) => `acme-p${number % PROJECTS}`;
const labels = (kind, more = {}) => ({ "catalyst.dev/namespace-type": kind, "catalyst.dev/team": "acme", ...more });
const namespace = (name, labels) => api("POST", "/api/v1/namespaces", { metadata: { name, labels } });
const environment = (number) => ({
  apiVersion: "catalyst.catalyst.dev/v1alpha1",
  kind: "Environment",
  metadata: {
    name: `preview-${number}`,
    labels: { "catalyst.dev/team": "acme", "catalyst.dev/project": `p${number % PROJECTS}`, "catalyst.dev/environment": `preview-${number}` },
  },
  spec: {
    ...{ projectRef: { name: `p${number % PROJECTS}` }, type: "deployment", deploymentMode: "production" },
    sources: [{ name: "primary", commitSha: number.toString(16).padStart(40, "0"), branch: "main" }],
    config: { image: "registry.example.com/app:1", ports: [{ containerPort: 8080 }] },
  },
});

let metrics;
/** The sum of a metric's samples whose line has `part`. */
async function figure(name, part = "") {
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name) && line.includes(part));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
const passes = () => figure("catalyst_reconciles_total", 'kind="Environment"');
const memory = (child) => Math.round(Number(readFileSync(`/proc/${child.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1024);
const cpu = (child) => {
  const [user, system] = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13);
  return (Number(user) + Number(system)) / 100;
};

/** Until each Environment was looked at and no pass has come to its end for three seconds; when the last one did. */
async function settled(least, limit) {
  await until(`each Environment is looked at`, limit, async () => (await passes()) >= least);
  let [last, at] = [await passes(), Date.now()];
  const deadline = Date.now() + limit * 1000;
  while (Date.now() - at < 3000) {
    if (Date.now() > deadline) throw new Error(`passes go on after ${limit} s`);
    await sleep(200);
    const now = await passes();
    if (now !== last) [last, at] = [now, Date.now()];
  }
  return at;
}

async function operator(config) {
  const child = start("operator", catalyst, ["operator"], {
    ...{ KUBECONFIG: config, CATALYST_METRICS_LISTEN: `127.0.0.1:${metrics}`, CATALYST_CLUSTER: "kubernetes" },
    ...{ CATALYST_DEPLOY_DEADLINE_MINUTES: "240", POD_NAMESPACE: "default", POD_NAME: "", RUST_LOG: "warn" },
  });
  await until("the operator leads", 60, async () => (await figure("catalyst_operator_leader")) === 1);
  return child;
}

try {
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  metrics = await freePort();
  server = `https://127.0.0.1:${port}`;
  execFileSync("openssl", ["genrsa", "-out", join(folder, "accounts.key"), "2048"], { stdio: "ignore" });
  writeFileSync(join(folder, "tokens.csv"), `${tokens.admin},admin,admin,system:masters\n${tokens.operator},operator,operator,system:masters\n`);
  writeFileSync(
    join(folder, "audit.yaml"),
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata, users: [operator]}, {level: None}]\n",
  );
  mkdirSync(join(folder, "certificates"));
  start("etcd", "etcd", [
    ...["--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "warn", "--quota-backend-bytes", "8000000000"],
    ...["--listen-client-urls", `http://127.0.0.1:${client}`, "--advertise-client-urls", `http://127.0.0.1:${client}`],
    ...["--listen-peer-urls", `http://127.0.0.1:${peer}`, "--initial-advertise-peer-urls", `http://127.0.0.1:${peer}`],
    ...["--initial-cluster", `default=http://127.0.0.1:${peer}`],
  ]);
  start("apiserver", join(bin, "kube-apiserver"), [
    ...["--etcd-servers", `http://127.0.0.1:${client}`, "--bind-address", "127.0.0.1", "--secure-port", String(port)],
    ...["--cert-dir", "certificates", "--token-auth-file", "tokens.csv", "--authorization-mode", "RBAC"],
    ...["--service-cluster-ip-range", "10.96.0.0/12", "--endpoint-reconciler-type", "none"],
    ...["--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", "accounts.key"],
    ...["--service-account-signing-key-file", "accounts.key", "--disable-admission-plugins", "ServiceAccount"],
    ...["--audit-policy-file", "audit.yaml", "--audit-log-path", join(folder, "audit.log")],
  ]);
  await until("the API server answers", 90, () => api("GET", "/readyz"));
  const config = join(folder, "kubeconfig");
  writeFileSync(
    config,
    JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "scale" },
      clusters: [{ name: "scale", cluster: { server, "certificate-authority": join(folder, "certificates/apiserver.crt") } }],
      users: [{ name: "operator", user: { token: tokens.operator } }],
      contexts: [{ name: "scale", context: { cluster: "scale", user: "operator" } }],
    }),
  );
  await promisify(execFile)(join(bin, "kubectl"), ["--kubeconfig", config, "apply", "--server-side", "-f", join(here, "../../charts/catalyst/crds")]);
  await until("Environments are served", 30, () => api("GET", `${group}/environments`));

  await namespace("acme", labels("team"));
  for (let number = 0; number < PROJECTS; number++) {
    const project = `p${number}`;
    await namespace(`acme-${project}`, labels("project", { "catalyst.dev/project": project }));
    await api("POST", `${group}/namespaces/acme/projects`, {
      ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Project", metadata: { name: project } },
      spec: { sources: [{ name: "primary", repositoryUrl: `https://github.com/acme/${project}.git`, branch: "main" }] },
    });
  }
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  let began = Date.now();
  await all(numbers, (number) => api("POST", `${group}/namespaces/${homeOf(number)}/environments`, environment(number)));
  console.log(`${count} Environments written in ${Date.now() - began} ms`);

  const told = async (what, child, before, since, usedBefore) => {
    const took = (await settled(before + count, 3600)) - since;
    const done = (await passes()) - before;
    const used = cpu(child) - usedBefore;
    console.log(`FIGURE ${what}: ${took} ms, ${done} passes (${Math.round((done / took) * 1000)}/s), ${used.toFixed(1)} s of processor time, ${memory(child)} MiB resident`);
  };
  began = Date.now();
  let child = await operator(config);
  await told(`${count} new Environments brought up to their Deployment`, child, 0, began, 0);
  const deployments = (await api("GET", "/apis/apps/v1/deployments?limit=1")).metadata.remainingItemCount + 1;
  if (deployments !== count) throw new Error(`${deployments} Deployments instead of ${count}`);

  let [before, used] = [await passes(), cpu(child)];
  began = Date.now();
  const push = [{ op: "replace", path: "/spec/config/image", value: "registry.example.com/app:2" }];
  await all(numbers, (number) => api("PATCH", `${group}/namespaces/${homeOf(number)}/environments/preview-${number}`, push, "application/json-patch+json"));
  await told(`a push to each of ${count}`, child, before, began, used);

  await stop(child);
  began = Date.now();
  child = await operator(config);
  await told(`a restart with ${count}`, child, 0, began, 0);

  await sleep(5000);
  [before, used] = [await passes(), cpu(child)];
  const from = Date.now();
  await sleep(60_000);
  const events = readFileSync(join(folder, "audit.log"), "utf8").split("\n").filter((line) => line.endsWith("}")).map((line) => JSON.parse(line));
  // A watch is written down when it begins and when it ends.
  const recent = events.filter((event) => Date.parse(event.requestReceivedTimestamp) >= from);
  const asked = [...new Map(recent.map((event) => [event.auditID, event])).values()];
  const kinds = new Map();
  for (const { verb, objectRef } of asked) {
    const kind = `${verb} ${objectRef?.resource}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  console.log(`FIGURE idle for 60 s with ${count}: ${asked.length} requests, ${asked.filter(({ verb }) => verb === "list").length} of them lists, ${(await passes()) - before} passes, ${(cpu(child) - used).toFixed(2)} s of processor time, ${memory(child)} MiB resident`);
  console.log([...kinds].sort().map(([kind, number]) => `  ${number} × ${kind}`).join("\n"));
} finally {
  for (const child of [...running].reverse()) await stop(child);
  if (process.exitCode === undefined) rmSync(folder, { recursive: true, force: true });
}
