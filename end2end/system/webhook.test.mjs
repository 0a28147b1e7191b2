// GitHub's own example payloads, forgeries, and the same delivery many times.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { Catalyst, Repository } from "./catalyst.mjs";

const examples = createRequire(import.meta.url)("../github-fixtures/node_modules/@octokit/webhooks-examples");

let catalyst;
before(async () => (catalyst = await Catalyst.start()));
after(() => catalyst?.stop());

test("every one of GitHub's example payloads is taken when signed, and refused when not", async () => {
  let count = 0;
  for (const { name, examples: payloads } of examples) {
    for (const payload of payloads) {
      const signed = await catalyst.deliver(name, payload);
      assert.equal(signed.status, 200, `${name}: ${signed.text}`);
      const forged = await catalyst.deliver(name, payload, { secret: "not the secret of these tests" });
      assert.equal(forged.status, 401, name);
      count += 1;
    }
  }
  console.log(`${count} payloads`);
  assert.ok(count > 100);
  assert.doesNotMatch(catalyst.output, /panicked/);
});

test("the same delivery a hundred times at once has one effect", async () => {
  const repository = await Repository.create(catalyst, "once", async (folder) => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(`${folder}/index.html`, "once");
  });
  await repository.git("branch", "change-1");
  const sha = await repository.git("rev-parse", "change-1");
  const payload = repository.payload(1, "opened", "change-1", sha);
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 100 }, () => catalyst.deliver("pull_request", payload, { id })));
  assert.ok(answers.every((answer) => answer.status === 200));
  const fresh = answers.filter((answer) => !JSON.parse(answer.text).duplicate);
  assert.equal(fresh.length, 1);
  const environment = await repository.ready(1, sha);
  assert.equal(environment.metadata.generation, 1, "the Environment was written once");
  const { body } = await catalyst.kubernetes(`/api/v1/namespaces/${repository.namespace(1)}/pods?labelSelector=app%3Dweb`);
  assert.equal(body.items.length, 1);
});
