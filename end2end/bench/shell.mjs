// Figures of shells and logs, on one machine: `CATALYST=target/debug/catalyst node end2end/bench/shell.mjs`.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync } from "node:zlib";

import { Catalyst, Repository, binary, sleep, until } from "../system/catalyst.mjs";
import { Shell, running, signIn } from "../system/shell.mjs";

const SHELLS = Number(process.env.SHELLS ?? 50);
const FOLLOWERS = Number(process.env.FOLLOWERS ?? 200);
const ECHOES = Number(process.env.ECHOES ?? 1000);
const FLOOD_SECONDS = 10;

const catalyst = await Catalyst.start();
/** Resident memory of the server alone, in MiB. */
const memory = () => Number(readFileSync(`/proc/${catalyst.child.pid}/status`, "utf8").match(/RssAnon:\s+(\d+)/)[1]) / 1024;
const say = (what, figure) => console.log(`FIGURE ${what}: ${figure}`);

try {
  const cookie = await signIn(catalyst);
  const repository = await Repository.create(catalyst, "bench", (folder) => {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "bench", version: "1.0.0", scripts: { dev: "node server.js" } }));
    writeFileSync(
      join(folder, "server.js"),
      `let n = 0; setInterval(() => console.log("line", ++n), 100);
require("node:http").createServer((_, r) => r.end("x")).listen(process.env.PORT || 3000);`,
    );
  });
  const { namespace, pod } = await running(catalyst, repository);
  const open = (options) => Shell.open(catalyst, cookie, namespace, pod, options);

  // A key is sent when the one before was printed, as a person waits for their own echo.
  const shell = await open();
  shell.type("stty -icanon; echo re''ady; cat > /dev/null\n");
  await shell.shows("ready\r\n");
  const times = [];
  for (let count = 0; count < ECHOES; count += 1) {
    const began = process.hrtime.bigint();
    await new Promise((seen) => {
      shell.onOutput = seen;
      shell.type("x");
    });
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  shell.onOutput = undefined;
  times.sort((a, b) => a - b);
  say("shell echo p50", `${times[Math.floor(times.length * 0.5)].toFixed(2)} ms`);
  say("shell echo p99", `${times[Math.floor(times.length * 0.99)].toFixed(2)} ms`);
  shell.close();

  const flood = await open({ keep: false });
  flood.type("cat /dev/zero | base64\n");
  await until("the flood", 20, () => flood.received > 1_000_000);
  const [from, began] = [flood.received, Date.now()];
  await sleep(FLOOD_SECONDS * 1000);
  say("through the shell", `${((flood.received - from) / 1e6 / ((Date.now() - began) / 1000)).toFixed(1)} MB/s`);
  const asked = Date.now();
  flood.keep = true;
  flood.type("\x03");
  flood.type("echo ans''wered\n");
  await flood.shows("answered");
  say("Ctrl-C in the flood answered after", `${Date.now() - asked} ms`);
  flood.close();

  const before = memory();
  const shells = [];
  for (let count = 0; count < SHELLS; count += 1) {
    const one = await open();
    shells.push(one);
  }
  for (const one of shells) one.type("echo re''ady\n");
  for (const one of shells) await one.shows("ready");
  const open50 = memory();
  say(`server memory with ${shells.length} shells`, `${open50.toFixed(0)} MiB, ${(open50 - before).toFixed(0)} more than before`);
  for (const one of shells) one.close();

  const page = await (await fetch(`${catalyst.url}/preview-environments`, { headers: { cookie } })).text();
  const id = page.match(/preview-environments\/([0-9a-f-]{36})/)[1];
  const idle = memory();
  const stop = new AbortController();
  let lines = 0;
  for (let count = 0; count < FOLLOWERS; count += 1) {
    const url = `${catalyst.url}/api/preview-environments/${id}/logs?follow=true&tailLines=100&pod=${pod}&container=app`;
    fetch(url, { headers: { cookie }, signal: stop.signal })
      .then(async (answer) => {
        for await (const piece of answer.body) lines += Buffer.from(piece).toString().split('"text"').length - 1;
      })
      .catch(() => {});
  }
  await until("all follow", 60, () => lines > FOLLOWERS * 20);
  await sleep(5000);
  say(`server memory with ${FOLLOWERS} log followers`, `${memory().toFixed(0)} MiB, ${(memory() - idle).toFixed(0)} more than before`);
  stop.abort();

  const site = join(dirname(binary), "site");
  const size = (path) => brotliCompressSync(readFileSync(join(site, path))).length;
  const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
  const first = ["pkg/catalyst.js", "pkg/catalyst_bg.wasm", "pkg/catalyst.css"].map(size);
  const list = brotliCompressSync(page).length;
  const fonts = [...page.matchAll(/\/fonts\/[\w.-]+/g)].map(([path]) => readFileSync(join(site, path)).length);
  const total = [...first, list, ...fonts].reduce((sum, bytes) => sum + bytes, 0);
  say("first load of the list (Brotli)", `${kib(total)}: script ${kib(first[0])}, wasm ${kib(first[1])}, style ${kib(first[2])}, page ${kib(list)}, font ${kib(fonts.reduce((a, b) => a + b, 0))}`);
  const terminal = ["terminal-start.js", "terminal.js", "terminal_bg.wasm", "xterm.mjs", "addon-fit.mjs", "xterm.css"];
  say("the terminal (Brotli), once one is opened", kib(terminal.reduce((sum, name) => sum + size(`pkg/${name}`), 0)));
} finally {
  await catalyst.stop();
}
