// How much a browser has to load before the list of previews can be used.
import { expect, live, test } from "./journey";

/** In KB as they come over the wire, compressed. It grows only for a reason. */
const BUDGET = 265;

const KINDS: [string, RegExp][] = [
  ["html", /^text\/html/],
  ["wasm", /^application\/wasm/],
  ["css", /^text\/css/],
  ["js", /javascript/],
];

test("the list's first load stays within its budget, and brings no other page", async ({ page, context, signIn }) => {
  await signIn();
  // What the page before still loads would be counted with it.
  await live(page);
  const browser = await context.newCDPSession(page);
  await browser.send("Network.enable");
  await browser.send("Network.clearBrowserCache");
  const kinds = new Map<string, string>();
  const names: string[] = [];
  const loaded: Record<string, number> = {};
  browser.on("Network.responseReceived", ({ requestId, response }) => {
    const kind = KINDS.find(([, type]) => type.test(response.mimeType))?.[0];
    if (!kind) return;
    kinds.set(requestId, kind);
    names.push(new URL(response.url).pathname);
  });
  browser.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId);
    if (kind) loaded[kind] = (loaded[kind] ?? 0) + encodedDataLength;
  });

  await page.goto("/preview-environments");
  await live(page);
  // What is loaded once the page is in use would still be part of it.
  await page.waitForTimeout(2000);

  const kb = (bytes: number) => Math.round(bytes / 100) / 10;
  const whole = Object.values(loaded).reduce((sum, bytes) => sum + bytes, 0);
  const parts = ["wasm", "css", "js", "html"].map((kind) => `${kind} ${kb(loaded[kind] ?? 0)}`);
  console.log(`FIGURE first load of the list page: ${kb(whole)} KB brotli (${parts.join(" ")})`);
  expect(names.filter((name) => /\/(split|chunk)_|terminal/.test(name))).toEqual([]);
  expect(kb(loaded.wasm ?? 0), "the program itself").toBeGreaterThan(50);
  expect(kb(whole)).toBeLessThanOrEqual(BUDGET);
});

test("other pages bring their own parts, by a link and by their address", async ({ page, signIn }) => {
  const parts = new Set<string>();
  page.on("response", (response) => {
    const name = new URL(response.url()).pathname.match(/\/pkg\/(split_[a-z]+)/)?.[1];
    if (name) parts.add(name);
  });
  await signIn();
  await live(page);
  // The page to sign in on is one of the others.
  expect([...parts]).toEqual(["split_other"]);
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Projects", level: 1 })).toBeVisible();
  for (const [path, title] of [
    ["/deliveries", "Deliveries"],
    ["/teams", "Teams"],
    ["/tokens", "Tokens"],
    ["/preview-environments/new", "Create a preview"],
  ]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { name: title, level: 1 })).toBeVisible();
    // Only a page that was taken over changes when its button is pressed.
    const button = page.getByRole("button", { name: /^Theme:/ });
    await expect(async () => {
      const before = await button.getAttribute("aria-label");
      await button.click();
      expect(await button.getAttribute("aria-label")).not.toBe(before);
    }).toPass();
  }
});
