// A chart with a subchart, hooks, values and a password that it makes up, from a push to an answering
// URL; and one whose image is built.
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";

import { until } from "../system/catalyst.mjs";
import { builds as areBuilt, json, kubectl, visit } from "./kubernetes.mjs";

const web = (text) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ include "shop.name" . }} }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: {{ include "shop.name" . }} } }
  template:
    metadata:
      labels: { app: {{ include "shop.name" . }} }
      annotations: { checksum/password: {{ include (print $.Template.BasePath "/password.yaml") . | sha256sum }} }
    spec:
      containers:
        - name: web
          image: busybox
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { tcpSocket: { port: http } }
          env:
            - { name: PASSWORD, valueFrom: { secretKeyRef: { name: {{ .Release.Name }}-password, key: password } } }
            {{- range $name, $value := .Values.env }}
            - { name: {{ $name }}, value: {{ $value | quote }} }
            {{- end }}
          command: [sh, -c, "mkdir /tmp/www; echo $PASSWORD > /tmp/www/password; echo ${text} $GREETING {{ .Values.store.word }} {{ .Values.word }} > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"]
---
apiVersion: v1
kind: Service
metadata: { name: {{ include "shop.name" . }} }
spec: { type: NodePort, selector: { app: {{ include "shop.name" . }} }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: {{ include "shop.name" . }} }
spec: { rules: [{ host: shop.example.com, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: {{ include "shop.name" . }}, port: { name: http } } } }] } }] }
`;
const password = `
apiVersion: v1
kind: Secret
metadata: { name: {{ .Release.Name }}-password }
data: { password: {{ randAlphaNum 24 | b64enc }} }
`;
const hook = (name, events, command) => `
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-${name}
  annotations: { helm.sh/hook: "${events}", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded" }
spec:
  backoffLimit: 0
  template:
    spec: { restartPolicy: Never, containers: [{ name: ${name}, image: busybox, command: [sh, -c, "${command}"] }] }
`;
const store = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }}-store }
spec:
  selector: { matchLabels: { app: store } }
  template:
    metadata: { labels: { app: store } }
    spec: { containers: [{ name: store, image: busybox, command: [sleep, "{{ .Values.seconds }}"] }] }
`;
const shop = (text) => ({
  "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies: [{ name: store, version: 0.1.0, repository: https://charts.example.com }]\n",
  "values.yaml": "replicas: 1\nword: own\nstore: { word: none }\n",
  "templates/_names.tpl": '{{ define "shop.name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}',
  "templates/web.yaml": web(text),
  "templates/password.yaml": password,
  "templates/schema.yaml": hook("schema", "pre-install,pre-upgrade", "echo migrated"),
  "templates/seed.yaml": hook("seed", "post-install", "echo seeded"),
  "templates/tests/check.yaml": hook("check", "test", "exit 1"),
  "charts/store/Chart.yaml": "apiVersion: v2\nname: store\nversion: 0.1.0\n",
  "charts/store/values.yaml": "seconds: 100000\n",
  "charts/store/templates/store.yaml": store,
});
const write = (repository, files) => () => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(`${repository.folder}/deploy/shop/${name}`), { recursive: true });
    repository.write(`deploy/shop/${name}`, text);
  }
};
const template = (repository, development) =>
  kubectl("patch", "project", repository.project, "-n", repository.team, "--type=merge", `--patch=${JSON.stringify({ spec: { templates: { development } } })}`);
const names = async (within, kind, ...selector) =>
  (await json("get", kind, "-n", within, ...selector)).items.filter((one) => !one.metadata.deletionTimestamp).map((one) => one.metadata.name);
const failed = (catalyst, repository, number, sha, reason) =>
  until(`the preview has failed with ${reason}`, 90, async () => {
    const { body } = await catalyst.environmentOf(repository, number);
    const said = body.status?.conditions.find((c) => c.type === "Ready");
    const current = body.spec.sources[0].commitSha === sha && said?.observedGeneration === body.metadata.generation;
    return current && body.status.phase === "Failed" && said.reason === reason && said.message;
  });

export function charts(suite) {
  test("a chart is rendered by helm, comes up with its subchart and hooks, and is updated, corrected and gone", async () => {
    const { catalyst, create, reached } = suite;
    const repository = await create("charted");
    const within = repository.namespace(1);
    const url = repository.url(1);
    const values = { store: { word: "stored" } };
    await template(repository, { type: "helm", path: "deploy/shop", values, config: { env: [{ name: "GREETING", value: "hello" }] } });
    const opened = Date.now();
    await repository.ready(1, await repository.push(1, "opened", write(repository, shop("one"))), 120);
    console.log(`FIGURE webhook to Ready with a chart: ${Date.now() - opened} ms`);
    await reached(url, "one hello stored own", 20);
    const secret = (await visit(`${url}password`)).text;
    assert.match(secret, /^[A-Za-z0-9]{24}\n$/);
    assert.deepEqual((await names(within, "deployments")).sort(), ["preview-1-shop", "preview-1-store"]);
    const jobs = async () => (await names(within, "jobs")).filter((name) => name.startsWith("preview-1-"));
    assert.deepEqual((await jobs()).map((name) => name.replace(/-[0-9a-f]+$/, "")).sort(), ["preview-1-schema", "preview-1-seed"]);
    const records = await kubectl("get", "configmaps", "-n", within, "--output=json");
    assert.ok(!records.includes(secret.trim()) && !records.includes(Buffer.from(secret.trim()).toString("base64")), "the password is in a Secret alone");
    const [renderer] = (await json("get", "pods", "-n", within, "-l", "catalyst.dev/inspected=chart")).items;
    assert.equal(renderer.spec.automountServiceAccountToken, false);
    assert.ok(!JSON.stringify(renderer.spec).includes("stored"), "values stand on no command line");

    // A push is an upgrade, and what was made up stays.
    const asked = Date.now();
    await repository.ready(1, await repository.push(1, "synchronize", write(repository, shop("two"))), 120);
    console.log(`FIGURE push to Ready with a chart: ${Date.now() - asked} ms`);
    await reached(url, "two hello stored own", 20);
    assert.equal((await visit(`${url}password`)).text, secret);
    await until("the installation's hook is gone", 30, async () => (await jobs()).length === 1);

    // Nothing is rendered again where nothing has changed.
    const before = await names(within, "jobs", "-l", "catalyst.dev/inspected=chart");
    await kubectl("annotate", "environment", "preview-1", "-n", `${repository.team}-${repository.project}`, "catalyst.dev/retry=again", "--overwrite");
    await until("the retry was seen", 60, async () => {
      const { body } = await catalyst.environmentOf(repository, 1);
      return body.metadata.annotations["catalyst.dev/observed-retry"] === "again" && body.status.phase === "Ready";
    });
    assert.deepEqual(await names(within, "jobs", "-l", "catalyst.dev/inspected=chart"), before);

    // What helm refuses is told in its words, on the preview and in the comment; what ran goes on.
    const broken = await repository.push(1, "synchronize", write(repository, { "templates/broken.yaml": "a: {{ .Values.missing.key }}\n" }));
    const said = await failed(catalyst, repository, 1, broken, "NotRendered");
    assert.match(said, /shop\/templates\/broken\.yaml:1:\d+.*nil pointer.*push again/);
    await until("the comment says so", 20, async () => (await catalyst.comments(repository, 1)).some((text) => text.includes("nil pointer")));
    await reached(url, "two hello stored own", 10);
    const hooked = { "templates/broken.yaml": "", "templates/schema.yaml": hook("schema", "pre-install,pre-upgrade", "echo no such table >&2; exit 3") };
    const failing = await repository.push(1, "synchronize", write(repository, hooked));
    assert.match(await failed(catalyst, repository, 1, failing, "JobFailed"), /no such table/);
    await reached(url, "two hello stored own", 10);

    // A correction comes up, and what has left the chart has left the cluster.
    const corrected = () => {
      write(repository, shop("three"))();
      rmSync(`${repository.folder}/deploy/shop/charts/store/templates/store.yaml`);
    };
    await repository.ready(1, await repository.push(1, "synchronize", corrected), 120);
    await reached(url, "three hello stored own", 20);
    assert.equal((await visit(`${url}password`)).text, secret);
    await until("the store is gone", 30, async () => !(await names(within, "deployments")).includes("preview-1-store"));
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("an image that a chart's template builds reaches its values", { skip: !areBuilt && "this cluster has no registry to push to" }, async () => {
    const { create, reached } = suite;
    const repository = await create("built-chart");
    const [source] = (await json("get", "project", repository.project, "-n", repository.team)).spec.sources;
    await template(repository, { type: "helm", path: "deploy/shop", builds: [{ name: "web", sourceRef: source.name, path: "web" }] });
    const files = (text) => ({
      "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
      "templates/web.yaml": `
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: "{{ .Values.global.images.web.repository }}:{{ .Values.global.images.web.tag }}", ports: [{ containerPort: 3000 }], readinessProbe: { tcpSocket: { port: 3000 } } }] }
---
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80, targetPort: 3000 }] }
`,
      "../../web/Dockerfile": 'FROM node:22\nCOPY server.js /\nEXPOSE 3000\nCMD ["node", "/server.js"]\n',
      "../../web/server.js": `require("node:http").createServer((q, a) => a.end("built ${text}")).listen(3000);`,
    });
    for (const [action, text] of [["opened", "one"], ["synchronize", "two"]]) {
      const sha = await repository.push(1, action, write(repository, files(text)));
      await repository.ready(1, sha, 120);
      await reached(repository.url(1), `built ${text}`, 20);
      const { items } = await json("get", "deployments", "-n", repository.namespace(1));
      assert.match(items[0].spec.template.spec.containers[0].image, new RegExp(`:${sha}@sha256:[0-9a-f]{64}$`));
    }
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });
}
