// What can go wrong on the way to an image: each is told on the page and in the comment, with what to do,
// and comes up by a retry once the cause is gone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { until } from "../system/catalyst.mjs";
import { builds as areBuilt, json, kubectl, registry, tools } from "./kubernetes.mjs";
import { isTold, retry } from "./told.mjs";

const dockerfile = (more = "") => `FROM node:22\n${more}\nCOPY server.js /\nEXPOSE 3000\nCMD ["node", "/server.js"]\n`;
const server = `require("node:http").createServer((request, response) => response.end("it runs")).listen(3000);`;

// In the registry's place: it refuses the projects whose names say so, and passes on all else.
const front = `
  const http = require("node:http");
  const refuse = (response, status, code, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ errors: [{ code, message: "requested access to the resource is not allowed" }] }));
  };
  http.createServer((request, response) => {
    const [, project] = request.url.match(/^\\/v2\\/([^/]+)\\//) ?? [];
    const reads = ["GET", "HEAD"].includes(request.method);
    if (project === "locked") return refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="registry"' });
    if (project === "denied" && !reads) return refuse(response, 403, "DENIED");
    if (project === "silent") return request.socket.destroy();
    const { method, url: path, headers } = request;
    const onwards = http.request({ host: process.argv[1], port: 5000, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onwards.on("error", () => response.destroy());
    request.pipe(onwards);
  }).listen(5000);`;

const slice = ["endpointslice", "registry", "-n", "default"];
const leadTo = (address) => kubectl("patch", ...slice, "--type=merge", `--patch=${JSON.stringify({ endpoints: [{ addresses: [address] }] })}`);

export function failures(suite) {
  const isOurs = areBuilt && registry.startsWith("registry.default.svc.");
  const skip = !isOurs && "this cluster's registry cannot be replaced";

  /** Opens a pull request with these files, and waits until it is told everywhere that it failed, and how. */
  async function fails(repository, said, files) {
    const sha = await repository.push(1, "opened", () => Object.entries(files).forEach(([path, text]) => repository.write(path, text)));
    await isTold(suite, repository, said, 120);
    return sha;
  }

  async function comesUp(repository, sha) {
    await until("it is ready", 150, async () => {
      const { body } = await suite.catalyst.environmentOf(repository, 1);
      return body.spec.sources[0].commitSha === sha && body.status.phase === "Ready";
    });
    await suite.reached(repository.url(1), "it runs", 20);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  }

  describe("what goes wrong on the way to an image", { skip, concurrency: true }, () => {
    let address;
    let restored;
    const restore = () => (restored ??= leadTo(address));
    before(async () => {
      [address] = (await json("get", ...slice)).endpoints[0].addresses;
      const container = { name: "front", image: tools, command: ["node", "-e", front, address] };
      await suite.catalyst.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "front", namespace: "default" }, spec: { containers: [container] } });
      await kubectl("wait", "pod/front", "-n", "default", "--for=condition=Ready", "--timeout=60s");
      await leadTo((await json("get", "pod", "front", "-n", "default")).status.podIP);
    });
    after(async () => {
      await restore();
      await kubectl("delete", "pod", "front", "-n", "default", "--grace-period=1");
    });

    test("a registry that wants credentials, denies a push or hangs up is told with what to do, and a retry builds", async () => {
      const cases = [
        ["locked", /refuses what is pushed: put credentials.*registry-credentials of the namespace acme/],
        ["denied", /refuses what is pushed: put credentials.*registry-credentials of the namespace acme/],
        ["silent", /cannot be reached.*CATALYST_BUILD_REGISTRY/],
      ];
      const failed = await Promise.all(
        cases.map(async ([name, said]) => {
          const repository = await suite.create(name);
          return [repository, await fails(repository, said, { Dockerfile: dockerfile(), "server.js": server })];
        }),
      );
      await restore();
      await Promise.all(failed.map(async ([repository, sha]) => (await retry(suite, repository), comesUp(repository, sha))));
    });

    test("a build that never ends is ended and says so, and a push that does not comes up", async () => {
      const repository = await suite.create("endless");
      const within = repository.namespace(1);
      const failing = fails(repository, /did not end in time.*CATALYST_DEPLOY_DEADLINE_MINUTES/, { Dockerfile: dockerfile("RUN sleep 100000"), "server.js": server });
      const job = await until("it is being built", 60, async () => {
        const { items } = await json("get", "pods", "-n", within, "-l", "catalyst.dev/job-type=build");
        return items.some((pod) => pod.status.containerStatuses?.some(({ state }) => state.running)) && items[0].metadata.labels["batch.kubernetes.io/job-name"];
      });
      // Its deadline is now.
      await kubectl("patch", "job", job, "-n", within, "--type=merge", '--patch={"spec":{"activeDeadlineSeconds":1}}');
      await failing;
      const sha = await repository.push(1, "synchronize", () => repository.write("Dockerfile", dockerfile()));
      await comesUp(repository, sha);
    });

    test("a repository that is gone says so and what to look at, and a retry finds it once it is back", async () => {
      const repository = await suite.create("vanished");
      await repository.commitTo(1, true);
      await suite.catalyst.hide(repository, true);
      const sha = await repository.event(1, "opened");
      await isTold(suite, repository, /cannot be fetched from.*not found; check the URL in the Project/, 200).finally(() => suite.catalyst.hide(repository, false));
      await retry(suite, repository);
      await until("it is ready", 90, async () => (await suite.catalyst.environmentOf(repository, 1)).body.status.phase === "Ready");
      await suite.reached(repository.url(1), "main", 20);
      assert.equal((await suite.catalyst.environmentOf(repository, 1)).body.spec.sources[0].commitSha, sha);
      await repository.event(1, "closed");
      await repository.gone(1, 120);
    });

    test("an image that the registry has no more is built anew by a retry", async () => {
      const repository = await suite.create("forgotten");
      const within = repository.namespace(1);
      const write = () => (repository.write("Dockerfile", dockerfile()), repository.write("server.js", server));
      const sha = await repository.push(1, "opened", write);
      await repository.ready(1, sha, 120);
      const record = await json("get", "configmap", "catalyst-built-web", "-n", within);
      const lost = record.data.is.replace(/sha256:[0-9a-f]{64}/, `sha256:${"0".repeat(64)}`);
      await kubectl("patch", "configmap", "catalyst-built-web", "-n", within, "--type=merge", `--patch=${JSON.stringify({ data: { is: lost } })}`);
      await until("it cannot be pulled", 150, async () => {
        const { body } = await suite.catalyst.environmentOf(repository, 1);
        return body.status.phase === "Failed" && body.status.conditions.find((c) => c.type === "Ready").message.includes("cannot be pulled");
      });
      await suite.reached(repository.url(1), "it runs", 10);
      await until("the row has failed", 20, async () => JSON.parse((await suite.catalyst.get(`/api/fn/preview?id=${within}`)).text).summary.status === "failed");
      await retry(suite, repository);
      await comesUp(repository, sha);
    });
  });
}
