// A GitHub for clusters: Git over HTTP, and as much of the REST API as Catalyst asks for. It runs in a
// pod of its own behind the ingress controller; the tests speak to it there, too.
//
//   /OWNER/NAME.git/…      fetch and push; a repository comes into being when it is first named
//   /api/v3/…              the REST API
//   PUT /pulls/OWNER/NAME  the tests' own: a pull request as it stands now
//   PUT /hidden/OWNER/NAME and DELETE: the tests' own, too: Git says that there is no such repository
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

const folder = "/srv/repositories";
const comments = new Map();
const pulls = new Map();
const hidden = new Set();
const statuses = [];
let ids = 1000;
// As if the limit were far away.
let remaining = 5000;

const routes = [
  ["PUT", /^\/pulls\/([^/]+\/[^/]+)$/, (repository, pull) => ok(pulls.set(`${repository}/${pull.number}`, pull) && {})],
  ["PUT", /^\/hidden\/([^/]+\/[^/]+)$/, (repository) => ok(hidden.add(repository) && {})],
  ["DELETE", /^\/hidden\/([^/]+\/[^/]+)$/, (repository) => ok({ was: hidden.delete(repository) })],
  ["GET", /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/pulls$/, (repository) => ok(of(pulls, `${repository}/`).filter((p) => p.state === "open"))],
  ["GET", /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/pulls\/(\d+)$/, (repository, number) => found(pulls.get(`${repository}/${number}`))],
  ["GET", /^\/api\/v3\/repos\/([^/]+\/[^/]+)$/, (repository) => found(of(pulls, `${repository}/`)[0]?.base.repo)],
  ["GET", /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/issues\/(\d+)\/comments$/, (repository, number) => ok(of(comments, "").filter((c) => c.of === `${repository}/${number}`))],
  ["POST", /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/issues\/(\d+)\/comments$/, (repository, number, { body }) => created(comment(`${repository}/${number}`, body))],
  ["PATCH", /^\/api\/v3\/repos\/[^/]+\/[^/]+\/issues\/comments\/(\d+)$/, (id, { body }) => found(comments.has(id) && Object.assign(comments.get(id), { body, updated_at: now() }))],
  ["POST", /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/statuses\/(\w+)$/, (repository, sha, status) => created(statuses.push({ repository, sha, ...status }) && { id: ids++, ...status, created_at: now(), updated_at: now() })],
  ["GET", /^\/api\/v3\/user$/, () => ok({ login: "catalyst", id: 7, type: "User" })],
  ["GET", /^\/statuses$/, () => ok(statuses)],
  ["POST", /^\/api\/v3\/repos\/[^/]+\/[^/]+\/deployments$/, (deployment) => created({ id: ids++, ...deployment })],
  ["POST", /^\/api\/v3\/repos\/[^/]+\/[^/]+\/deployments\/\d+\/statuses$/, (status) => created({ id: ids++, ...status })],
];

const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");
const ok = (body) => [200, body];
const created = (body) => [201, body];
const found = (body) => (body ? [200, body] : [404, { message: "Not Found" }]);
const of = (map, prefix) => [...map].filter(([key]) => key.startsWith(prefix)).map(([, value]) => value);

function comment(of, body) {
  const id = ids++;
  const user = { login: "catalyst", id: 7, type: "User" };
  const made = { id, of, body, user, created_at: now(), updated_at: now(), html_url: `https://github.catalyst.dev/${of}#${id}` };
  comments.set(String(id), made);
  return made;
}

function git(request, response, url, repository) {
  const path = join(folder, repository);
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true });
    execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
    // As GitHub has it: any commit can be fetched by its name.
    for (const [key, value] of [["http.receivepack", "true"], ["uploadpack.allowAnySHA1InWant", "true"]]) {
      execFileSync("git", ["-C", path, "config", key, value]);
    }
  }
  const environment = {
    PATH: process.env.PATH,
    GIT_PROJECT_ROOT: folder,
    GIT_HTTP_EXPORT_ALL: "1",
    GIT_PROTOCOL: request.headers["git-protocol"] ?? "",
    REQUEST_METHOD: request.method,
    PATH_INFO: url.pathname,
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
    REMOTE_USER: "tests",
    REMOTE_ADDR: request.socket.remoteAddress,
  };
  const backend = spawn("git", ["http-backend"], { env: environment, stdio: ["pipe", "pipe", "inherit"] });
  request.pipe(backend.stdin);
  let head = Buffer.alloc(0);
  backend.stdout.on("data", function read(piece) {
    head = Buffer.concat([head, piece]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    backend.stdout.off("data", read);
    const headers = head.subarray(0, end).toString().split("\r\n").map((line) => line.split(/: (.*)/s).slice(0, 2));
    const status = headers.find(([name]) => name.toLowerCase() === "status")?.[1];
    response.writeHead(status ? parseInt(status) : 200, headers.filter(([name]) => name.toLowerCase() !== "status").flat());
    response.write(head.subarray(end + 4));
    backend.stdout.pipe(response);
  });
  backend.on("close", () => response.end());
}

async function api(request, response, path) {
  let text = "";
  for await (const piece of request) text += piece;
  for (const [method, pattern, answer] of routes) {
    const match = request.method === method && path.match(pattern);
    if (!match) continue;
    const [status, body] = answer(...match.slice(1), ...(text ? [JSON.parse(text)] : []));
    const headers = { "x-ratelimit-resource": "core", "x-ratelimit-limit": "5000", "x-ratelimit-remaining": String(--remaining) };
    return response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  }
  console.error(`no answer to ${request.method} ${path}`);
  response.writeHead(404, { "content-type": "application/json" }).end('{"message": "Not Found"}');
}

http
  .createServer((request, response) => {
    const url = new URL(request.url, "http://github");
    const repository = url.pathname.match(/^\/([\w.-]+\/[\w.-]+\.git)(?=\/)/)?.[1];
    if (hidden.has(repository?.replace(/\.git$/, ""))) response.writeHead(404).end("Repository not found.");
    else if (repository) git(request, response, url, repository);
    else api(request, response, url.pathname).catch((error) => response.writeHead(500).end(String(error)));
  })
  .listen(8080, () => console.log("listening"));
