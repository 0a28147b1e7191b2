// A service whose password nobody wrote down, and a seed: both come before the workload, and the seed
// once. The image is Debian's Redis.
import { test } from "node:test";

import { kubectl, redis, tools } from "./kubernetes.mjs";

const client = `
import os, socket, urllib.parse
def ask(*commands):
    at = urllib.parse.urlparse(os.environ["REDIS_URL"])
    with socket.create_connection((at.hostname, at.port)) as connection:
        lines = connection.makefile("rwb")
        for command in [("AUTH", at.password), *commands]:
            lines.write(" ".join(command).encode() + b"\\r\\n")
            lines.flush()
            answer = lines.readline().strip()
            if answer.startswith(b"-"): raise SystemExit(answer.decode())
            if answer.startswith(b"$"): answer = lines.readline().strip()
        return answer
`;
const seed = `import client\nprint(client.ask(("INCR", "seeded")))\n`;
const app = `
import client, http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"seeded " + client.ask(("GET", "seeded")) + b" time, VERSION")
http.server.HTTPServer(("", 8000), Page).serve_forever()
`;

const development = {
  type: "managed",
  config: {
    ...{ image: tools, command: ["python3", "app.py"], workingDir: "/code", ports: [{ containerPort: 8000 }] },
    services: [{ name: "cache", container: { image: redis }, storage: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } }],
    seed: { command: ["python3", "seed.py"] },
  },
};

export function services(suite) {
  test("a service with a generated password is ready before the workload, which is seeded once", async () => {
    const { create, reached } = suite;
    const repository = await create("seeded");
    const templates = JSON.stringify({ spec: { templates: { development } } });
    await kubectl("patch", "project", repository.project, "-n", repository.team, "--type=merge", `--patch=${templates}`);
    const write = (version) => () => {
      repository.write("client.py", client);
      repository.write("seed.py", seed);
      repository.write("app.py", app.replace("VERSION", version));
    };
    await repository.ready(1, await repository.push(1, "opened", write("one")));
    await reached(repository.url(1), "seeded 1 time, one", 20);
    await repository.ready(1, await repository.push(1, "synchronize", write("two")));
    await reached(repository.url(1), "seeded 1 time, two", 20);
    await repository.event(1, "closed");
    await repository.gone(1, 120);
  });
}
