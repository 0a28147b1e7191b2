// What is said of a pull request that went wrong, wherever it is said.
import assert from "node:assert/strict";

import { until } from "../system/catalyst.mjs";

/** Waits until a pull request's preview has failed in these words: in its status, the comment and the page's data. */
export async function isTold({ catalyst }, repository, said, seconds, phase = "Failed") {
  const within = repository.namespace(1);
  const message = await until(`it is ${phase}`, seconds, async () => {
    const { body } = await catalyst.environmentOf(repository, 1);
    const ready = body.status?.conditions.find((c) => c.type === "Ready" && c.observedGeneration === body.metadata.generation);
    return body.status?.phase === phase && ready?.message.match(said) && ready.message;
  });
  console.log(`${repository.project}: ${message}`);
  // The first words of what is to be done, which Markdown and HTML leave as they are.
  await until("the comment says so", 20, async () => (await catalyst.comments(repository, 1)).some((text) => said.test(text)));
  await until("the page's data says so", 20, async () => said.test(JSON.stringify(JSON.parse((await catalyst.get(`/api/fn/preview?id=${within}`)).text))));
}

/** Retries a pull request's preview as a person does it, on the page. */
export async function retry({ catalyst }, repository) {
  const { summary } = JSON.parse((await catalyst.get(`/api/fn/preview?id=${repository.namespace(1)}`)).text);
  const answer = await catalyst.post("/api/fn/retry-preview", { id: summary.id });
  assert.equal(answer.status, 200, answer.text);
}
