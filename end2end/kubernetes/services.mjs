// Services whose passwords nobody wrote down, with a seed and a dump: all of it comes before the workload,
// and what fills them once. The images are Debian's Redis, PostgreSQL and MariaDB.
import { mkdirSync } from "node:fs";
import { test } from "node:test";

import { kubectl, mariadb, postgres, redis, ruby, tools } from "./kubernetes.mjs";

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

const storage = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
const counted = {
  type: "managed",
  config: {
    ...{ image: tools, command: ["python3", "app.py"], workingDir: "/code", ports: [{ containerPort: 8000 }] },
    services: [{ name: "cache", container: { image: redis }, storage }],
    seed: { command: ["python3", "seed.py"] },
  },
};

/** Answers with what its database holds, by its address alone. */
const notes = ({ client, ask }) => `
require "${client}"
require "socket"
require "uri"
at = URI(ENV["DATABASE_URL"])
server = TCPServer.new(8000)
loop do
  visitor = server.accept
  nil until visitor.gets.to_s.strip.empty?
  said = ${ask}
  visitor.write "HTTP/1.1 200 OK\\r\\nContent-Length: #{said.bytesize}\\r\\nConnection: close\\r\\n\\r\\n#{said}"
  visitor.close
end
`;
const dump = "CREATE TABLE notes (text text);\nINSERT INTO notes VALUES ('restored');\n";
const DATABASES = {
  PostgreSQL: {
    service: { name: "postgres", container: { image: postgres } },
    client: "pg",
    ask: `PG.connect(at.to_s).exec("SELECT current_database() || ' holds ' || string_agg(text, ', ') FROM notes").getvalue(0, 0)`,
  },
  MySQL: {
    service: { name: "db", container: { image: mariadb } },
    client: "mysql2",
    ask: `Mysql2::Client.new(host: at.host, port: at.port, username: at.user, password: at.password, database: at.path[1..]).query("SELECT concat(database(), ' holds ', group_concat(text)) AS said FROM notes").first["said"]`,
  },
};
const restored = (service) => ({
  type: "managed",
  config: {
    ...{ image: ruby, command: ["ruby", "app.rb"], workingDir: "/code", ports: [{ containerPort: 8000 }] },
    services: [{ database: "shop", storage, restore: { path: "db/notes.sql" }, ...service }],
  },
});

const template = (repository, development) =>
  kubectl("patch", "project", repository.project, "-n", repository.team, "--type=merge", `--patch=${JSON.stringify({ spec: { templates: { development } } })}`);

export function services(suite) {
  test("a service with a generated password is ready before the workload, which is seeded once", async () => {
    const { create, reached } = suite;
    const repository = await create("seeded");
    await template(repository, counted);
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

  for (const [name, database] of Object.entries(DATABASES)) {
    test(`a ${name} that nobody wrote a password for is filled from a dump and connected to by its address`, async () => {
      const { create, reached } = suite;
      const { service } = database;
      const repository = await create(`restored-${database.client}`);
      await template(repository, restored(service));
      const write = () => {
        mkdirSync(`${repository.folder}/db`, { recursive: true });
        repository.write("db/notes.sql", dump);
        repository.write("app.rb", notes(database));
      };
      await repository.ready(1, await repository.push(1, "opened", write), 120);
      await reached(repository.url(1), "shop holds restored", 20);
      await repository.event(1, "closed");
      await repository.gone(1, 120);
    });
  }
}
