// Projects and Environments that somebody else than the dashboard makes, as GitOps does: with a database
// and a volume, repaired when they are tampered with, and kept apart from what is not Catalyst's.
import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../system/catalyst.mjs";
import { json, kubectl, namespace as ours, tools } from "./kubernetes.mjs";

const [team, project] = ["handmade", "shop"];
const home = `${team}-${project}`;
const program = 'require("node:http").createServer((request, response) => response.end("by hand")).listen(8000)';
const storage = (size) => ({ accessModes: ["ReadWriteOnce"], resources: { requests: { storage: size } } });
const config = (services) => ({
  ...{ image: tools, command: ["node", "-e", program], ports: [{ containerPort: 8000 }], services },
  ...{ volumes: [{ name: "files", persistentVolumeClaim: storage("1Gi") }], volumeMounts: [{ name: "files", mountPath: "/files" }] },
});
// Nothing serves this image here; what belongs to it is made all the same.
const database = { name: "db", container: { image: "localhost:5000/postgres:17", ports: [{ containerPort: 5432 }] }, storage: storage("1Gi") };

const labelled = (name, kind, more) => ({
  ...{ apiVersion: "v1", kind: "Namespace" },
  metadata: { name, labels: { "catalyst.dev/namespace-type": kind, "catalyst.dev/team": team, ...more } },
});
const environment = (name, services) => ({
  ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Environment" },
  metadata: {
    ...{ name, namespace: home },
    labels: { "catalyst.dev/team": team, "catalyst.dev/project": project, "catalyst.dev/environment": name },
  },
  spec: {
    ...{ projectRef: { name: project }, type: "deployment", deploymentMode: "production" },
    ...{ sources: [{ name: "primary", commitSha: "HEAD", branch: "main" }], config: config(services) },
  },
});
const condition = async (name, type) => {
  const { status } = await json("get", "environment", name, "-n", home);
  return status?.conditions?.find((it) => it.type === type) ?? {};
};
const there = async (kind, name, within) => (await kubectl("get", kind, name, "-n", within, "--ignore-not-found", "--output=name")).trim() !== "";

export function handmade(suite) {
  test("an Environment made by hand gets its database and volume, is repaired, and touches nothing foreign", async () => {
    const { catalyst } = suite;
    const within = `${home}-stage`;
    await catalyst.apply(labelled(team, "team"));
    await catalyst.apply(labelled(home, "project", { "catalyst.dev/project": project }));
    await catalyst.apply(environment("stage", [database]));
    await until("it is said that its Project is missing", 20, async () => (await condition("stage", "Ready")).reason === "ProjectNotFound");
    await catalyst.apply({
      ...{ apiVersion: "catalyst.catalyst.dev/v1alpha1", kind: "Project", metadata: { name: project, namespace: team } },
      spec: { sources: [{ name: "primary", repositoryUrl: "https://github.catalyst.dev/handmade/shop.git", branch: "main" }] },
    });
    const parts = [["statefulset", "db"], ["service", "db"], ["secret", "db-credentials"], ["pvc", "files"]];
    for (const [kind, name] of parts) await until(`${kind} ${name} is made`, 30, () => there(kind, name, within));

    // The operator made the password and cannot read it.
    const as = [`--as=system:serviceaccount:${ours}:catalyst-operator`, "-n", within];
    await assert.rejects(kubectl("get", "secret", "db-credentials", ...as), /forbidden/i);

    await kubectl("label", "namespace", within, "pod-security.kubernetes.io/enforce=privileged", "--overwrite");
    await until("Pod Security is held up again", 10, async () => {
      const { metadata } = await json("get", "namespace", within);
      return metadata.labels["pod-security.kubernetes.io/enforce"] === "baseline";
    });

    await catalyst.apply(environment("stage", []));
    for (const [kind, name] of parts.slice(0, 2)) await until(`${kind} ${name} is gone`, 30, async () => !(await there(kind, name, within)));
    await until("it is ready", 60, async () => (await condition("stage", "Ready")).status === "True");

    // A namespace of that name that is somebody else's.
    const foreign = `${home}-taken`;
    await kubectl("create", "namespace", foreign);
    await catalyst.apply(environment("taken", []));
    await until("it is said that the namespace is taken", 20, async () => (await condition("taken", "NamespaceReady")).reason === "NamespaceTaken");
    await kubectl("delete", "environment", "taken", "-n", home, "--timeout=30s");
    const { metadata, status } = await json("get", "namespace", foreign);
    assert.equal(status.phase, "Active");
    assert.equal(metadata.labels["app.kubernetes.io/managed-by"], undefined);

    // Gone while no operator was there: what it made is found and taken away.
    const operators = (replicas) => kubectl("scale", "deployment/catalyst-operator", "-n", ours, `--replicas=${replicas}`);
    await operators(0);
    await kubectl("wait", "pods", "-n", ours, "-l", "app.kubernetes.io/component=operator", "--for=delete", "--timeout=60s");
    await kubectl("patch", "environment", "stage", "-n", home, "--type=merge", "--patch={\"metadata\":{\"finalizers\":[]}}");
    await kubectl("delete", "environment", "stage", "-n", home, "--timeout=30s");
    await operators(2);
    await until("the orphaned namespace is gone", 60, async () => !(await there("namespace", within, "default")));
    await kubectl("delete", "project", project, "-n", team, "--timeout=30s");
    await kubectl("delete", "namespace", team, home, foreign, "--timeout=60s");
  });
}
