// What a repository itself gets wrong: it is told on the page and in the comment, and a mend of it comes up.
import { test } from "node:test";

import { Repository, until } from "../system/catalyst.mjs";
import { Shell } from "../system/shell.mjs";
import { json, kubectl } from "./kubernetes.mjs";
import { isTold } from "./told.mjs";

const server = `require("node:http").createServer((request, response) => response.end("it runs")).listen(process.env.PORT);`;
const dev = (repository, command) => repository.write("package.json", JSON.stringify({ scripts: { dev: command } }));
const compose = (image) => `
services:
  web:
    ${image}: busybox
    command: [busybox, httpd, -f, -p, "8080", -h, /etc]
    ports: ["8080:8080"]
`;

export function mistakes(suite) {
  test("a command that fails keeps its pod for a shell, from which the URL answers, and a push that mends it is as any other", async () => {
    const repository = await Repository.create(suite.catalyst, "degraded", () => {});
    const within = repository.namespace(1);
    await repository.push(1, "opened", () => {
      repository.write("server.js", server);
      dev(repository, "test -f wheel || { echo the wheel is missing >&2; exit 3; }; node server.js");
    });
    // Kubernetes tries it again after 10, 20 and 40 seconds.
    await isTold(suite, repository, /app exited with 3 .npm run dev.*its pod is kept: open a shell/, 180, "Degraded");

    const { items } = await json("get", "pods", "-n", within, "-l", "app=web");
    const pod = items.find((pod) => pod.metadata.annotations["catalyst.dev/kept"]);
    const shell = await Shell.open(suite.catalyst, suite.catalyst.cookie, within, pod.metadata.name);
    shell.type("touch wheel && npm run dev\n");
    await suite.reached(repository.url(1), "it runs", 20);
    await until("it is ready", 20, async () => (await suite.catalyst.environmentOf(repository, 1)).body.status.phase === "Ready");

    await repository.ready(1, await repository.push(1, "synchronize", () => dev(repository, "node server.js")));
    await suite.reached(repository.url(1), "it runs", 20);
    await shell.closed;
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });

  test("a compose file with a typo says where it is, and its mend comes up", async () => {
    const repository = await suite.create("mistyped");
    const template = { spec: { templates: { development: { type: "docker-compose" } } } };
    await kubectl("patch", "project", repository.project, "-n", repository.team, "--type=merge", `--patch=${JSON.stringify(template)}`);
    await repository.push(1, "opened", () => repository.write("compose.yaml", compose("imgae")));
    await isTold(suite, repository, /imgae/, 60);
    await repository.ready(1, await repository.push(1, "synchronize", () => repository.write("compose.yaml", compose("image"))));
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });
}
