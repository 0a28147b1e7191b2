// Catalyst in a real Kubernetes: installed once by its chart, used, disturbed, and uninstalled.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Repository, sleep, until } from "../system/catalyst.mjs";
import { Shell } from "../system/shell.mjs";
import { audited, requests, used } from "./audit.mjs";
import { browser } from "./browser.mjs";
import { builds, kaniko } from "./builds.mjs";
import { charts } from "./charts.mjs";
import { disturbances } from "./disturbances.mjs";
import { failures } from "./failures.mjs";
import { handmade } from "./handmade.mjs";
import { kinds } from "./kinds.mjs";
import { Catalyst, json, kubectl, namespace, visit } from "./kubernetes.mjs";
import { mistakes } from "./mistakes.mjs";
import { nextjs } from "./nextjs.mjs";
import { operations } from "./operations.mjs";
import { services } from "./services.mjs";
import { validates } from "./validate.mjs";

const began = Date.now();
let catalyst;
before(async () => {
  catalyst = await Catalyst.install();
  console.log(`installed and signed in after ${Date.now() - began} ms`);
});
after(async () => {
  await catalyst?.remove();
  console.log(`the suite took ${Math.round((Date.now() - began) / 1000)} s`);
});

/** A web application of the repository, without dependencies; it tells each request to its log. */
const program = (text) => `
  const server = require("node:http").createServer((request, response) => {
    console.log("asked for " + request.url);
    response.end("${text}");
  });
  server.listen(process.env.PORT, () => console.log("listening"));
  process.on("SIGTERM", () => server.close(() => process.exit(0)));`;
const write = (repository, text) => () => repository.write("server.js", program(text));
const manifest = JSON.stringify({ name: "shop" });

/** Answers of the preview until `stop` is called: all of them. */
function watch(url) {
  const statuses = [];
  let on = true;
  let last = "";
  const watching = (async () => {
    while (on) {
      const answer = await visit(url).catch((error) => ({ status: error.message, text: "" }));
      statuses.push(answer.status);
      last = answer.text;
      await sleep(50);
    }
  })();
  return { last: () => last, stop: async () => ((on = false), await watching, statuses) };
}

const reached = (url, text, seconds) =>
  until(`${url} shows ${text}`, seconds, async () => {
    const answer = await visit(url);
    return answer.status === 200 && answer.text.includes(text);
  });

async function create(name) {
  return Repository.create(catalyst, name, async (folder) => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(`${folder}/package.json`, manifest);
    writeFileSync(`${folder}/server.js`, program("main"));
  });
}

test("the chart passes its checks, and the API server takes all it can render", async () => {
  assert.match(await catalyst.helm("lint"), /0 chart\(s\) failed/);
  const variants = [
    {},
    {
      ...{ "database.url": "postgres://user:password@db.example.com/catalyst", "web.replicas": 3, "trustedCertificates.configMap": "" },
      ...{ "operator.nodeSelector": { a: "b" }, "web.tolerations": [{ operator: "Exists" }], "image.pullSecrets": ["registry"] },
      ...{ "github.existingSecret": "given", "ingress.tlsSecret": "", removeEverythingOnUninstall: false },
    },
    { standalone: true, url: "", "previews.domain": "" },
  ];
  for (const values of variants) {
    const rendered = await catalyst.helm("template", values);
    const { writeFileSync } = await import("node:fs");
    // kubectl takes objects of one namespace at a time.
    const homes = new Map();
    for (const object of rendered.split(/^---$/m)) {
      const home = object.match(/^  namespace: (.+)$/m)?.[1] ?? namespace;
      homes.set(home, [...(homes.get(home) ?? []), object]);
    }
    for (const [home, objects] of homes) {
      writeFileSync(`${catalyst.folder}/rendered.yaml`, objects.join("---\n"));
      await kubectl("apply", "--dry-run=server", "-n", home, "-f", `${catalyst.folder}/rendered.yaml`);
    }
  }
  for (const [values, complaint] of [
    [{ url: "catalyst" }, /url/],
    [{ url: "" }, /url is needed/],
    [{ "previews.domain": "" }, /previews\.domain is needed/],
    [{ "web.replicas": 2 }, /PostgreSQL/],
    [{ "github.webhookSecret": "short" }, /webhookSecret/],
    [{ "previews.domian": "x" }, /domian/],
    [{ "builds.registry": "https://ghcr.io" }, /registry/],
    [{ "builds.engine": "docker" }, /engine/],
  ]) {
    await assert.rejects(catalyst.helm("template", values), complaint, JSON.stringify(values));
  }
});

// Each account's rights: a right more in the chart fails here, a right less fails the rest of the suite.
const RIGHTS = {
  "catalyst-web": [
    "/events list",
    "/namespaces create get",
    "/nodes list",
    "/pods list watch",
    "/pods/exec create get",
    "/pods/log get",
    "authentication.k8s.io/tokenreviews create",
    "catalyst.catalyst.dev/environments create delete get list patch watch",
    "catalyst.catalyst.dev/projects create get list patch watch",
    "metrics.k8s.io/nodes list",
    "metrics.k8s.io/pods list",
  ],
  "catalyst-operator": [
    "/configmaps create delete list patch watch",
    "/limitranges create list patch watch",
    "/namespaces create delete get list patch watch",
    "/persistentvolumeclaims create list patch watch",
    "/pods list watch",
    "/pods/log get",
    "/resourcequotas create list patch watch",
    "/secrets create delete patch",
    "/secrets:registry-credentials list watch",
    "/serviceaccounts create delete list patch watch",
    "/services create delete list patch watch",
    "apps/deployments create delete list patch watch",
    "apps/statefulsets create delete list patch watch",
    "batch/jobs create delete list patch watch",
    "catalyst.catalyst.dev/environments get list patch watch",
    "catalyst.catalyst.dev/environments/status patch",
    "catalyst.catalyst.dev/projects get list patch watch",
    "catalyst.catalyst.dev/projects/status patch",
    "networking.k8s.io/ingresses create delete list patch watch",
    "networking.k8s.io/networkpolicies create list patch watch",
  ],
};
const OWN_RIGHTS = { "catalyst-web": [], "catalyst-operator": ["coordination.k8s.io/leases create get update"] };

async function rights(account, within) {
  const file = `${catalyst.folder}/review.json`;
  const { writeFileSync } = await import("node:fs");
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace: within } };
  writeFileSync(file, JSON.stringify(review));
  const user = [`--as=system:serviceaccount:${namespace}:${account}`, "--as-group=system:serviceaccounts", "--as-group=system:authenticated"];
  const { status } = await json("create", ...user, "--validate=false", "-f", file);
  const granted = new Map();
  for (const { apiGroups, resources, resourceNames = [""], verbs } of status.resourceRules) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        // What everyone may ask who has signed in: about oneself.
        if (resource.startsWith("selfsubject")) continue;
        for (const only of resourceNames) {
          const name = `${group}/${resource}${only && `:${only}`}`;
          granted.set(name, new Set([...(granted.get(name) ?? []), ...verbs]));
        }
      }
    }
  }
  return [...granted].map(([name, verbs]) => [name, ...[...verbs].sort()].join(" ")).sort();
}

test("the accounts have exactly the rights that are listed", async () => {
  for (const account of Object.keys(RIGHTS)) {
    assert.deepEqual(await rights(account, "default"), RIGHTS[account]);
    assert.deepEqual(await rights(account, namespace), [...RIGHTS[account], ...OWN_RIGHTS[account]].sort());
  }
});

test("a pull request's preview answers through the ingress controller, is pushed to without a failed request, and goes", async () => {
  const repository = await create("shop");
  const url = repository.url(1);
  const opened = Date.now();
  const first = await repository.push(1, "opened", write(repository, "first"));
  await repository.ready(1, first);
  const ready = Date.now() - opened;
  await reached(url, "first", 10);
  console.log(`FIGURE webhook to Ready ${ready} ms, to the first answer ${Date.now() - opened} ms`);
  await until("the comment names the URL", 10, async () => (await catalyst.comments(repository, 1)).some((text) => text.includes(url)));

  // The dashboard shows it and its log.
  const page = await catalyst.get("/preview-environments");
  assert.equal(page.status, 200);
  assert.ok(page.text.includes(repository.namespace(1)), "the list shows the preview");
  const id = page.text.match(/preview-environments\/([0-9a-f-]{36})/)?.[1];
  const log = await catalyst.get(`/api/preview-environments/${id}/logs`);
  assert.match(log.text, /asked for \//);

  // What runs is held in.
  const [pod] = (await json("get", "pods", "-n", repository.namespace(1), "-l", "app=web")).items;
  assert.equal(pod.spec.automountServiceAccountToken, false);
  const kept = await json("get", "resourcequota,limitrange,networkpolicy", "-n", repository.namespace(1));
  assert.deepEqual(kept.items.map((item) => item.kind).sort(), ["LimitRange", "NetworkPolicy", "ResourceQuota"]);
  assert.match(await kubectl("exec", "-n", repository.namespace(1), pod.metadata.name, "--", "sh", "-c", "echo here; ls /var/run/secrets 2>&1 || true"), /^here\n.*No such file/);

  // What it uses, and a shell in it, by way of the dashboard.
  await until("its page says what it uses", 90, async () => {
    const { text } = await catalyst.get(`/api/fn/preview?id=${id}`);
    return JSON.parse(text).summary.usage?.memoryMiB > 0;
  });
  const typed = Date.now();
  const shell = await Shell.open(catalyst, catalyst.cookie, repository.namespace(1), pod.metadata.name);
  shell.type("echo from $((40 + 2)); exit 3\n");
  await shell.shows("from 42", 10);
  await shell.closed;
  assert.equal(shell.end.message, "The shell ended with exit code 3.");
  console.log(`FIGURE a shell opened, used and left in ${Date.now() - typed} ms`);

  const visitor = watch(url);
  const pushed = Date.now();
  const second = await repository.push(1, "synchronize", write(repository, "second"));
  await repository.ready(1, second);
  console.log(`FIGURE push to Ready ${Date.now() - pushed} ms`);
  await until("the push shows", 10, () => visitor.last().includes("second"));
  await sleep(3000);
  const statuses = await visitor.stop();
  assert.deepEqual([...new Set(statuses)], [200], `${statuses.length} requests during the push`);

  const closed = Date.now();
  await repository.event(1, "closed");
  await repository.gone(1, 60);
  console.log(`FIGURE close to gone ${Date.now() - closed} ms`);
  await until("the comment says that it is gone", 10, async () => (await catalyst.comments(repository, 1)).every((text) => !text.includes(url)));
  await until("its URL leads nowhere", 10, async () => (await visit(url)).status === 404);
});

test("fifty pull requests at once all get their previews, and all go", async () => {
  const repository = await create("crowd");
  const numbers = Array.from({ length: Number(process.env.CATALYST_E2E_CROWD ?? 50) }, (_, index) => index + 1);
  await repository.git("checkout", "--quiet", "-B", "change-1", "main");
  write(repository, "crowd")();
  await repository.commit("Change");
  for (const number of numbers.slice(1)) await repository.git("branch", `change-${number}`, "change-1");
  await repository.git("checkout", "--quiet", "main");
  await catalyst.publish(repository);

  const opened = Date.now();
  const times = await Promise.all(
    numbers.map(async (number) => {
      const sha = await repository.event(number, "opened");
      await repository.ready(number, sha, 400);
      return Date.now() - opened;
    }),
  );
  times.sort((a, b) => a - b);
  console.log(`FIGURE ${numbers.length} at once: Ready after ${times[0]} ms (first), ${times[times.length >> 1]} ms (median), ${times.at(-1)} ms (last)`);
  for (const number of numbers) await reached(repository.url(number), "crowd", 10);

  const closed = Date.now();
  const gone = await Promise.all(
    numbers.map(async (number) => {
      await repository.event(number, "closed");
      await repository.gone(number, 300);
      return Date.now() - closed;
    }),
  );
  gone.sort((a, b) => a - b);
  console.log(`FIGURE ${numbers.length} closed at once: gone after ${gone[0]} ms (first), ${gone[gone.length >> 1]} ms (median), ${gone.at(-1)} ms (last)`);
});

/** What the parts of the suite that have files of their own share. */
const suite = {
  get catalyst() {
    return catalyst;
  },
  create,
  write,
  reached,
  /** When the accounts had no rights: the API server was away, or said by itself that it was not ready. */
  unready: [],
};
handmade(suite);
// They wait for the cluster most of the time, each for repositories of its own.
describe("every kind of repository", { concurrency: 3 }, () => {
  kinds(suite);
  charts(suite);
  services(suite);
  builds(suite);
  mistakes(suite);
});
describe("larger applications", { concurrency: 2 }, () => {
  describe("Next.js", { concurrency: 1 }, () => nextjs(suite));
  describe("catalyst validate", { concurrency: 1 }, () => validates(suite));
});
kaniko(suite);
failures(suite);
browser(suite);
operations(suite);
disturbances(suite);

test("uninstalling leaves neither previews nor namespaces", async () => {
  const repository = await create("leftover");
  await repository.ready(1, await repository.push(1, "opened", write(repository, "left")));
  const asked = Date.now();
  // Its rights go while its pods are still ending.
  suite.unready.push({ from: asked, to: Infinity });
  await catalyst.uninstall();
  console.log(`uninstalled after ${Date.now() - asked} ms`);
  const left = await json("get", "namespaces", "-l", "catalyst.dev/namespace-type");
  assert.deepEqual(left.items.map((item) => item.metadata.name), []);
  const roles = await kubectl("get", "clusterroles,clusterrolebindings", "--output=name");
  assert.doesNotMatch(roles, /catalyst-web|catalyst-operator|catalyst-uninstall/);
});

// Rights that are needed, though nothing that the suite does needs them for certain.
const RARE = new Set([
  // Private repositories of a GitHub App; the tests' GitHub has none.
  "authentication.k8s.io/tokenreviews create",
  // Kubernetes 1.35 and newer ask for it where a shell is opened.
  "/pods/exec create",
]);

test("every right was used, and none was missing", { skip: !audited && "this API server writes no audit log" }, () => {
  for (const account of Object.keys(RIGHTS)) {
    const ready = ({ at }) => !suite.unready.some(({ from, to }) => from <= at && at <= to);
    const refused = requests(account).filter(({ code, at }) => (code === 403 || code === 401) && ready({ at }));
    assert.deepEqual([...new Set(refused.map(({ verb, on }) => `${verb} ${on}`))], [], `what ${account} was refused`);
    const granted = [...RIGHTS[account], ...OWN_RIGHTS[account]].flatMap((line) => {
      const [resource, ...verbs] = line.split(" ");
      return verbs.map((verb) => `${resource} ${verb}`);
    });
    const taken = used(account);
    const idle = granted.filter((right) => {
      const [resource, verb] = right.split(" ");
      return !taken.get(resource.split(":")[0])?.has(verb) && !RARE.has(right);
    });
    assert.deepEqual(idle, [], `what ${account} may do and never did`);
  }
});
