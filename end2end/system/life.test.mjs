// A pull request becomes a preview, is pushed to, and goes.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Catalyst, Repository, sleep, visit } from "./catalyst.mjs";

let catalyst;
before(async () => (catalyst = await Catalyst.start()));
after(() => catalyst?.stop());

const page = (repository, text) => () => repository.write("index.html", `<!doctype html><title>${text}</title>`);

/** Processes of this machine whose command line, folder or environment names `text`. */
function processesThatName(text) {
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(join("/proc", pid, "cmdline"), "utf8");
      const folder = readlinkSync(join("/proc", pid, "cwd"));
      if (`${command} ${folder}`.includes(text)) found.push(`${pid} ${command.replaceAll("\0", " ")}`);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Files below `folder` whose path names `text`. */
function filesThatName(folder, text) {
  return readdirSync(folder, { recursive: true }).filter((path) => path.includes(text));
}

test("a pull request's own code answers within seconds, a push replaces it without a failed request, and closing leaves nothing", async () => {
  const repository = await Repository.create(catalyst, "tiny", async (folder) => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(join(folder, "index.html"), "main");
  });
  const opened = Date.now();
  const first = await repository.push(1, "opened", page(repository, "first"));
  let seen;
  while (!seen) {
    const answer = await visit(repository.url(1)).catch(() => ({}));
    if (answer.status === 200) seen = answer;
    else if (Date.now() - opened > 30_000) throw new Error(`no answer within 30 s\n${catalyst.output.slice(-4000)}`);
    else await sleep(20);
  }
  console.log(`first 200 ${Date.now() - opened} ms after the webhook`);
  assert.match(seen.text, /first/);
  await repository.ready(1, first);

  // A client asks every 50 ms, from before the push until the new page has been seen for a while.
  const statuses = [];
  let last = "";
  let asking = true;
  const client = (async () => {
    while (asking) {
      const answer = await visit(repository.url(1)).catch((error) => ({ status: error.message, text: "" }));
      statuses.push(answer.status);
      last = answer.text;
      await sleep(50);
    }
  })();
  const pushed = Date.now();
  const second = await repository.push(1, "synchronize", page(repository, "second"));
  await repository.ready(1, second);
  console.log(`pushed commit ready after ${Date.now() - pushed} ms`);
  await sleep(3000);
  asking = false;
  await client;
  assert.match(last, /second/);
  assert.deepEqual([...new Set(statuses)], [200], `${statuses.length} requests`);
  console.log(`${statuses.length} requests during the push, all 200`);

  const namespace = repository.namespace(1);
  const closed = Date.now();
  await repository.event(1, "closed");
  await repository.gone(1, 10);
  console.log(`gone ${Date.now() - closed} ms after the webhook`);
  assert.deepEqual(processesThatName(namespace), []);
  assert.deepEqual(filesThatName(join(catalyst.data, "cluster"), namespace), []);
  assert.notEqual((await visit(repository.url(1))).status, 200);
});
