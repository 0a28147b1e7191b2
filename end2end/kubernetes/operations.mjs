// What those who run Catalyst do with it: read its figures, upgrade it, go back.
import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../system/catalyst.mjs";
import { observe } from "./disturbances.mjs";
import { json, kubectl, namespace, nextImage, policies, visit } from "./kubernetes.mjs";

/** The figures that are asked for, by the part that has them; each line of the text that is looked for. */
const FIGURES = {
  web: [
    [/^catalyst_deployments_total\{result="ready"\} [1-9]/m, "deployments by result"],
    [/^catalyst_webhook_to_ready_seconds_bucket\{le="15"\} \d/m, "durations, from whose buckets p50 and p95 follow"],
    [/^catalyst_webhook_to_ready_seconds_count [1-9]/m, "durations"],
    [/^catalyst_cleanup_seconds_count [1-9]/m, "removals"],
    [/^catalyst_previews\{state="running"\} \d/m, "active previews"],
    [/^catalyst_previews\{state="failed"\} \d/m, "failed previews"],
    [/^catalyst_queue_depth\{queue="deliveries"\} \d/m, "queue depth"],
    [/^catalyst_queue_depth\{queue="previews"\} \d/m, "queue depth"],
    [/^catalyst_deliveries_total\{decision="deploy"\} [1-9]/m, "deliveries by decision"],
    [/^catalyst_github_rate_limit_remaining\{resource="core"\} \d/m, "GitHub's rate limit"],
    [/^catalyst_failed_cleanups 0$/m, "removals that were given up"],
  ],
  operator: [
    [/^catalyst_reconciles_total\{kind="Environment",result="ok"\} [1-9]/m, "reconciles, their errors among them"],
    [/^catalyst_reconcile_duration_seconds_count\{kind="Environment"\} [1-9]/m, "how long reconciles take"],
    [/^catalyst_environment_attempts_total\{result="ready"\} [1-9]/m, "attempts by result"],
    [/^catalyst_environment_deploy_seconds_count [1-9]/m, "how long attempts take"],
    [/^catalyst_environment_cleanup_seconds_count [1-9]/m, "how long removals take"],
    [/^catalyst_operator_leader 1$/m, "who leads"],
  ],
};

export function operations(suite) {
  test("what the ServiceMonitors name is scraped, and has every figure that is asked for", async () => {
    const { catalyst } = suite;
    // One preview's whole life, so that there is something to count.
    const repository = await suite.create("counted");
    await repository.ready(1, await repository.push(1, "opened", suite.write(repository, "one")));
    await repository.event(1, "closed");
    await repository.gone(1, 90);

    // The Prometheus operator is not there: what it would do with them is done here.
    const monitors = monitorsOf(await catalyst.helm("template", { "serviceMonitor.enabled": true }));
    assert.deepEqual(monitors.map(({ component }) => component).sort(), ["operator", "web"]);
    for (const { component, selector, port, path } of monitors) {
      const services = (await json("get", "services", "-n", namespace, "-l", selector)).items;
      assert.equal(services.length, 1, `${selector} selects one Service`);
      const number = services[0].spec.ports.find(({ name }) => name === port)?.targetPort;
      assert.ok(number, `${services[0].metadata.name} has the port ${port}`);
      const pods = (await json("get", "pods", "-n", namespace, "-l", selector, "--field-selector=status.phase=Running")).items;
      const urls = pods.map(({ status, spec }) => {
        const at = spec.containers[0].ports.find(({ name }) => name === number).containerPort;
        return `http://${status.podIP}:${at}${path}`;
      });
      // From where Prometheus would.
      const text = await catalyst.fetchFrom("monitoring", urls);
      for (const [pattern, what] of FIGURES[component]) assert.match(text, pattern, `${component}: ${what}`);
      for (const [name] of text.matchAll(/^catalyst_\w+/gm)) {
        const plain = name.replace(/_(bucket|sum|count)$/, "");
        assert.match(text, new RegExp(`^# HELP ${plain} `, "m"), `${plain} is explained`);
      }
    }
  });

  test("whether the cluster enforces network policies is found out and said", async () => {
    const enforced = policies === "enforced";
    const repository = await suite.create("apart");
    await repository.ready(1, await repository.push(1, "opened", suite.write(repository, "apart")));
    const isolated = await until("the Environment says it", 90, async () => {
      const { body } = await suite.catalyst.environmentOf(repository, 1);
      const said = body.status.conditions.find(({ type }) => type === "NetworkIsolated");
      if (said?.status === "Unknown") throw new Error(said.message);
      return said;
    });
    assert.equal(isolated.status, enforced ? "True" : "False", isolated.message);
    assert.equal(isolated.reason, enforced ? "PolicyEnforced" : "PolicyNotEnforced");
    const overview = await suite.catalyst.get("/overview");
    assert.equal(/does not enforce NetworkPolicy/.test(overview.text), !enforced, "the operators' page says so where it is not");
    await until("what tried it out is taken away", 60, async () => {
      const left = await kubectl("get", "jobs,pods", "-n", namespace, "-l", "catalyst.dev/network-probe", "--output=name");
      return left.trim() === "";
    });
    await repository.event(1, "closed");
    await repository.gone(1, 90);
  });

  test("an upgrade and the way back leave previews and sessions as they are", async (t) => {
    const { catalyst } = suite;
    const repository = await suite.create("upgraded");
    const sha = await repository.push(1, "opened", suite.write(repository, "stays"));
    await repository.ready(1, sha);
    const before = await pods(repository.namespace(1));
    const visitor = observe(t, async () => (await visit(repository.url(1))).status);

    const asked = Date.now();
    await catalyst.upgrade({ "previews.deadlineMinutes": 7, "operator.resources": { requests: { cpu: "60m", memory: "72Mi" }, limits: { memory: "512Mi" } } });
    console.log(`FIGURE upgraded after ${Date.now() - asked} ms`);
    for (const component of ["web", "operator"]) {
      const { spec } = await json("get", "deployment", `catalyst-${component}`, "-n", namespace);
      assert.equal(spec.template.spec.containers[0].image, nextImage);
    }
    assert.equal(await deadline(), "7");
    await works("after the upgrade", 2);

    await catalyst.rollback();
    assert.equal(await deadline(), "10");
    await works("after the way back", 3);

    const statuses = await visitor();
    assert.deepEqual([...new Set(statuses)], [200], `${statuses.length} requests meanwhile`);
    assert.deepEqual(await pods(repository.namespace(1)), before, "what ran was not made anew");
    for (const number of [1, 2, 3]) await repository.event(number, "closed");
    for (const number of [1, 2, 3]) await repository.gone(number, 90);

    async function deadline() {
      const { spec } = await json("get", "deployment", "catalyst-operator", "-n", namespace);
      return spec.template.spec.containers[0].env.find(({ name }) => name === "CATALYST_DEPLOY_DEADLINE_MINUTES").value;
    }

    /** The session holds, the list is whole, and a new pull request gets its preview. */
    async function works(when, number) {
      await until(`the dashboard answers ${when}`, 30, async () => {
        const page = await catalyst.get("/preview-environments");
        return page.status === 200 && page.text.includes(repository.namespace(1));
      });
      await repository.ready(number, await repository.push(number, "opened", suite.write(repository, when)), 90);
    }
  });
}

const pods = async (home) => (await json("get", "pods", "-n", home, "-l", "app=web")).items.map(({ metadata }) => metadata.uid);

/** The ServiceMonitors of a rendered chart: what each selects, as a label selector, and where it scrapes. */
function monitorsOf(rendered) {
  return rendered
    .split(/^---$/m)
    .filter((text) => /^kind: ServiceMonitor$/m.test(text))
    .map((text) => {
      const labels = [...text.matchAll(/^ {6}(app\.kubernetes\.io\/[\w-]+): (\S+)$/gm)].map(([, name, value]) => `${name}=${value}`);
      const [, port, path] = text.match(/\{port: ([\w-]+), path: ([^,]+),/);
      return { component: labels.join().match(/component=([\w-]+)/)[1], selector: labels.join(), port, path };
    });
}
