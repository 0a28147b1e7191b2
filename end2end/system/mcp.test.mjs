// Agents: the official client and the official inspector of the Model Context Protocol list and call
// every tool, with right and wrong arguments and rights.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { Catalyst, Repository, until } from "./catalyst.mjs";

// Their packages are in a folder of their own.
const packages = createRequire(new URL("../mcp/package.json", import.meta.url));
const load = (name) => import(pathToFileURL(packages.resolve(name)));
const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
const inspector = new URL("../mcp/node_modules/.bin/mcp-inspector", import.meta.url).pathname;

const TOOLS = [
  "list_preview_environments",
  "get_preview_environment",
  "get_preview_logs",
  "delete_preview_environment",
  "retry_preview_deployment",
  "get_projects",
  "getNamespaces",
  "getNamespace",
];

let catalyst, repository, url, write, read;

/** A client that has made its acquaintance with Catalyst. */
async function connect(token, headers = {}) {
  const client = new Client({ name: "catalyst-tests", version: "1" });
  const requestInit = { headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

/** A refusal's code and words. */
function refusal(result) {
  assert.equal(result.isError, true, JSON.stringify(result));
  const said = JSON.parse(result.content[0].text);
  assert.equal(said.success, false);
  return said;
}

const token = async (...args) =>
  (await catalyst.command("token", "create", "--user", "local", ...args)).trim();

before(async () => {
  catalyst = await Catalyst.start();
  url = `${catalyst.url}/api/mcp`;
  repository = await Repository.create(catalyst, "agents", (folder) => {
    const manifest = { name: "shop", private: true, scripts: { dev: "node server.js" } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    const server = `require("node:http").createServer((_, response) => response.end("fine"))
      .listen(process.env.PORT || 3000, () => console.log("listening"));`;
    writeFileSync(join(folder, "server.js"), server);
  });
  write = await token("--scope", "write");
  read = await token("--scope", "read", "--team", "acme", "--expires", "1d");
});
after(() => catalyst?.stop());

test("the official client lists every tool, with schemas of what it takes and answers", async () => {
  const client = await connect(read);
  assert.equal(client.getServerVersion().name, "catalyst");
  assert.match(client.getInstructions(), /never as instructions/);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), TOOLS);
  for (const tool of tools) {
    assert.equal(tool.inputSchema.type, "object", tool.name);
    assert.equal(tool.outputSchema.type, "object", tool.name);
    assert.ok(tool.description.length > 20, tool.name);
  }
  await client.close();
});

test("the official client calls every tool, and its answers fit their schemas", async () => {
  const sha = await repository.push(1, "opened");
  await repository.ready(1, sha);
  const client = await connect(write);
  // The client holds structured content against the schemas of the tools that it has listed.
  await client.listTools();
  const call = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args });
    assert.notEqual(result.isError, true, `${name}: ${result.content[0].text}`);
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent, name);
    assert.equal(result.structuredContent.success, true);
    return result.structuredContent;
  };
  const namespace = repository.namespace(1);
  const list = await until("the list says running", 30, async () => {
    const answer = await call("list_preview_environments", { status: "running", repository: repository.name });
    return answer.count === 1 && answer;
  });
  const [row] = list.environments;
  assert.equal(row.namespace, namespace);
  assert.equal(row.publicUrl, repository.url(1));
  assert.deepEqual(row.repo, { name: "agents", fullName: "acme/agents" });
  assert.equal((await call("list_preview_environments", { status: "failed" })).count, 0);
  assert.equal((await call("list_preview_environments", { repoFullName: "acme/other" })).count, 0);

  for (const which of [{ podId: row.id }, { id: row.id }, { namespace }]) {
    const { environment } = await call("get_preview_environment", which);
    assert.equal(environment.dbStatus, "running");
    assert.equal(environment.k8sStatus.ready, true);
    assert.equal(environment.commitSha, sha);
    assert.equal(environment.deploymentName, "web");
  }
  const { logs } = await call("get_preview_logs", { podId: row.id, tailLines: 50 });
  assert.match(logs, /^\d{4}-\d\d-\d\dT\S+ .*listening/m);
  const plain = await call("get_preview_logs", { namespace, timestamps: false });
  assert.match(plain.logs, /^listening/m);

  const { projects } = await call("get_projects");
  assert.deepEqual(projects.map((project) => project.name), ["agents"]);
  const { namespaces } = await call("getNamespaces");
  assert.deepEqual(namespaces.map((it) => it.kind).sort(), ["environment", "project", "team"]);
  const inside = await call("getNamespace", { namespace, resources: ["pods"] });
  assert.equal(inside.namespace.phase, "Active");
  assert.ok(inside.namespace.pods.length > 0);
  assert.equal(inside.namespace.events, null);

  const retried = await client.callTool({ name: "retry_preview_deployment", arguments: { podId: row.id } });
  assert.equal(refusal(retried).code, "INVALID_INPUT");
  await call("delete_preview_environment", { podId: row.id });
  await repository.gone(1);
  await client.close();
});

test("wrong arguments and unknown ids are refused, each with its code", async () => {
  const client = await connect(write);
  for (const [name, args, code] of [
    ["get_preview_environment", {}, "INVALID_INPUT"],
    ["get_preview_environment", { podId: "a", namespace: "b" }, "INVALID_INPUT"],
    ["get_preview_environment", { podId: "nonsense" }, "NOT_FOUND"],
    ["get_preview_logs", { id: "00000000-0000-4000-8000-000000000000" }, "NOT_FOUND"],
    ["get_preview_logs", { id: "x", tailLines: "many" }, "INVALID_INPUT"],
    ["delete_preview_environment", { namespace: "kube-system" }, "NOT_FOUND"],
    ["retry_preview_deployment", { podId: "'; DROP TABLE users; --" }, "NOT_FOUND"],
    ["list_preview_environments", { status: "fine" }, "INVALID_INPUT"],
    ["getNamespace", { namespace: "kube-system" }, "NOT_FOUND"],
    ["getNamespace", {}, "INVALID_INPUT"],
    ["getNamespaces", { clusterName: "elsewhere" }, "NOT_FOUND"],
  ]) {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(refusal(result).code, code, `${name} ${JSON.stringify(args)}`);
  }
  await assert.rejects(client.callTool({ name: "exec", arguments: {} }), /no tool is called/);
  await client.close();
});

test("a token that reads changes nothing, and says what it would take", async () => {
  const sha = await repository.push(2, "opened");
  await repository.ready(2, sha);
  const client = await connect(read);
  const namespace = repository.namespace(2);
  for (const name of ["delete_preview_environment", "retry_preview_deployment"]) {
    const said = refusal(await client.callTool({ name, arguments: { namespace } }));
    assert.equal(said.code, "UNAUTHORIZED");
    assert.match(said.error, /a token with the scope write/);
  }
  const seen = await client.callTool({ name: "get_preview_environment", arguments: { namespace } });
  assert.equal(seen.structuredContent.environment.allowed.delete, false);
  await client.close();
});

test("nobody gets in without a good token, from another site, or under another name", async () => {
  await assert.rejects(connect(undefined), /401|Unauthorized/);
  await assert.rejects(connect("catalyst_0"), /401|Unauthorized/);
  await assert.rejects(connect(write.slice(0, -1)), /401|Unauthorized/);
  for (const origin of ["https://evil.example", `http://x.localhost:${catalyst.ingress}`, "null"]) {
    await assert.rejects(connect(write, { origin }), /403/, origin);
  }
  await (await connect(write, { origin: catalyst.url })).close();
  const rebound = await fetch(url.replace("127.0.0.1", "localhost.localdomain"), { method: "POST" }).catch(() => ({ status: 421 }));
  assert.equal(rebound.status, 421);
  assert.equal((await fetch(url, { headers: { authorization: `Bearer ${write}` } })).status, 405);
});

/** Runs the inspector's command line; its output, or what it failed with. */
function inspect(...args) {
  const home = mkdtempSync(join(catalyst.folder, "inspector-"));
  const environment = { PATH: process.env.PATH, HOME: home, NO_COLOR: "1" };
  const all = ["--cli", url, "--transport", "http", ...args];
  return new Promise((resolve) => {
    execFile(inspector, all, { env: environment, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? 1) : 0, stdout, stderr }),
    );
  });
}

test("the official inspector lists the tools and finds nothing wrong with their schemas", async () => {
  const header = ["--header", `Authorization: Bearer ${read}`];
  const listed = await inspect("--method", "tools/list", "--strict", ...header);
  assert.equal(listed.code, 0, listed.stderr);
  assert.deepEqual(JSON.parse(listed.stdout).tools.map((tool) => tool.name), TOOLS);
});

test("the official inspector calls tools, and is refused as anyone is", async () => {
  const call = (token, tool, ...args) =>
    inspect(
      ...["--method", "tools/call", "--tool-name", tool],
      ...args.flatMap((arg) => ["--tool-arg", arg]),
      ...["--header", `Authorization: Bearer ${token}`],
    );
  const namespace = `namespace=${repository.namespace(2)}`;
  const got = await call(read, "get_preview_environment", namespace);
  assert.match(got.stdout, /"dbStatus"/, got.stderr);
  const refused = await call(read, "delete_preview_environment", namespace);
  assert.match(refused.stdout + refused.stderr, /UNAUTHORIZED/);
  const unknown = await call(read, "get_preview_logs", "podId=nonsense");
  assert.match(unknown.stdout + unknown.stderr, /NOT_FOUND/);
  const nobody = await call("catalyst_0", "get_projects");
  assert.notEqual(nobody.code, 0);
  for (const [tool, ...args] of [
    ["list_preview_environments"],
    ["get_projects"],
    ["getNamespaces"],
    ["getNamespace", namespace],
    ["get_preview_logs", namespace],
  ]) {
    const answer = await call(read, tool, ...args);
    assert.equal(answer.code, 0, `${tool}: ${answer.stderr}`);
    assert.match(answer.stdout, /"success"/, tool);
  }
  const deleted = await call(write, "delete_preview_environment", namespace);
  assert.equal(deleted.code, 0, deleted.stderr);
  await repository.gone(2);
});
