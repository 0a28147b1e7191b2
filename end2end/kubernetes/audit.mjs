// What the API server wrote down of the requests of Catalyst's own accounts (audit.yaml says what).
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { namespace } from "./kubernetes.mjs";

const state = process.env.CATALYST_KUBERNETES_STATE ?? "/tmp/catalyst-kubernetes";
const file = process.env.CATALYST_E2E_AUDIT ?? join(state, "logs/audit.log");

/** Whether this cluster's API server writes down anything. */
export const audited = existsSync(file);

const account = (component) => `system:serviceaccount:${namespace}:${component}`;

/**
 * The requests of an account since `from` (ms), in the order in which they arrived: `at`, `verb`, `code`,
 * `pod`, the resource as rights name it, and `on`, the object.
 */
export function requests(component, from = 0) {
  const all = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    // The last line may be half written.
    if (!line.endsWith("}")) continue;
    const { user, verb, objectRef, responseStatus, requestReceivedTimestamp, requestURI } = JSON.parse(line);
    if (user.username !== account(component)) continue;
    const at = Date.parse(requestReceivedTimestamp);
    if (at < from) continue;
    const { apiGroup = "", resource, subresource, namespace: home = "", name = "" } = objectRef ?? {};
    const right = resource ? `${apiGroup}/${resource}${subresource ? `/${subresource}` : ""}` : requestURI.split("?")[0];
    const pod = user.extra?.["authentication.kubernetes.io/pod-name"]?.[0];
    all.push({ at, verb, code: responseStatus?.code, right, pod, on: `${right} ${home}/${name}`, uri: requestURI });
  }
  return all.sort((a, b) => a.at - b.at);
}

/** Whether it changes something, other than who leads. */
export const writes = ({ verb, right }) =>
  ["create", "update", "patch", "delete", "deletecollection"].includes(verb) && !right.startsWith("coordination.k8s.io/");

/** The rights that an account used: a map from resource to verbs. An apply that made an object took two. */
export function used(component) {
  const rights = new Map();
  for (const { verb, code, right } of requests(component)) {
    if (!rights.has(right)) rights.set(right, new Set());
    rights.get(right).add(verb);
    if (verb === "patch" && code === 201) rights.get(right).add("create");
  }
  return rights;
}
