// Repositories that say themselves what is deployed: manifests, a kustomization and a compose file, and
// ones that say nothing: from a push to an answering URL, and what leaves the files leaves the cluster.
import { mkdirSync } from "node:fs";
import { test } from "node:test";

import { Repository, until } from "../system/catalyst.mjs";
import { kubectl } from "./kubernetes.mjs";

const serve = "[busybox, httpd, -f, -p, '8080', -h, /www]";
const workload = (name, pod, container) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { ${pod} containers: [{ name: ${name}, image: busybox, ${container} }] }
`;
const pages = (text) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: pages }
data: { index.html: ${text} }
`;
const service = `
apiVersion: v1
kind: Service
metadata: { name: site }
spec: { selector: { app: site }, ports: [{ port: 80, targetPort: 8080 }] }
`;
const site = (account) =>
  workload(
    "site",
    `${account} volumes: [{ name: pages, configMap: { name: pages } }],`,
    `command: ${serve}, ports: [{ containerPort: 8080 }], readinessProbe: { tcpSocket: { port: 8080 } },
        volumeMounts: [{ name: pages, mountPath: /www }]`,
  );
const others = `${workload("worker", "", "command: [sleep, '100000']")}---
apiVersion: v1
kind: ServiceAccount
metadata: { name: runner }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: spare }
---
apiVersion: v1
kind: Secret
metadata: { name: key }
stringData: { k: v }
`;
const compose = `
services:
  web:
    image: busybox
    working_dir: /app
    volumes: [".:/app"]
    ports: ["8080:8080"]
    command: sh -c "mkdir /tmp/www; cat index.html /dev/null > /tmp/www/index.html; busybox wget -q -O - http://db:9000/ >> /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"
    depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
  db:
    image: busybox
    command: sh -c "touch /data/up; exec busybox httpd -f -p 9000 -h /data"
    expose: ["9000"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "test", "-f", "/data/up"], interval: 1s }
  migrate:
    image: busybox
    command: sh -c "echo migrated >> /data/index.html"
    volumes: ["data:/data"]
volumes: { data: {} }
`;

const kustomization = (text) => `
namePrefix: pr-
labels: [{ pairs: { part: site }, includeSelectors: true }]
resources: [../base]
configMapGenerator: [{ name: pages, literals: ["index.html=${text}"] }]
`;
const python = (text) => `
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"${text}")

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`;

const template = (repository, development) =>
  kubectl("patch", "project", repository.project, "-n", repository.team, "--type=merge", `--patch=${JSON.stringify({ spec: { templates: { development } } })}`);

export function kinds(suite) {
  test("manifests are deployed with an account and a Secret, and pruned down to what is left of them", async () => {
    const { create, reached } = suite;
    const repository = await create("manifests");
    await template(repository, { type: "manifest", path: "k8s" });
    const write = (...texts) => () => {
      mkdirSync(`${repository.folder}/k8s`, { recursive: true });
      repository.write("k8s/all.yaml", texts.join("---"));
    };
    const within = repository.namespace(1);
    await repository.ready(1, await repository.push(1, "opened", write(site("serviceAccountName: runner,"), service, pages("one"), others)));
    await reached(repository.url(1), "one", 20);

    await repository.ready(1, await repository.push(1, "synchronize", write(site(""), service, pages("two"))));
    await reached(repository.url(1), "two", 20);
    for (const object of ["deployment/worker", "serviceaccount/runner", "configmap/spare", "secret/key"]) {
      await until(`${object} is gone`, 30, async () => (await kubectl("get", object, "-n", within, "--ignore-not-found", "--output=name")).trim() === "");
    }

    await repository.push(1, "synchronize", write(site(""), pages("three")));
    await until("the Ingress is gone", 60, async () => (await kubectl("get", "ingress", "-n", within, "--output=name")).trim() === "");
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a kustomization is built, and a push changes what it generates", async () => {
    const { create, reached } = suite;
    const repository = await create("overlaid");
    await template(repository, { type: "kustomize", path: "overlay" });
    const write = (text) => () => {
      for (const folder of ["base", "overlay"]) mkdirSync(`${repository.folder}/${folder}`, { recursive: true });
      repository.write("base/kustomization.yaml", "resources: [all.yaml]\n");
      repository.write("base/all.yaml", [site(""), service].join("---"));
      repository.write("overlay/kustomization.yaml", kustomization(text));
    };
    await repository.ready(1, await repository.push(1, "opened", write("one")));
    await reached(repository.url(1), "one", 20);
    await repository.ready(1, await repository.push(1, "synchronize", write("two")));
    await reached(repository.url(1), "two", 20);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("repositories in Python and of plain files answer without any configuration", async () => {
    for (const [name, file, content] of [["snake", "main.py", python], ["plain", "index.html", (text) => `<h1>${text}</h1>`]]) {
      const repository = await Repository.create(suite.catalyst, name, () => {});
      const write = (text) => () => repository.write(file, content(text));
      await repository.ready(1, await repository.push(1, "opened", write("first")));
      await suite.reached(repository.url(1), "first", 20);
      await repository.ready(1, await repository.push(1, "synchronize", write("second")));
      await suite.reached(repository.url(1), "second", 20);
      await repository.event(1, "closed");
      await repository.gone(1, 120);
    }
  });

  test("a compose file's services come up in their order, and a push changes what runs the commit", async () => {
    const { create, reached } = suite;
    const repository = await create("composed");
    await template(repository, { type: "docker-compose" });
    const write = (text) => () => {
      repository.write("compose.yaml", compose);
      repository.write("index.html", `${text}\n`);
    };
    await repository.ready(1, await repository.push(1, "opened", write("first")));
    await reached(repository.url(1), "first\nmigrated", 20);
    await repository.ready(1, await repository.push(1, "synchronize", write("second")));
    await reached(repository.url(1), "second\nmigrated", 20);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });
}
