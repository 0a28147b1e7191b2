// kubectl's everyday verbs against the embedded cluster. KUBECTL names the program.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { Catalyst, Repository, until } from "../system/catalyst.mjs";

const program = process.env.KUBECTL ?? "kubectl";
const folder = mkdtempSync(join(tmpdir(), "catalyst-kubectl-"));
let catalyst;

before(async () => {
  catalyst = await Catalyst.start();
  await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "work" } });
});
after(async () => {
  await catalyst?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => ({ PATH: process.env.PATH, HOME: folder, KUBECONFIG: join(catalyst.data, "kubeconfig") });

async function kubectl(...args) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { env: environment(), timeout: 60_000 });
    return stdout;
  } catch (error) {
    throw new Error(`kubectl ${args.join(" ")}: ${error.stderr || error.message}`);
  }
}

const refused = async (...args) => {
  const error = await kubectl(...args).then(
    (output) => assert.fail(`kubectl ${args.join(" ")} succeeded: ${output}`),
    (error) => error,
  );
  return error.message;
};

const json = async (...args) => JSON.parse(await kubectl(...args, "--output=json"));

let files = 0;
function file(object) {
  const path = join(folder, `${++files}.json`);
  writeFileSync(path, JSON.stringify(object));
  return path;
}

const apply = (object) => kubectl("apply", "-f", file(object));
const configMap = (name, data) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "work" }, data });

const deployment = (replicas, text = "hello") => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "talker", namespace: "work", labels: { app: "talker" } },
  spec: {
    replicas,
    selector: { matchLabels: { app: "talker" } },
    template: {
      metadata: { labels: { app: "talker" } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: "main",
            image: "busybox:1.37",
            command: ["sh", "-c", `echo ${text}; i=0; while sleep 0.2; do i=$((i+1)); echo line $i; done`],
          },
        ],
      },
    },
  },
});

test("api-resources and explain know built-in and custom kinds", async () => {
  const resources = await kubectl("api-resources");
  for (const line of [/^pods +po +v1 +true +Pod$/m, /^deployments +deploy +apps\/v1/m, /^environments +env +catalyst\.catalyst\.dev\/v1alpha1/m]) {
    assert.match(resources, line);
  }
  assert.match(await kubectl("explain", "environment.spec.sources"), /commitSha/);
  assert.match(await kubectl("explain", "environments.status.conditions"), /observedGeneration/);
  assert.match(await kubectl("version"), /Server Version/);
});

test("apply creates, changes and leaves alone, and get shows it in every form", async () => {
  assert.match(await kubectl("apply", "--filename", file(deployment(1))), /created/);
  assert.match(await kubectl("apply", "--filename", file(deployment(1))), /unchanged/);
  assert.match(await kubectl("apply", "--filename", file(deployment(2))), /configured/);
  await kubectl("rollout", "status", "deployment/talker", "--namespace=work", "--timeout=60s");
  await kubectl("wait", "--for=condition=Available", "deployment/talker", "--namespace=work", "--timeout=30s");
  assert.match(await kubectl("get", "deployments", "-n", "work"), /talker +2\/2/);
  assert.match(await kubectl("get", "pods", "-n", "work", "-o", "wide", "-l", "app=talker"), /Running/);
  assert.match(await kubectl("get", "deploy", "talker", "-n", "work", "-o", "yaml"), /replicas: 2/);
  const names = await kubectl("get", "pods", "-n", "work", "-o", "jsonpath={.items[*].metadata.name}");
  assert.equal(names.split(" ").length, 2);
  assert.match(await kubectl("get", "all", "--all-namespaces"), /deployment\.apps\/talker/);
  const described = await kubectl("describe", "deployment", "talker", "-n", "work");
  assert.match(described, /Replicas: +2 desired/);
  assert.match(described, /ScalingReplicaSet/);
  assert.match(await kubectl("describe", "pod", "-n", "work", "-l", "app=talker"), /Container ID|State: +Running/);
});

test("create makes each kind that it has a command for, and from a file", async () => {
  await kubectl("create", "namespace", "made");
  const create = (...args) => kubectl("create", "--namespace=made", ...args);
  assert.match(await create("deployment", "web", "--image=busybox:1.37", "--replicas=0", "--port=8080"), /deployment\.apps\/web created/);
  const { spec } = await json("get", "deployment", "web", "-n", "made");
  assert.equal(spec.replicas, 0);
  assert.deepEqual(spec.selector, { matchLabels: { app: "web" } });
  assert.equal(spec.template.spec.containers[0].image, "busybox:1.37");
  assert.equal(spec.template.spec.containers[0].ports[0].containerPort, 8080);

  writeFileSync(join(folder, "settings.txt"), "a file's text\n");
  await create("configmap", "settings", "--from-literal=a=1", `--from-file=${join(folder, "settings.txt")}`);
  const { data } = await json("get", "configmap", "settings", "-n", "made");
  assert.deepEqual(data, { a: "1", "settings.txt": "a file's text\n" });

  await create("secret", "generic", "password", "--from-literal=password=süß");
  const secret = await json("get", "secret", "password", "-n", "made");
  assert.equal(secret.type, "Opaque");
  assert.equal(Buffer.from(secret.data.password, "base64").toString(), "süß");

  await create("job", "once", "--image=busybox:1.37", "--", "sh", "-c", "echo it ran");
  await kubectl("wait", "--for=condition=complete", "job/once", "-n", "made", "--timeout=60s");
  assert.equal(await kubectl("logs", "job/once", "-n", "made"), "it ran\n");

  await create("service", "clusterip", "web", "--tcp=80:8080");
  await create("serviceaccount", "robot");
  await create("ingress", "web", "--rule=made.localhost/=web:80");
  await create("quota", "limits", "--hard=pods=3");
  assert.equal((await json("get", "service", "web", "-n", "made")).spec.ports[0].targetPort, 8080);
  assert.match(await create("token", "robot"), /^[\w-]+\.[\w-]+\.[\w-]+\n?$/);

  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "from-a-file", namespace: "made" }, data: { b: "2" } };
  assert.match(await kubectl("create", "-f", file(map)), /configmap\/from-a-file created/);
  assert.match(await refused("create", "-f", file(map)), /AlreadyExists/);
  assert.match(await kubectl("create", "-f", file({ ...map, metadata: { generateName: "some-", namespace: "made" } })), /some-\w{5} created/);
  assert.match(await kubectl("create", "-f", file(map), "--dry-run=client"), /created \(dry run\)/);
  await kubectl("delete", "namespace", "made", "--timeout=60s");
});

test("server-side apply keeps fields of other managers, and tells of conflicts", async () => {
  const map = (data) => configMap("shared", data);
  await kubectl("apply", "--server-side", "--field-manager=one", "-f", file(map({ a: "1" })));
  await kubectl("apply", "--server-side", "--field-manager=two", "-f", file(map({ b: "2" })));
  assert.deepEqual((await json("get", "configmap", "shared", "-n", "work")).data, { a: "1", b: "2" });
  const conflict = await refused("apply", "--server-side", "--field-manager=two", "-f", file(map({ a: "3", b: "2" })));
  assert.match(conflict, /conflict with "one"/);
  await kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=two", "-f", file(map({ a: "3" })));
  assert.deepEqual((await json("get", "configmap", "shared", "-n", "work")).data, { a: "3" });
});

test("every type of patch works, on built-in and custom kinds", async () => {
  const patch = (kind, type, body) => kubectl("patch", ...kind, "-n", "work", `--type=${type}`, "-p", JSON.stringify(body));
  await patch(["deploy", "talker"], "strategic", { spec: { template: { spec: { containers: [{ name: "main", env: [{ name: "A", value: "1" }] }] } } } });
  const { containers } = (await json("get", "deploy", "talker", "-n", "work")).spec.template.spec;
  assert.equal(containers.length, 1);
  assert.equal(containers[0].image, "busybox:1.37");
  await patch(["deploy", "talker"], "merge", { metadata: { annotations: { note: "merged" } } });
  await patch(["deploy", "talker"], "json", [{ op: "replace", path: "/metadata/annotations/note", value: "replaced" }]);
  assert.equal((await json("get", "deploy", "talker", "-n", "work")).metadata.annotations.note, "replaced");

  const project = {
    apiVersion: "catalyst.catalyst.dev/v1alpha1",
    kind: "Project",
    metadata: { name: "patched", namespace: "work" },
    spec: { sources: [{ name: "primary", repositoryUrl: "https://github.com/acme/patched", branch: "main" }] },
  };
  await kubectl("apply", "-f", file(project));
  await patch(["project", "patched"], "merge", { spec: { githubInstallationId: "7" } });
  await patch(["project", "patched"], "json", [{ op: "replace", path: "/spec/sources/0/branch", value: "trunk" }]);
  const { spec } = await json("get", "project", "patched", "-n", "work");
  assert.equal(spec.githubInstallationId, "7");
  assert.equal(spec.sources[0].branch, "trunk");
  assert.match(await kubectl("get", "projects", "-n", "work"), /REPOSITORY/);
  assert.match(await refused("patch", "project", "patched", "-n", "work", "--type=merge", "-p", '{"spec":{"sources":"none"}}'), /spec\.sources/);
  await kubectl("delete", "project", "patched", "-n", "work", "--wait=false");
});

test("scale, label, annotate and delete work, and wait sees the end", async () => {
  await kubectl("scale", "deployment/talker", "--replicas=1", "-n", "work");
  await until("one pod is left", 30, async () => {
    const { items } = await json("get", "pods", "-n", "work", "-l", "app=talker");
    return items.length === 1;
  });
  await kubectl("label", "deploy/talker", "tier=test", "-n", "work");
  await kubectl("annotate", "deploy/talker", "why=because", "-n", "work");
  assert.match(await kubectl("get", "deploy", "-n", "work", "-l", "tier=test", "-o", "name"), /talker/);
  await apply(configMap("short-lived", { a: "b" }));
  await kubectl("delete", "configmap", "short-lived", "-n", "work");
  await kubectl("wait", "--for=delete", "configmap/short-lived", "-n", "work", "--timeout=10s");
});

test("logs are read and followed, and exec answers with the command's own exit code", async () => {
  await kubectl("rollout", "status", "deployment/talker", "-n", "work", "--timeout=60s");
  assert.match(await kubectl("logs", "deploy/talker", "-n", "work"), /^hello\nline 1\n/);
  assert.match(await kubectl("logs", "deploy/talker", "-n", "work", "--tail=1", "--timestamps"), /^\d{4}-.*Z line \d+\n$/);
  const follow = spawn(program, ["logs", "-f", "deploy/talker", "-n", "work", "--tail=1"], { env: environment() });
  let followed = "";
  follow.stdout.on("data", (piece) => (followed += piece));
  await until("new lines come", 10, () => followed.split("\n").length > 4);
  follow.kill();
  assert.equal(await kubectl("exec", "deploy/talker", "-n", "work", "--", "echo", "hi there"), "hi there\n");
  assert.match(await refused("exec", "deploy/talker", "-n", "work", "--", "sh", "-c", "echo bad >&2; exit 7"), /bad[\s\S]*exit code 7/);

  // A terminal: `script` gives kubectl one.
  const shell = spawn("script", ["-qec", `${program} exec -it deploy/talker -n work -- sh`, "/dev/null"], { env: environment() });
  let screen = "";
  shell.stdout.on("data", (piece) => (screen += piece));
  shell.stdin.write("tty; exit 3\n");
  const code = await new Promise((resolve) => shell.on("exit", resolve));
  assert.match(screen, /\/dev\/pts\//);
  assert.equal(code, 3, screen);
});

test("get --watch sees every change", async () => {
  const watch = spawn(program, ["get", "configmaps", "-n", "work", "--watch", "-o", "name"], { env: environment() });
  let seen = "";
  watch.stdout.on("data", (piece) => (seen += piece));
  await until("the watch has begun", 10, () => seen.includes("configmap/shared"));
  await apply(configMap("watched", {}));
  await until("the new one is seen", 10, () => seen.includes("configmap/watched"));
  watch.kill();
});

test("a preview can be looked at with kubectl, and a namespace is deleted with all it holds", async () => {
  const repository = await Repository.create(catalyst, "looked-at", (into) => writeFileSync(join(into, "index.html"), "x"));
  const sha = await repository.push(1, "opened");
  await until("there is an Environment", 30, () => kubectl("get", "environment/preview-1", "-n", "acme-looked-at"));
  await kubectl("wait", "environment/preview-1", "-n", "acme-looked-at", "--for=condition=Ready", "--timeout=60s");
  const table = await kubectl("get", "environments", "-A");
  assert.match(table, /PHASE +URL/);
  assert.match(table, /preview-1 +Ready +http:/);
  assert.match(await kubectl("get", "env", "preview-1", "-n", "acme-looked-at", "-o", "wide"), new RegExp(sha));
  await kubectl("delete", "environment", "preview-1", "-n", "acme-looked-at", "--timeout=30s");
  await kubectl("delete", "namespace", "work", "--timeout=30s");
  assert.match(await refused("get", "namespace", "work"), /NotFound/);
});
