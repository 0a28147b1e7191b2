// `catalyst validate`: Catalyst by its own chart, a Rails application by its compose file and a Next.js
// application without configuration come up from one repository, and are removed; a broken pair is told.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Repository, binary, until } from "../system/catalyst.mjs";
import { builds as areBuilt, image, json, visit } from "./kubernetes.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Runs it; how it ended and what it said. */
const validate = (repository, ...args) =>
  new Promise((resolve) => {
    const all = ["validate", "--repository", repository.catalyst.cloneUrl(repository), ...args];
    execFile(binary, all, { timeout: 900_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
const left = async () => {
  const { items } = await json("get", "namespaces");
  return items.map((item) => item.metadata.name).filter((name) => name.startsWith("northstar"));
};
const shows = (url, pattern, seconds = 30) =>
  until(`${url} shows ${pattern}`, seconds, async () => {
    const { status, text } = await visit(url, { timeout: 30_000 });
    return status === 200 && pattern.test(text);
  });

/** Catalyst's own repository, as far as the pairs need it. */
async function northstar(catalyst) {
  const repository = new Repository();
  const folder = mkdtempSync(join(catalyst.folder, "northstar-"));
  Object.assign(repository, { catalyst, folder, name: "acme/northstar" });
  await repository.git("init", "--quiet", "--initial-branch=main");
  for (const path of ["examples", "charts/catalyst"]) cpSync(join(root, path), join(folder, path), { recursive: true });
  // The real one compiles Catalyst, of images that cannot be pulled everywhere.
  repository.write("Dockerfile", `FROM ${image}\nEXPOSE 3000\n`);
  await repository.commit("First commit");
  await catalyst.publish(repository);
  return repository;
}

export function validates(suite) {
  const skip = !areBuilt && "this cluster has no registry to push to";

  test("catalyst validate brings up Catalyst, Rails and Next.js, each answers, and nothing is left in the end", { skip }, async () => {
    const repository = await northstar(suite.catalyst);
    const kept = await validate(repository, "--keep");
    assert.equal(kept.code, 0, kept.stdout + kept.stderr);
    const table = kept.stdout.slice(kept.stdout.indexOf("NAME"));
    for (const line of table.split("\n\n")[0].trim().split("\n")) console.log(`FIGURE ${line}`);
    const url = (name) => table.match(new RegExp(`^${name} .* Ready .*  (https://\\S+)$`, "m"))?.[1] ?? assert.fail(table);
    await shows(`${url("catalyst")}api/health/readiness`, /"ok"/);
    // It knows its own address, as it refuses requests for others.
    await shows(`${url("catalyst")}sign-in`, /Catalyst/);
    await shows(url("rails"), /PostgreSQL keeps 1, Redis counts 1/);
    await shows(url("rails"), /PostgreSQL keeps 2, Redis counts 2/);
    await shows(url("nextjs"), /<h1>Next\.js<\/h1>/, 90);

    const asked = Date.now();
    const again = await validate(repository);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    console.log(`FIGURE validated again and removed in ${Date.now() - asked} ms`);
    assert.deepEqual(await left(), []);
  });

  test("catalyst validate fails with the reason of a pair that does not come up", { skip }, async () => {
    const repository = await northstar(suite.catalyst);
    const pairs = join(suite.catalyst.folder, "pairs");
    mkdirSync(pairs, { recursive: true });
    const broken = { type: "helm", path: "charts/catalyst", values: { url: "nowhere" } };
    const documents = [
      {
        ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Project", metadata: { name: "broken", namespace: "northstar" } },
        spec: { sources: [{ name: "primary", repositoryUrl: "", branch: "main" }], templates: { development: broken } },
      },
      {
        ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Environment", metadata: { name: "validate" } },
        spec: { projectRef: { name: "broken" }, type: "development" },
      },
    ];
    writeFileSync(join(pairs, "broken.yaml"), documents.map((document) => JSON.stringify(document)).join("\n---\n"));
    const { code, stdout, stderr } = await validate(repository, "--folder", pairs);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stdout, /^broken +helm +Failed /m);
    assert.match(stdout, /BuildReady, NotRendered: .*\/url/);
    assert.match(stderr, /error: 1 of 1 is not ready: broken/);
    assert.deepEqual(await left(), []);
  });
}
