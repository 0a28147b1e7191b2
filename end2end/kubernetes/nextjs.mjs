// A Next.js app with nothing said about it: run from its source, and built into an image by the Dockerfile that
// is made for it. Its packages come from npm's registry.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { Repository, until } from "../system/catalyst.mjs";
import { builds as areBuilt, json, kubectl } from "./kubernetes.mjs";

const packages = {
  ...{ name: "site", private: true, scripts: { dev: "next dev", build: "next build", start: "next start" } },
  dependencies: { next: "^15.5.0", react: "^19.0.0", "react-dom": "^19.0.0" },
};
const layout = "export default function Layout({ children }) { return <html lang=\"en\"><body>{children}</body></html>; }\n";
const page = (text) => `export default function Page() { return <h1>${text}</h1>; }\n`;

/** As a person runs it in production: an Environment by hand, beside a pull request's. */
const production = (repository, commitSha) => ({
  ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Environment" },
  metadata: {
    ...{ name: "production", namespace: `${repository.team}-${repository.project}` },
    labels: { "catalyst.dev/team": repository.team, "catalyst.dev/project": repository.project, "catalyst.dev/environment": "production" },
  },
  spec: {
    ...{ projectRef: { name: repository.project }, type: "deployment", deploymentMode: "production" },
    sources: [{ name: "primary", commitSha, branch: "main" }],
  },
});

export function nextjs(suite) {
  const create = (name) =>
    Repository.create(suite.catalyst, name, (folder) => {
      mkdirSync(`${folder}/app`);
      writeFileSync(`${folder}/package.json`, JSON.stringify(packages));
      writeFileSync(`${folder}/app/layout.js`, layout);
      writeFileSync(`${folder}/app/page.js`, page("main"));
    });

  test("a Next.js app runs from its source, and a push shows", async () => {
    const { reached } = suite;
    const repository = await create("next-source");
    const url = repository.url(1);
    /** From `begin` to Ready and to the page, which is compiled when it is first asked for. */
    const measure = async (what, text, begin) => {
      const began = Date.now();
      await repository.ready(1, await begin(), 400);
      const ready = Date.now() - began;
      await reached(url, text, 90);
      console.log(`FIGURE Next.js from its source, ${what}: Ready after ${ready} ms, its page after ${Date.now() - began} ms`);
    };
    await measure("cold", "first", () => repository.push(1, "opened", () => repository.write("app/page.js", page("first"))));
    await measure("a push", "second", () => repository.push(1, "synchronize", () => repository.write("app/page.js", page("second"))));
    const pods = async () => (await json("get", "pods", "-n", repository.namespace(1), "-l", "app=web")).items.map(({ metadata }) => metadata.uid);
    const before = await pods();
    await measure("the same commit again", "second", () => repository.event(1, "synchronize"));
    assert.deepEqual(await pods(), before);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a Next.js app is built by a Dockerfile that is made for it, and a push is built anew", { skip: !areBuilt && "this cluster has no registry to push to" }, async () => {
    const { catalyst, reached } = suite;
    const repository = await create("next-built");
    const home = `${repository.team}-${repository.project}`;
    const url = catalyst.previewUrl(`${home}-production`);
    const labels = { "catalyst.dev/namespace-type": "project", "catalyst.dev/team": repository.team, "catalyst.dev/project": repository.project };
    await catalyst.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: home, labels } });
    const measure = async (what, text, change) => {
      await change?.();
      if (change) await repository.commit(text);
      await catalyst.publish(repository);
      const commit = await repository.git("rev-parse", "main");
      const began = Date.now();
      await catalyst.apply(production(repository, commit));
      await until("it is ready", 500, async () => {
        const { metadata, status, spec } = await json("get", "environment", "production", "-n", home);
        const ready = status?.conditions.find(({ type }) => type === "Ready");
        if (status?.phase === "Failed") throw new Error(ready.message);
        return ready?.status === "True" && ready.observedGeneration === metadata.generation && spec.sources[0].commitSha === commit;
      });
      const took = Date.now() - began;
      await reached(url, text, 30);
      console.log(`FIGURE Next.js built into an image, ${what}: Ready after ${took} ms`);
    };
    const remove = async () => {
      await kubectl("delete", "environment", "production", "-n", home, "--wait=false");
      await until("it is gone", 120, async () => (await kubectl("get", "namespace", `${home}-production`, "--ignore-not-found", "--output=name")).trim() === "");
    };
    await measure("cold", "main");
    await measure("a push", "second", () => repository.write("app/page.js", page("second")));
    await remove();
    await measure("the same commit again, after it was removed", "second");
    await remove();
  });
}
