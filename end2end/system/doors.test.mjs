// Who is let in, and what every answer carries.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Catalyst, binary } from "./catalyst.mjs";

let catalyst;
before(async () => (catalyst = await Catalyst.start()));
after(() => catalyst?.stop());

/** A request as a browser sends it; redirects are not followed. */
function ask(method, path, { headers = {}, body, host } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: catalyst.port, method, path, agent: false };
    options.headers = { host: host ?? `127.0.0.1:${catalyst.port}`, ...headers };
    const request = http.request(options, (response) => {
      let text = "";
      response.on("data", (piece) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const form = (fields, origin = catalyst.url) => ({
  body: new URLSearchParams(fields).toString(),
  headers: { "content-type": "application/x-www-form-urlencoded", ...(origin && { origin }) },
});

async function signIn() {
  const link = new URL((await catalyst.command("sign-in")).trim());
  const answer = await ask("POST", "/sign-in", form({ token: link.searchParams.get("token") }));
  return { token: link.searchParams.get("token"), answer, cookie: answer.headers["set-cookie"]?.[0] };
}

test("a sign-in link works once, and its cookie is kept from scripts and other sites", async () => {
  const { token, answer, cookie } = await signIn();
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, "/preview-environments");
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Lax/);
  const again = await ask("POST", "/sign-in", form({ token }));
  assert.match(again.headers.location, /problem=spent/);
  assert.equal(again.headers["set-cookie"], undefined);
  const guessed = await ask("POST", "/sign-in", form({ token: "0".repeat(64) }));
  assert.match(guessed.headers.location, /problem=spent/);
});

test("a sign-in gives the session a new id, so that one planted before is worth nothing", async () => {
  const link = new URL((await catalyst.command("sign-in")).trim());
  const fields = form({ token: link.searchParams.get("token") });
  fields.headers.cookie = "catalyst=AAAAAAAAAAAAAAAAAAAAAA";
  const answer = await ask("POST", "/sign-in", fields);
  assert.doesNotMatch(answer.headers["set-cookie"][0], /catalyst=AAAAAAAAAAAAAAAAAAAAAA/);
});

test("nothing that changes something is taken from a foreign or sibling page", async () => {
  const { cookie } = await signIn();
  for (const origin of [null, "null", "https://evil.example", `http://x.localhost:${catalyst.ingress}`, "http://127.0.0.1:1"]) {
    for (const path of ["/sign-in", "/sign-out", "/api/fn/delete_preview"]) {
      const request = form({ id: "x", token: "y" }, origin);
      request.headers.cookie = cookie;
      const answer = await ask("POST", path, request);
      assert.equal(answer.status, 403, `${path} from ${origin}`);
    }
  }
});

test("a Host that is not ours is not answered", async () => {
  assert.equal((await ask("GET", "/preview-environments", { host: "evil.example" })).status, 421);
  assert.equal((await ask("GET", "/preview-environments", { host: `localhost:${catalyst.port}` })).status < 400, true);
});

test("streams and pages ask for a sign-in", async () => {
  for (const path of ["/api/preview-environments/stream", "/api/preview-environments/x/stream", "/api/preview-environments/x/logs"]) {
    assert.equal((await ask("GET", path)).status, 401, path);
  }
  for (const path of ["/preview-environments", "/preview-environments/x", "/projects", "/deliveries", "/overview"]) {
    const page = await ask("GET", path);
    assert.equal(page.status, 303, path);
    assert.equal(page.headers.location, `/sign-in?next=${encodeURIComponent(path)}`);
  }
});

test("an unknown preview and a malformed id answer as not found", async () => {
  const { cookie } = await signIn();
  const headers = { cookie: cookie.split(";")[0] };
  for (const id of ["00000000-0000-4000-8000-000000000000", "nonsense", "..%2f..%2fetc"]) {
    assert.equal((await ask("GET", `/api/preview-environments/${id}/stream`, { headers })).status, 404, id);
    assert.equal((await ask("GET", `/preview-environments/${id}`, { headers })).status, 404, id);
  }
});

test("pages come with a strict policy, and a nonce of their own each time", async () => {
  const nonces = new Set();
  for (let i = 0; i < 2; i += 1) {
    const { headers, text } = await ask("GET", "/sign-in");
    const policy = headers["content-security-policy"];
    const scripts = policy.split(";").find((part) => part.trim().startsWith("script-src"));
    assert.doesNotMatch(scripts, /unsafe-inline|'unsafe-eval'|\*/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    const nonce = scripts.match(/'nonce-([^']+)'/)[1];
    nonces.add(nonce);
    for (const [tag] of text.matchAll(/<script(?![^>]*\bsrc=)[^>]*>/g)) {
      assert.ok(tag.includes(`nonce="${nonce}"`), tag);
    }
  }
  assert.equal(nonces.size, 2);
});

test("the webhook takes nothing unsigned, oversized or malformed", async () => {
  assert.equal((await ask("POST", "/api/github/webhook", { body: "{}" })).status, 401);
  const forged = { "x-hub-signature-256": `sha256=${"0".repeat(64)}`, "x-github-event": "ping", "x-github-delivery": "1" };
  assert.equal((await ask("POST", "/api/github/webhook", { body: "{}", headers: forged })).status, 401);
  assert.equal((await catalyst.deliver("pull_request", "{ not json")).status < 500, true);
  assert.equal((await catalyst.deliver("pull_request", `${"[".repeat(10_000)}`)).status < 500, true);
  const large = await fetch(`${catalyst.url}/api/github/webhook`, { method: "POST", body: "x".repeat(26 * 1024 * 1024) }).catch(() => ({ status: 413 }));
  assert.equal(large.status, 413);
  assert.equal(catalyst.child.exitCode, null);
});

test("secrets and data are closed to other users of the machine", () => {
  assert.equal(statSync(catalyst.data).mode & 0o077, 0);
  for (const file of ["kubeconfig", "catalyst.db"]) {
    assert.equal(statSync(join(catalyst.data, file)).mode & 0o077, 0, file);
  }
  assert.doesNotMatch(catalyst.output, new RegExp(catalyst.environment.GITHUB_WEBHOOK_SECRET));
});

test("settings that cannot work stop the start, each with one clear message", async () => {
  const attempt = (settings) =>
    new Promise((resolve) => {
      const environment = { ...catalyst.environment, CATALYST_LISTEN: "127.0.0.1:0", ...settings };
      execFile(binary, ["serve"], { env: environment, timeout: 20_000 }, (error, _, stderr) => resolve({ code: error?.code, stderr }));
    });
  const kubernetes = { CATALYST_CLUSTER: "kubernetes", CATALYST_ALLOW_LOCAL_REPOSITORIES: "false" };
  for (const [settings, message] of [
    [{ GITHUB_WEBHOOK_SECRET: "short" }, /GITHUB_WEBHOOK_SECRET/],
    [{ ...kubernetes, GITHUB_WEBHOOK_SECRET: undefined }, /GITHUB_WEBHOOK_SECRET is not set/],
    [{ CATALYST_CLUSTER: "kubernetes" }, /CATALYST_ALLOW_LOCAL_REPOSITORIES/],
    [{ CATALYST_LISTEN: "nonsense" }, /listen/i],
    [{ CATALYST_LISTEN: `127.0.0.1:${catalyst.port}` }, /CATALYST_LISTEN/],
    [{ GITHUB_APP_ID: "1", GITHUB_APP_PRIVATE_KEY: "nonsense" }, /GITHUB_APP_PRIVATE_KEY/],
    [{ DATABASE_URL: "mysql://x" }, /database|sqlite|postgres/i],
    [{ CATALYST_PREVIEW_EGRESS: "everything" }, /CATALYST_PREVIEW_EGRESS/],
  ]) {
    const { code, stderr } = await attempt(settings);
    assert.notEqual(code, 0, JSON.stringify(settings));
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /panicked|RUST_BACKTRACE/);
  }
});
