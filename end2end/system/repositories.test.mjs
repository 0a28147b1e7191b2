// Repositories that were not made for Catalyst, run without any configuration.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Catalyst, Repository, visit } from "./catalyst.mjs";

let catalyst;
const downloads = mkdtempSync(join(tmpdir(), "catalyst-downloads-"));
before(async () => (catalyst = await Catalyst.start()));
after(async () => {
  await catalyst?.stop();
  rmSync(downloads, { recursive: true, force: true });
});

const quiet = { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" };

/** Unpacks an npm package; returns its folder. */
function npmPackage(name) {
  const folder = mkdtempSync(join(downloads, "npm-"));
  const archive = execFileSync("npm", ["pack", "--silent", name], { cwd: folder, ...quiet }).trim();
  execFileSync("tar", ["xzf", archive], { cwd: folder });
  return join(folder, "package");
}

async function shows(name, expected, fill) {
  const repository = await Repository.create(catalyst, name, fill);
  const started = Date.now();
  const sha = await repository.push(1, "opened");
  const environment = await repository.ready(1, sha, 300);
  const answer = await visit(repository.url(1), { timeout: 60_000 });
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.text, expected);
  const runs = environment.metadata.annotations["catalyst.dev/runs"];
  console.log(`${name}: ${runs}; ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  await repository.event(1, "closed");
  await repository.gone(1);
}

test("a Vite app from npm's template runs as it is", async () => {
  await shows("vite-app", /id="root"/, (folder) => {
    cpSync(join(npmPackage("create-vite@9.3.0"), "template-react-ts"), folder, { recursive: true });
    renameSync(join(folder, "_gitignore"), join(folder, ".gitignore"));
  });
});

test("an app made by Express' own generator runs as it is", async () => {
  await shows("express-app", /Welcome to Express/, (folder) => {
    const tool = npmPackage("express-generator@4.16.1");
    execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--omit=dev"], { cwd: tool, ...quiet });
    execFileSync("node", [join(tool, "bin/express-cli.js"), "--view=ejs", "--force", folder], quiet);
  });
});

test("Flask's own example app runs as it is", async () => {
  await shows("flask-app", /JavaScript/i, (folder) => {
    const args = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=flask"];
    execFileSync("python3", [...args, "--dest", downloads, "flask==3.1.3"], quiet);
    const archive = readdirSync(downloads).find((name) => name.startsWith("flask-"));
    execFileSync("tar", ["xzf", archive], { cwd: downloads });
    cpSync(join(downloads, "flask-3.1.3/examples/javascript"), folder, { recursive: true });
  });
});
