// Shells from the outside: who is let in, and that neither side can drown the other.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Catalyst, Repository, sleep, until } from "./catalyst.mjs";
import { Shell, handshake, running, signIn } from "./shell.mjs";

let catalyst, cookie, place;
before(async () => {
  catalyst = await Catalyst.start();
  cookie = await signIn(catalyst);
  const repository = await Repository.create(catalyst, "shells", (folder) => writeFileSync(`${folder}/index.html`, "x"));
  place = await running(catalyst, repository);
});
after(() => catalyst?.stop());

/** Resident memory of the server alone, in MiB. */
const memory = () => Number(readFileSync(`/proc/${catalyst.child.pid}/status`, "utf8").match(/RssAnon:\s+(\d+)/)[1]) / 1024;

test("a WebSocket from a foreign, a sibling or no page at all is refused before it is made", async () => {
  const path = `/api/ws/exec/${place.namespace}/${place.pod}`;
  const ask = (origin, more = {}) => handshake(catalyst, path, { cookie, ...(origin && { origin }), ...more });
  const sibling = `http://${place.namespace}.localhost:${catalyst.ingress}`;
  for (const origin of [undefined, "null", "https://evil.example", sibling, "http://127.0.0.1:1", `${catalyst.url}.evil.example`]) {
    assert.equal((await ask(origin)).status, 403, `${origin}`);
  }
  assert.equal((await ask(catalyst.url)).status, 101);
  assert.equal((await ask(catalyst.url, { cookie: "catalyst=none" })).status, 401);
});

test("what is not there is told before the connection is made, in words", async () => {
  const { namespace, pod } = place;
  for (const [path, status, words] of [
    [`/api/ws/exec/nowhere/${pod}`, 404, /no preview/],
    [`/api/ws/exec/kube-system/${pod}`, 404, /no preview/],
    [`/api/ws/exec/${namespace}/no-pod`, 404, /no pod/],
    [`/api/ws/exec/${namespace}/${pod}?container=none`, 404, /no container/],
    [`/api/ws/exec/${namespace}/${pod}?container=git-clone`, 403, /Catalyst's/],
    [`/api/ws/exec/${namespace}/${pod}?shell=sh%3B%20id`, 400, /shell/],
  ]) {
    const answer = await handshake(catalyst, path, { cookie, origin: catalyst.url });
    assert.equal(answer.status, status, path);
    assert.match(answer.text, words);
  }
  const plain = await fetch(`${catalyst.url}/api/ws/exec/${namespace}/${pod}`, { headers: { cookie } });
  assert.equal(plain.status, 426, "the same address says to a page that it may");
});

test("a shell is typed into, and its end has a code and words", async () => {
  const shell = await Shell.open(catalyst, cookie, place.namespace, place.pod);
  shell.type("echo $((6*7)); tty; exit 3\n");
  await shell.shows("42\r\n/dev/pts/");
  assert.deepEqual(await shell.closed, { code: 1000, reason: "The shell ended with exit code 3." });
  assert.deepEqual(shell.end, { end: "exited", message: "The shell ended with exit code 3." });
  const none = await Shell.open(catalyst, cookie, place.namespace, place.pod, { query: "shell=no-such-shell" });
  assert.equal((await none.closed).code, 1000);
  assert.match(none.end.message, /exit code 127/);
});

test("signing out closes the shells of that session and of no other", async () => {
  const other = await signIn(catalyst);
  const [mine, theirs] = [
    await Shell.open(catalyst, cookie, place.namespace, place.pod),
    await Shell.open(catalyst, other, place.namespace, place.pod),
  ];
  const began = Date.now();
  await fetch(`${catalyst.url}/sign-out`, { method: "POST", redirect: "manual", headers: { cookie: other, origin: catalyst.url } });
  assert.deepEqual(await theirs.closed, { code: 4001, reason: "You signed out." });
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`);
  mine.type("echo st''ill\n");
  await mine.shows("still");
  mine.close();
});

test("a flood that nobody takes neither grows the server nor keeps Ctrl-C from being heard", async () => {
  const slow = await Shell.open(catalyst, cookie, place.namespace, place.pod, { take: false, keep: false });
  const fine = await Shell.open(catalyst, cookie, place.namespace, place.pod);
  fine.type("echo re''ady\n");
  await fine.shows("ready");
  slow.type("cat /dev/zero | base64\n");
  await until("the flood has filled its window", 20, () => slow.received >= 128 * 1024);
  const before = memory();
  await sleep(5000);
  const grown = memory() - before;
  console.log(`a stalled flood: ${slow.received} bytes under way, the server grew by ${grown.toFixed(1)} MiB in 5 s`);
  assert.ok(slow.received < 256 * 1024, `${slow.received} bytes were sent`);
  assert.ok(grown < 16, `${grown} MiB`);
  fine.type("echo unaff''ected\n");
  await fine.shows("unaffected", 10);

  // It takes slowly now: 100 kB a second.
  slow.keep = true;
  const taking = setInterval(() => slow.acknowledge(10_000), 100);
  const asked = Date.now();
  slow.type("\x03");
  slow.type("echo ans''wered\n");
  await slow.shows("answered", 30);
  clearInterval(taking);
  console.log(`Ctrl-C on a viewer of 100 kB/s answered after ${Date.now() - asked} ms`);
  fine.close();
  slow.close();
  assert.equal(catalyst.child.exitCode, null);
});

test("when Catalyst stops, each shell is told", async () => {
  const shell = await Shell.open(catalyst, cookie, place.namespace, place.pod);
  catalyst.child.kill("SIGTERM");
  const { code, reason } = await shell.closed;
  assert.equal(code, 1001);
  assert.match(reason, /stopped or updated/);
  await catalyst.exited;
});
