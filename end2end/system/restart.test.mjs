// kill -9 in the middle of things.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Catalyst, Repository, sleep, until, visit } from "./catalyst.mjs";

let catalyst;
before(async () => (catalyst = await Catalyst.start()));
after(() => catalyst?.stop());

// Each wait lands in another step: stored, decided, inspected, starting.
for (const [number, wait] of [0, 150, 400, 900].entries()) {
  test(`killed ${wait} ms into a deployment and into its cleanup, it finishes both after a restart`, async () => {
    const repository = await Repository.create(catalyst, `killed-${number}`, (folder) =>
      writeFileSync(`${folder}/index.html`, `survivor ${number}`),
    );
    const sha = await repository.push(1, "opened");
    await sleep(wait);
    await catalyst.kill();
    await catalyst.resume();
    await repository.ready(1, sha, 30);
    const answer = await until("the page answers", 10, async () => {
      const answer = await visit(repository.url(1));
      return answer.status === 200 && answer;
    });
    assert.match(answer.text, new RegExp(`survivor ${number}`));

    await repository.event(1, "closed");
    await sleep(wait);
    await catalyst.kill();
    await catalyst.resume();
    await repository.gone(1, 30);
  });
}
