// What happens to a cluster's programs: the leader dies, the API server goes away.
import assert from "node:assert/strict";
import { test } from "node:test";

import { sleep, until } from "../system/catalyst.mjs";
import { audited, requests, writes } from "./audit.mjs";
import { json, kubectl, namespace, visit } from "./kubernetes.mjs";

const OURS = "app.kubernetes.io/managed-by=catalyst-operator";
/** What the operator keeps in each preview's namespace, besides what runs. */
const KEPT = "resourcequota,limitrange,networkpolicy,serviceaccount,configmap,ingress,service";

/** The longest that watches may need once the API server answers again, in ms. */
const CATCH_UP = 5_000;

const holder = async () => (await json("get", "lease", "catalyst-operator", "-n", namespace)).spec.holderIdentity ?? "";
/** A candidate is its pod's name and what tells its restarts apart. */
const podOf = (identity) => identity.replace(/-[0-9a-f]{8}$/, "");

/** Asks again and again until `stop`, which tells what `look` answered; `t`'s end stops it, too. */
export function observe(t, look, every = 100) {
  const seen = [];
  let on = true;
  t.after(() => (on = false));
  const going = (async () => {
    for (; on; await sleep(every)) seen.push(await look().catch((error) => error.message));
  })();
  return async () => ((on = false), await going, seen);
}

export function disturbances(suite) {
  test("another operator takes over when the leader is killed, and no two of them write", async (t) => {
    const repository = await suite.create("leader");
    const first = await repository.push(1, "opened", suite.write(repository, "led"));
    await repository.ready(1, first);
    const [before] = (await json("get", "pods", "-n", repository.namespace(1), "-l", "app=web")).items;
    const visitor = observe(t, async () => (await visit(repository.url(1))).status);

    // In the middle of its work.
    const numbers = [2, 3, 4];
    const leader = await holder();
    const began = Date.now();
    const wanted = [];
    for (const number of numbers) wanted.push(await repository.commitTo(number, true, suite.write(repository, `led ${number}`)));
    const opened = numbers.map((number) => repository.event(number, "opened"));
    const killed = await suite.catalyst.kill(namespace, podOf(leader));
    const next = await until("another operator leads", 30, async () => {
      const now = await holder();
      return now && now !== leader && now;
    });
    const took = Date.now() - killed;
    console.log(`FIGURE leader killed: another leads after ${took} ms`);
    assert.ok(took <= 15_000, `the takeover took ${took} ms`);
    await Promise.all(opened);
    await Promise.all(numbers.map((number, index) => repository.ready(number, wanted[index], 90)));
    console.log(`FIGURE leader killed: three previews under way are Ready ${Date.now() - killed} ms after it`);

    const statuses = await visitor();
    assert.deepEqual([...new Set(statuses)], [200], "what ran was not disturbed");
    const [after] = (await json("get", "pods", "-n", repository.namespace(1), "-l", "app=web")).items;
    assert.equal(after.metadata.uid, before.metadata.uid);
    await Promise.all([1, ...numbers].map((number) => repository.event(number, "closed")));
    await Promise.all([1, ...numbers].map((number) => repository.gone(number, 90)));

    if (!audited) return console.log("this API server writes no audit log: who wrote when was not looked at");
    const written = requests("catalyst-operator", began - 20_000).filter(writes);
    const writers = written.map(({ pod }) => pod).filter((pod, index, all) => pod !== all[index - 1]);
    assert.deepEqual(writers, [podOf(leader), podOf(next)], "each wrote in its time");
    const late = written.filter(({ pod, at }) => pod === podOf(leader) && at > killed);
    assert.deepEqual(late, [], "nothing of the dead one's came later");
    const made = written.filter(({ verb, code }) => code === 201 && verb !== "delete").map(({ on }) => on);
    assert.equal(new Set(made).size, made.length, "nothing was made twice");
  });

  test("while the API server is away nothing is shown as gone, and all watches catch up when it is back", async (t) => {
    const { catalyst } = suite;
    const repository = await suite.create("outage");
    const first = await repository.push(1, "opened", suite.write(repository, "before"));
    await repository.ready(1, first);
    const { metadata } = (await catalyst.environmentOf(repository, 1)).body;
    const id = metadata.annotations["catalyst.dev/environment-id"];
    const home = repository.namespace(1);
    await until("its page says so", 10, async () => (await status(id)) === "running");

    // Every way to look at it, all the time.
    const stream = catalyst.stream("/api/preview-environments/stream");
    t.after(() => stream.close());
    await until("the list's stream is open", 10, () => stream.status === 200);
    const list = observe(t, async () => {
      const { status, text } = await catalyst.get("/preview-environments");
      return status === 200 && text.includes(home) ? "shown" : `${status} without ${home}`;
    }, 300);
    const page = observe(t, async () => {
      const { status, text } = await catalyst.get(`/preview-environments/${id}`);
      return status === 200 && text.includes(home) ? "shown" : `${status} without ${home}: ${text.slice(text.indexOf("<main"))}`;
    }, 300);
    const visitor = observe(t, async () => (await visit(repository.url(1))).status);

    await catalyst.apiserver("stop");
    const away = Date.now();
    suite.unready.push({ from: away, to: away });
    let [pushed, back] = [];
    try {
      assert.equal(await catalyst.answers(), false);
      // GitHub is heard all the same.
      pushed = await repository.push(1, "synchronize", suite.write(repository, "after"));
      await sleep(15_000);
      const asked = Date.now();
      const log = await catalyst.get(`/api/preview-environments/${id}/logs`, { timeout: 60_000 });
      console.log(`FIGURE API server away: it is said after ${Date.now() - asked} ms that there is no log`);
      assert.equal(log.status, 503, "there is no log, and it is said that this is not for ever");
      assert.match(log.text, /cannot read the logs/);
      const overview = await catalyst.get("/overview", { timeout: 60_000 });
      assert.equal(overview.status, 200);
      assert.match(overview.text, /has not answered since/i, "the operators' page says that the cluster is away");
    } finally {
      // It answers before it says that it is ready.
      const starting = catalyst.apiserver("start");
      await until("the API server answers", 90, () => catalyst.answers());
      back = Date.now();
      await starting;
      suite.unready.at(-1).to = Date.now();
    }
    const served = await visitor();
    assert.deepEqual([...new Set(served)], [200], "what runs does not need the API server");

    // The operator's watches: what is taken away is put back.
    // But for what the last look at the repository reported: that comes with the next one, which needs the
    // cluster's own controllers, and these take their time to come back.
    const kept = (await json("get", KEPT, "-n", home, "-l", OURS)).items.filter(({ metadata }) => metadata.name !== "catalyst-inspection");
    const kinds = new Set(kept.map(({ kind }) => kind));
    assert.equal(kinds.size, KEPT.split(",").length, `there is one of each kind: ${[...kinds]}`);
    const names = kept.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    const gone = Date.now();
    await kubectl("delete", "-n", home, "--wait=false", ...names);
    const uid = new Map(kept.map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.uid]));
    await until("all of it is back", 30, async () => {
      const now = (await json("get", KEPT, "-n", home, "-l", OURS)).items;
      const anew = now.filter(({ kind, metadata }) => metadata.uid !== uid.get(`${kind}/${metadata.name}`));
      return anew.length >= names.length;
    });
    const repaired = Date.now();
    console.log(`FIGURE API server back: drift of ${names.length} objects repaired ${repaired - gone} ms after it happened, ${repaired - back} ms after the API server answered`);
    assert.ok(repaired - gone <= CATCH_UP, `the operator's watches took ${repaired - gone} ms`);

    // The web side's watches: the push that came meanwhile is deployed, and shown.
    await repository.ready(1, pushed, 120);
    const ready = Date.now();
    await until("the page shows the push as ready", 20, async () => {
      const { text } = await catalyst.get(`/preview-environments/${id}`);
      return text.includes(pushed.slice(0, 7)) && (await status(id)) === "running";
    });
    console.log(`FIGURE API server back: the push that came meanwhile is Ready after ${ready - back} ms, shown ${Date.now() - ready} ms later`);
    assert.ok(Date.now() - ready <= CATCH_UP, "the web side's watch is behind");
    console.log(`the API server was away for ${back - away} ms`);

    assert.deepEqual([...new Set(await list())], ["shown"], "the list always shows it");
    assert.deepEqual([...new Set(await page())], ["shown"], "its page always shows it");
    stream.close();
    const removed = stream.events.filter((event) => JSON.stringify(event).toLowerCase().includes("removed"));
    assert.deepEqual(removed, [], "the stream never says that it is gone");
    await repository.event(1, "closed");
    await repository.gone(1, 90);

    async function status(id) {
      const stream = catalyst.stream(`/api/preview-environments/${id}/stream`);
      try {
        const { data } = await until("the page's stream tells", 10, () => stream.events[0]);
        return data.status ?? data.summary?.status;
      } finally {
        stream.close();
      }
    }
  });
}
