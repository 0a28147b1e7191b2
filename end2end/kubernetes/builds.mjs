// Repositories with a Dockerfile: built, pushed, run, pushed to, and gone.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";

import { sleep, until } from "../system/catalyst.mjs";
import { builds as areBuilt, json, kubectl, registry } from "./kubernetes.mjs";

const dockerfile = (more = "") => `
# syntax=docker/dockerfile:1
FROM node:22 AS build
WORKDIR /srv
COPY package.json .
RUN echo installed > /srv/installed
${more}
FROM build
COPY server.js .
USER 1000
EXPOSE 3000
CMD ["node", "server.js"]
`;
const server = (text) => `
  const installed = require("node:fs").readFileSync("/srv/installed", "utf8").trim();
  require("node:http").createServer((request, response) => response.end(installed + " ${text}")).listen(3000);`;

const jobs = async (within) =>
  (await json("get", "jobs", "-n", within, "-l", "catalyst.dev/job-type=build")).items.filter((job) => !job.metadata.deletionTimestamp);
const failed = (catalyst, repository, number, sha) =>
  until("the preview has failed", 90, async () => {
    const { body } = await catalyst.environmentOf(repository, number);
    const current = body.status?.conditions.find((c) => c.type === "Ready" && c.observedGeneration === body.metadata.generation);
    return body.spec.sources[0].commitSha === sha && body.status.phase === "Failed" && current && body;
  });

export function builds(suite) {
  const skip = !areBuilt && "this cluster has no registry to push to";

  test("a repository with a Dockerfile is built, pushed to the registry and run, and its parts are not built twice", { skip }, async () => {
    const { catalyst, create, reached } = suite;
    const repository = await create("dockerfile");
    const within = repository.namespace(1);
    const write = (text) => () => {
      repository.write("Dockerfile", dockerfile());
      repository.write("server.js", server(text));
    };
    const opened = Date.now();
    const first = await repository.push(1, "opened", write("first"));
    await repository.ready(1, first, 120);
    console.log(`FIGURE webhook to Ready with an image that is built, cold: ${Date.now() - opened} ms`);
    await reached(repository.url(1), "installed first", 10);

    const [pod] = (await json("get", "pods", "-n", within, "-l", "app=web")).items;
    assert.match(pod.spec.containers[0].image, new RegExp(`^${registry}/dockerfile/web-preview-1:${first}@sha256:[0-9a-f]{64}$`));
    const [job] = await jobs(within);
    const spec = job.spec.template.spec;
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.containers.map(({ securityContext }) => securityContext.capabilities), [{ drop: ["ALL"] }]);
    // The build's log is shown like others'.
    const page = await catalyst.get("/preview-environments");
    const id = page.text.match(new RegExp(`preview-environments/([0-9a-f-]{36})"[^]*?${within}|${within}[^]*?preview-environments/([0-9a-f-]{36})`));
    assert.ok(id, "the list shows the preview");

    // Asked for again, it is there already.
    await kubectl("annotate", "environment", "preview-1", "-n", `${repository.team}-${repository.project}`, "catalyst.dev/retry=again", "--overwrite");
    const again = Date.now();
    await until("the retry was seen", 30, async () => {
      const { body } = await catalyst.environmentOf(repository, 1);
      return body.metadata.annotations["catalyst.dev/observed-retry"] === "again" && body.status.phase === "Ready";
    });
    console.log(`FIGURE a retry of what is built already: ${Date.now() - again} ms`);
    assert.deepEqual((await jobs(within)).map((one) => one.metadata.uid), [job.metadata.uid]);

    const pushed = Date.now();
    await repository.ready(1, await repository.push(1, "synchronize", write("second")), 120);
    console.log(`FIGURE push to Ready with an image that is built, warm: ${Date.now() - pushed} ms`);
    await reached(repository.url(1), "installed second", 10);
    const [newest] = await jobs(within);
    const log = await kubectl("logs", `job/${newest.metadata.name}`, "-n", within, "-c", "buildctl");
    assert.match(log, /RUN echo installed > \/srv\/installed\n#\d+ CACHED/);

    // Closed and reopened, it runs the image that it had.
    const had = (await json("get", "deployment", "web", "-n", within)).spec.template.spec.containers[0].image;
    await repository.event(1, "closed");
    await repository.gone(1, 120);
    const reopened = Date.now();
    await repository.ready(1, await repository.event(1, "reopened"), 120);
    console.log(`FIGURE reopened to Ready with an image that was built before: ${Date.now() - reopened} ms`);
    await reached(repository.url(1), "installed second", 10);
    assert.equal((await json("get", "deployment", "web", "-n", within)).spec.template.spec.containers[0].image, had);
    assert.deepEqual(await jobs(within), []);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a Dockerfile that fails is told with what failed, what ran before goes on, and a correction is built", { skip }, async () => {
    const { catalyst, create, reached } = suite;
    const repository = await create("failing");
    const write = (text, more) => () => {
      repository.write("Dockerfile", dockerfile(more));
      repository.write("server.js", server(text));
    };
    await repository.ready(1, await repository.push(1, "opened", write("good")), 120);
    const bad = await repository.push(1, "synchronize", write("bad", "RUN echo this is missing; exit 7"));
    const body = await failed(catalyst, repository, 1, bad);
    const said = body.status.conditions.find((c) => c.type === "BuildReady");
    assert.equal(said.reason, "ImageBuildFailed");
    assert.match(said.message, /Dockerfile.*exit code: 7/);
    await until("the comment says so", 20, async () => (await catalyst.comments(repository, 1)).some((text) => text.includes("exit code: 7")));
    await reached(repository.url(1), "installed good", 10);
    await repository.ready(1, await repository.push(1, "synchronize", write("better")), 120);
    await reached(repository.url(1), "installed better", 10);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a push stops the build that is under way within five seconds", { skip }, async () => {
    const { create, reached } = suite;
    const repository = await create("hurried");
    const within = repository.namespace(1);
    const write = (text, more) => () => {
      repository.write("Dockerfile", dockerfile(more));
      repository.write("server.js", server(text));
    };
    await repository.push(1, "opened", write("slow", "RUN sleep 120"));
    await until("the build runs", 60, async () => {
      const { items } = await json("get", "pods", "-n", within, "-l", "catalyst.dev/job-type=build");
      return items.some((pod) => pod.status.containerStatuses?.some((container) => container.state.running));
    });
    await sleep(2000);
    const [slow] = await jobs(within);
    const sha = await repository.push(1, "synchronize", write("quick"));
    const pushed = Date.now();
    await until("the build is stopped", 20, async () => {
      const { items } = await json("get", "pods", "-n", within, "-l", `batch.kubernetes.io/job-name=${slow.metadata.name}`);
      return items.length === 0;
    });
    const stopped = Date.now() - pushed;
    console.log(`FIGURE push to the older build's end ${stopped} ms`);
    assert.ok(stopped < 5000, `stopped after ${stopped} ms`);
    await repository.ready(1, sha, 120);
    await reached(repository.url(1), "installed quick", 10);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a compose file's service is built where it says so", { skip }, async () => {
    const { create, reached } = suite;
    const repository = await create("composed-build");
    const write = (text) => () => {
      mkdirSync(`${repository.folder}/web`, { recursive: true });
      repository.write("web/Dockerfile", `FROM node:22\nARG SAYS\nRUN echo "$SAYS" > /says\nCOPY server.js /\nEXPOSE 3000\nCMD ["node", "/server.js"]\n`);
      repository.write("web/server.js", `require("node:http").createServer((q, a) => a.end(require("node:fs").readFileSync("/says") + "${text}")).listen(3000);`);
      repository.write("compose.yaml", "services:\n  web:\n    build: { context: web, args: { SAYS: 'it, says' } }\n    ports: ['3000:3000']\n");
    };
    await repository.ready(1, await repository.push(1, "opened", write("one")), 120);
    await reached(repository.url(1), "it, says\none", 20);
    await repository.ready(1, await repository.push(1, "synchronize", write("two")), 120);
    await reached(repository.url(1), "it, says\ntwo", 20);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });
}

/** By itself, as it gives Catalyst other settings. */
export function kaniko(suite) {
  const skip = !areBuilt && "this cluster has no registry to push to";

  test("a pod that builds by Kaniko is admitted where previews run", { skip }, async () => {
    const { catalyst, create } = suite;
    const repository = await create("kaniko");
    const write = () => repository.write("Dockerfile", dockerfile());
    await catalyst.helm("upgrade", { "builds.engine": "kaniko", "builds.image": "" });
    await repository.push(1, "opened", write);
    const pod = await until("its pod is there", 60, async () => {
      const { items } = await json("get", "pods", "-n", repository.namespace(1), "-l", "catalyst.dev/job-type=build");
      return items[0];
    });
    assert.match(pod.spec.containers[0].image, /kaniko/);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
    await catalyst.helm("upgrade");
  });
}
