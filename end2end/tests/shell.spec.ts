// A shell in the browser, as a person uses it.
import { createHash } from "node:crypto";

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { app, expect, live, test } from "./journey";

/** Opens the newest preview's page. */
async function openPreview(page: Page, repository: any) {
  await page.getByRole("row").filter({ hasText: repository.name }).getByRole("link", { name: "Change 1" }).click();
  await live(page);
}

const panel = (page: Page) => page.locator("#shell");
const rows = (page: Page) => page.locator(".terminal-frame:not([hidden]) .xterm-rows");

async function openShell(page: Page) {
  await page.getByRole("button", { name: "Shell in app" }).first().click();
  await expect(panel(page).locator(".shell-status")).toHaveText("Connected");
  await page.locator(".terminal-frame:not([hidden]) .xterm-screen").click();
}

test("nothing of the terminal is loaded before a shell is opened", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("lazy")(repository.folder));
  await repository.ready(1, sha);
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await signIn();
  await openPreview(page, repository);
  expect(loaded.filter((path) => /terminal|xterm|addon/.test(path))).toEqual([]);
  await openShell(page);
  for (const part of ["terminal-start.js", "terminal.js", "terminal_bg.wasm", "xterm.mjs", "addon-fit.mjs", "xterm.css"]) {
    expect(loaded, part).toContain(`/pkg/${part}`);
  }
});

test("one types, and the size follows the panel", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("typed")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);

  await page.keyboard.type("echo $((6*7)) in $TERM\n");
  await expect(rows(page)).toContainText("42 in xterm-256color");

  await page.keyboard.type("while sleep 0.1; do stty size; done\n");
  await expect(rows(page)).toContainText(/\d+ \d+/);
  const before = (await rows(page).innerText()).match(/^(\d+ \d+)$/m)?.[1];
  await panel(page).getByRole("button", { name: "Full screen" }).click();
  await expect(async () => {
    const sizes = [...(await rows(page).innerText()).matchAll(/^(\d+ \d+)\s*$/gm)].map((found) => found[1]);
    expect(sizes.at(-1)).not.toBe(before);
  }).toPass();
  // All of the window but the place of its scroll bar.
  const box = await panel(page).boundingBox();
  expect(box).toMatchObject({ x: 0, y: 0, height: 960 });
  expect(box?.width).toBeGreaterThan(1400);
  await page.keyboard.press("Control+c");
  await panel(page).getByRole("button", { name: "Leave full screen" }).click();
});

test("a pasted megabyte arrives whole, and a flood stops at Ctrl-C", async ({ page, context, repository, signIn }) => {
  test.setTimeout(180_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const sha = await repository.push(1, "opened", () => app("pasted")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);

  // 16,384 lines of 64 bytes, once there is a program that reads them.
  const megabyte = `${"x".repeat(63)}\n`.repeat(16384);
  await page.evaluate((text) => navigator.clipboard.writeText(text), megabyte);
  await page.keyboard.type("stty -echo; echo read''y; head -c 1048576 | md5sum; stty echo\n");
  await expect(rows(page)).toContainText("ready");
  const pasted = Date.now();
  await panel(page).getByRole("button", { name: "Paste" }).click();
  await expect(rows(page)).toContainText(createHash("md5").update(megabyte).digest("hex"), { timeout: 60_000 });
  console.log(`FIGURE a megabyte pasted in ${Date.now() - pasted} ms`);

  await page.keyboard.type("cat /dev/zero | base64\n");
  await expect(rows(page)).toContainText("AAAAAAAAAAAAAAAA");
  await page.keyboard.press("Control+c");
  await page.keyboard.type("clear; echo sto''pped\n");
  await expect(rows(page)).toContainText("stopped", { timeout: 10_000 });
});

test("one copies, leaves by the keyboard, reconnects, and opens a second shell", async ({ page, context, repository, signIn }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const sha = await repository.push(1, "opened", () => app("copied")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);

  await page.keyboard.type("clear; echo copy-me\n");
  const line = page.locator(".xterm-rows > div").filter({ hasText: /^copy-me/ }).first();
  await line.dblclick();
  await page.keyboard.press("Control+Shift+c");
  await expect(async () => {
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("copy");
  }).toPass();
  await page.keyboard.press("Control+.");
  await expect(panel(page).getByRole("button", { name: "Close this shell" })).toBeFocused();

  await page.locator(".xterm-screen").click();
  await page.keyboard.type("exit 3\n");
  await expect(panel(page).locator(".shell-status")).toHaveText("The shell ended with exit code 3.");
  await panel(page).getByRole("button", { name: "Reconnect" }).click();
  await expect(panel(page).locator(".shell-status")).toHaveText("Connected");
  await expect(rows(page)).toContainText("copy-me");

  await panel(page).getByRole("combobox", { name: "Open another shell" }).selectOption({ index: 1 });
  await expect(panel(page).getByRole("tab")).toHaveCount(2);
  await panel(page).getByRole("button", { name: "Close this shell" }).click();
  await panel(page).getByRole("button", { name: "Close this shell" }).click();
  await expect(panel(page)).toHaveCount(0);
});

test("what a program prints to the terminal stays inside of it", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("escapes")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);
  const title = await page.title();
  const size = page.viewportSize();
  await page.keyboard.type(String.raw`printf '\033]0;hacked\007\033]52;c;aGFja2Vk\007\033[8;3;3t\033]8;;javascript:window.hacked=1\033\\link\033]8;;\033\\\n<img src=x onerror=window.hacked=1>\n'` + "\n");
  await expect(rows(page)).toContainText("<img src=x onerror=window.hacked=1>");
  await page.keyboard.type(String.raw`printf '\033[3J\033[9999999b\033[2147483647@\033[99999;99999H' ; clear; echo survi''ved` + "\n");
  await expect(rows(page)).toContainText("survived");
  expect(await page.title()).toBe(title);
  expect(page.viewportSize()).toEqual(size);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
});

test("after a restart of Catalyst the shell is there again, and what was shown before", async ({
  page,
  catalyst,
  repository,
  signIn,
  expectedErrors,
}) => {
  // The browser says itself that nobody answers.
  expectedErrors.push(/ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|status of (4|5)\d\d|WebSocket connection to/);
  const sha = await repository.push(1, "opened", () => app("restarted")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);
  await page.keyboard.type("echo before-the-res''tart\n");
  await expect(rows(page)).toContainText("before-the-restart");
  await catalyst.kill();
  await expect(panel(page).locator(".shell-status")).toContainText("Reconnecting");
  await catalyst.resume();
  await expect(panel(page).locator(".shell-status")).toHaveText("Connected", { timeout: 60_000 });
  await expect(rows(page)).toContainText("before-the-restart");
  await expect(rows(page)).toContainText("this is a new shell");
  await page.locator(".xterm-screen").click();
  await page.keyboard.type("echo af''ter\n");
  await expect(rows(page)).toContainText("after");
});

test("a shell closes when its user signs out elsewhere, and says why", async ({ page, context, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("revoked")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);
  const other = await context.newPage();
  await other.goto("/preview-environments");
  const began = Date.now();
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(panel(page).locator(".shell-status")).toHaveText("You signed out.", { timeout: 5000 });
  console.log(`closed ${Date.now() - began} ms after signing out`);
});

test("the panel is accessible in light and dark, wide and narrow", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("seen")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await openPreview(page, repository);
  await openShell(page);
  await page.keyboard.type("clear; for c in 1 2 3 4 5 6 7; do printf \"\\033[3${c}mcolour $c\\033[0m \"; done; echo; ls -la\n");
  await expect(rows(page)).toContainText("colour 7");
  const found: string[] = [];
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const [size, viewport] of Object.entries({ wide: { width: 1440, height: 960 }, narrow: { width: 390, height: 844 } })) {
      await page.setViewportSize(viewport);
      await panel(page).scrollIntoViewIfNeeded();
      await page.waitForTimeout(300);
      const { violations } = await new AxeBuilder({ page }).include("#shell").analyze();
      for (const { id, nodes } of violations) found.push(`${scheme} ${size}: ${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
      await page.screenshot({ path: `screenshots/shell-${scheme}-${size}.png` });
    }
  }
  expect(found).toEqual([]);
});
