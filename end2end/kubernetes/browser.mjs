// The dashboard in a person's browser, through the ingress controller: a shell in a container of the cluster.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";

import { until } from "../system/catalyst.mjs";
import { dashboard, ingress, kubectl, namespace } from "./kubernetes.mjs";

// What Playwright itself drives browsers with, installed beside it.
const { chromium } = createRequire(new URL("../package.json", import.meta.url))("playwright-core");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

/** What the browser itself says while the web side is away. */
const AWAY = /ERR_|Failed to load resource|WebSocket connection to|status of (4|5)\d\d/;

/** A browser that has signed in, and what its console complained of. */
async function open(t, catalyst) {
  const launched = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...FLAGS, `--host-resolver-rules=MAP *.catalyst.dev ${ingress}`],
  });
  t.after(() => launched.close());
  // The certificate is of the tests' own authority.
  const context = await launched.newContext({
    ...{ baseURL: dashboard, ignoreHTTPSErrors: true, viewport: { width: 1440, height: 960 } },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  await page.goto((await catalyst.command("sign-in")).trim());
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Previews", level: 1 }).waitFor();
  return { context, page, complaints };
}

export function browser(suite) {
  test("a shell in a browser is typed into, resized, pasted into, stopped, found again after a restart, and revoked", async (t) => {
    const { catalyst } = suite;
    const repository = await suite.create("typed");
    await repository.ready(1, await repository.push(1, "opened", suite.write(repository, "typed")));
    const { context, page, complaints } = await open(t, catalyst);
    const panel = page.locator("#shell");
    const status = panel.locator(".shell-status");
    const shown = page.locator(".terminal-frame:not([hidden]) .xterm-rows");
    const says = (text, seconds = 15) => shown.filter({ hasText: text }).waitFor({ timeout: seconds * 1000 });
    const stands = (text, seconds = 15) => status.filter({ hasText: text }).waitFor({ timeout: seconds * 1000 });
    const focus = () => page.locator(".terminal-frame:not([hidden]) .xterm-screen").click();
    const type = (text) => page.keyboard.type(`${text}\n`);

    const row = page.getByRole("row").filter({ hasText: repository.name });
    await row.getByRole("link", { name: "Change 1" }).click();
    await page.locator(".live-mark.on").first().waitFor();
    const asked = Date.now();
    await page.getByRole("button", { name: "Shell in app" }).first().click();
    await stands("Connected");
    console.log(`FIGURE a shell in the browser is connected after ${Date.now() - asked} ms`);
    await focus();
    await type("echo $((6*7)) in $TERM");
    await says("42 in xterm-256color");

    await type("while sleep 0.2; do stty size; done");
    await says(/\d+ \d+/);
    const sizes = async () => [...(await shown.innerText()).matchAll(/^(\d+ \d+)\s*$/gm)].map(([, size]) => size);
    const [before] = (await sizes()).slice(-1);
    await panel.getByRole("button", { name: "Full screen" }).click();
    await until("the container knows the new size", 15, async () => (await sizes()).at(-1) !== before);
    await page.keyboard.press("Control+c");
    await panel.getByRole("button", { name: "Leave full screen" }).click();
    await focus();

    const megabyte = `${"x".repeat(63)}\n`.repeat(16384);
    await page.evaluate((text) => navigator.clipboard.writeText(text), megabyte);
    await type("stty -echo; echo read''y; head -c 1048576 | md5sum; stty echo");
    await says("ready");
    const pasted = Date.now();
    await panel.getByRole("button", { name: "Paste" }).click();
    await says(createHash("md5").update(megabyte).digest("hex"), 60);
    console.log(`FIGURE a megabyte pasted into a container in ${Date.now() - pasted} ms`);

    await type("cat /dev/zero | base64");
    await says("AAAAAAAAAAAAAAAA");
    await page.keyboard.press("Control+c");
    await type("clear; echo sto''pped");
    await says("stopped");
    assert.deepEqual(complaints, [], "the browser's console is silent");

    await kubectl("rollout", "restart", "deployment/catalyst-web", "-n", namespace);
    await stands("Reconnecting", 60);
    await kubectl("rollout", "status", "deployment/catalyst-web", "-n", namespace, "--timeout=120s");
    await stands("Connected", 60);
    await says("stopped");
    await says("this is a new shell");
    await focus();
    await type("echo af''ter");
    await says("after");

    const other = await context.newPage();
    await other.goto("/preview-environments");
    const left = Date.now();
    await other.getByRole("button", { name: "Sign out" }).click();
    await stands("You signed out.", 5);
    console.log(`FIGURE a revoked shell in a container closed after ${Date.now() - left} ms`);
    assert.deepEqual(complaints.filter((text) => !AWAY.test(text)), []);
    await repository.event(1, "closed");
    await repository.gone(1, 90);
  });
}
