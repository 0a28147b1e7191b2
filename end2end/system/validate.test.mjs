// `catalyst validate` with a team's own pairs, in the embedded cluster.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Catalyst, Repository, binary, until, visit } from "./catalyst.mjs";

const pair = (name, template) => `
apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: ${name}, namespace: trial}
spec:
  sources: [{name: primary, repositoryUrl: "", branch: main}]
  templates: {development: ${JSON.stringify(template)}}
---
apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: validate}
spec: {projectRef: {name: ${name}}, type: development}
`;
const files = {
  // What is at the root is another program than the one that is meant.
  "package.json": JSON.stringify({ scripts: { start: "exit 1" } }),
  "apps/site/package.json": JSON.stringify({ scripts: { start: "node server.js" } }),
  "apps/site/server.js": `require("node:http").createServer((q, a) => a.end("the site")).listen(process.env.PORT);`,
  "stack/compose.yaml": `
services:
  web:
    image: busybox
    ports: ["8080:8080"]
    command: sh -c "mkdir /tmp/www; echo the stack > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"
`,
};

let catalyst, repository, pairs;
before(async () => {
  catalyst = await Catalyst.start();
  repository = new Repository();
  Object.assign(repository, { catalyst, folder: mkdtempSync(join(catalyst.folder, "trial-")) });
  await repository.git("init", "--quiet", "--initial-branch=main");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(repository.folder, path, ".."), { recursive: true });
    repository.write(path, text);
  }
  await repository.commit("First commit");
  pairs = mkdtempSync(join(catalyst.folder, "pairs-"));
  writeFileSync(join(pairs, "site.yaml"), pair("site", { type: "managed", path: "apps/site" }));
  writeFileSync(join(pairs, "stack.yaml"), pair("stack", { type: "docker-compose", path: "stack" }));
  writeFileSync(join(pairs, "lost.yaml"), pair("lost", { type: "docker-compose", path: "nowhere" }));
});
after(() => catalyst.stop());

const environment = () => ({ ...catalyst.environment, KUBECONFIG: join(catalyst.data, "kubeconfig") });
const options = () => ["validate", "--folder", pairs, "--repository", catalyst.cloneUrl(repository)];

/** Runs it; how it ended and what it said. */
const validate = (...args) =>
  new Promise((resolve) => {
    execFile(binary, [...options(), ...args], { env: environment(), timeout: 240_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
const namespaces = async () => {
  const { body } = await catalyst.kubernetes("/api/v1/namespaces");
  return body.items.map((item) => item.metadata.name).filter((name) => name.startsWith("trial"));
};

test("pairs that come up are ready and answer, and are removed by the run that does not keep them", async () => {
  const kept = await validate("--keep", "site", "stack");
  assert.equal(kept.code, 0, kept.stdout + kept.stderr);
  for (const [name, kind, text] of [["site", "zero-config", "the site"], ["stack", "docker-compose", "the stack"]]) {
    const [, url] = kept.stdout.match(new RegExp(`^${name} +${kind} +Ready +[0-9.]+  (http\\S+)$`, "m")) ?? assert.fail(kept.stdout);
    assert.equal((await visit(url)).text.trim(), text);
  }
  // The web side has a row of none of them, and leaves them alone.
  assert.deepEqual(await namespaces(), ["trial", "trial-site", "trial-site-validate", "trial-stack", "trial-stack-validate"]);

  const again = await validate("site", "stack");
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.deepEqual(await namespaces(), []);
});

test("one that does not come up fails all of it with its reason, and nothing is left", async () => {
  const { code, stdout, stderr } = await validate("site", "lost");
  assert.equal(code, 1, stdout + stderr);
  assert.match(stdout, /^site +zero-config +Ready /m);
  assert.match(stdout, /^lost +docker-compose +Failed /m);
  assert.match(stdout, /^lost:\n +BuildReady, \w+: .*nowhere/m);
  assert.match(stderr, /^error: 1 of 2 is not ready: lost$/m);
  assert.deepEqual(await namespaces(), []);
});

test("what is asked for wrongly is told before anything is made", async () => {
  const unknown = await validate("shop");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /there is no pair "shop"; there is lost, site, stack/);
  await catalyst.command("project", "create", "--team", "trial", "--name", "site", "--repository", "acme/site");
  const foreign = await validate("site");
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /Project trial\/site is there already, and `catalyst validate` did not make it/);
});

test("Ctrl-C ends it, and what was made is removed", async () => {
  const child = spawn(binary, [...options(), "stack"], { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (output += piece));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await until("the Environment is there", 60, async () => {
    const path = "/apis/catalyst.catalyst.dev/v1alpha1/namespaces/trial-stack/environments/validate";
    return (await catalyst.kubernetes(path)).status === 200;
  });
  child.kill("SIGINT");
  assert.equal(await ended, 1, output);
  assert.match(output, /error: interrupted/);
  // The team's namespace holds a Project of somebody else's.
  assert.deepEqual(await namespaces(), ["trial"]);
});
