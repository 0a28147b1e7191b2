// Fifty pull requests at once.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import assert from "node:assert/strict";

import { Catalyst, Repository, visit } from "./catalyst.mjs";

const COUNT = 50;

let catalyst;
before(async () => (catalyst = await Catalyst.start()));
after(() => catalyst?.stop());

/** Resident memory in MiB: of the server alone, and with all its descendants. */
function memory(pid) {
  const parents = new Map();
  const resident = new Map();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${entry}/status`, "utf8");
      parents.set(entry, status.match(/PPid:\s+(\d+)/)[1]);
      resident.set(entry, Number(status.match(/RssAnon:\s+(\d+)/)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended meanwhile.
    }
  }
  const descends = (entry) => {
    for (let at = entry; at && at !== "0"; at = parents.get(at)) if (at === String(pid)) return true;
    return false;
  };
  const all = [...resident].filter(([entry]) => descends(entry));
  return { own: resident.get(String(pid)), all: all.reduce((sum, [, mib]) => sum + mib, 0), processes: all.length };
}

test(`${COUNT} pull requests opened at once all get ready, and all go`, async () => {
  const repository = await Repository.create(catalyst, "busy", (folder) => writeFileSync(`${folder}/index.html`, "main"));
  const shas = [];
  for (let number = 1; number <= COUNT; number += 1) {
    await repository.git("checkout", "--quiet", "-B", `change-${number}`, "main");
    repository.write("index.html", `page ${number}`);
    await repository.commit(`Page ${number}`);
    shas[number] = await repository.git("rev-parse", "HEAD");
  }
  await repository.git("checkout", "--quiet", "main");
  const numbers = Array.from({ length: COUNT }, (_, index) => index + 1);

  const opened = Date.now();
  await Promise.all(numbers.map((number) => repository.event(number, "opened")));
  console.log(`${COUNT} webhooks answered after ${Date.now() - opened} ms`);
  const took = await Promise.all(
    numbers.map(async (number) => {
      await repository.ready(number, shas[number], 180);
      return Date.now() - opened;
    }),
  );
  took.sort((a, b) => a - b);
  console.log(`ready: first ${took[0]} ms, median ${took[COUNT / 2]} ms, last ${took.at(-1)} ms`);
  for (const number of numbers) {
    const answer = await visit(repository.url(number));
    assert.equal(answer.status, 200);
    assert.match(answer.text, new RegExp(`^page ${number}$`));
  }
  const { own, all, processes } = memory(catalyst.child.pid);
  console.log(`memory: ${own.toFixed(0)} MiB the server, ${all.toFixed(0)} MiB with all ${processes} processes`);

  const closed = Date.now();
  await Promise.all(numbers.map((number) => repository.event(number, "closed")));
  await Promise.all(numbers.map((number) => repository.gone(number, 120)));
  console.log(`all gone ${Date.now() - closed} ms after closing`);
  const { processes: left } = memory(catalyst.child.pid);
  assert.equal(left, 1, execFileSync("ps", ["-ef", "--forest"], { encoding: "utf8" }));
});
