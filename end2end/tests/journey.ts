// What every journey begins with: the real binary on a data folder of its own, someone signed in
// by a one-time link, and a page that fails the test on any error in its console.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as base, expect, type Page } from "@playwright/test";
import { Catalyst, Repository, until } from "../system/catalyst.mjs";

export { expect, until };

/** A small web application without dependencies, which says `text` and logs each request. */
export function app(text: string, beforeListening = "") {
  return (folder: string) => {
    const manifest = { name: "shop", version: "1.0.0", private: true, scripts: { dev: "node server.js" } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    writeFileSync(
      join(folder, "server.js"),
      `const http = require("node:http");
${beforeListening}
http.createServer((request, response) => {
  console.log(request.method, request.url);
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>shop</title><h1>" + ${JSON.stringify(text)} + "</h1>");
}).listen(process.env.PORT || 3000, () => console.log("listening"));
`,
    );
  };
}

/** An application that gives up at once, and says why. */
export const broken = app("never", 'console.error("error: the table of colours is missing"); process.exit(1);');

let names = 0;

interface Shared {
  catalyst: any;
}

interface Own {
  /** A repository of its own, with a project. */
  repository: any;
  /** Signs the page's browser in. */
  signIn: () => Promise<void>;
  /** Text of console errors that the test expects. */
  expectedErrors: RegExp[];
}

export const test = base.extend<Own, Shared>({
  catalyst: [
    async ({}, use) => {
      const catalyst = await Catalyst.start();
      await use(catalyst);
      await catalyst.stop();
    },
    { scope: "worker", timeout: 90_000 },
  ],

  baseURL: async ({ catalyst }, use) => use(catalyst.url),

  repository: async ({ catalyst }, use) => {
    await use(await Repository.create(catalyst, `shop-${++names}`, app("main")));
  },

  expectedErrors: async ({}, use) => use([]),

  page: async ({ page, expectedErrors }, use) => {
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        errors.push(`${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    await use(page);
    const unexpected = errors.filter((error) => !expectedErrors.some((expected) => expected.test(error)));
    expect(unexpected, "errors in the browser's console").toEqual([]);
  },

  signIn: async ({ catalyst, page }, use) => {
    await use(async () => {
      await page.goto(await signInLink(catalyst));
      await page.getByRole("button", { name: "Sign in" }).click();
      await expect(page.getByRole("heading", { name: "Previews", level: 1 })).toBeVisible();
    });
  },
});

/** A new one-time link. */
export async function signInLink(catalyst: any): Promise<string> {
  const printed: string = await catalyst.command("sign-in");
  const link = printed.match(/http\S+/)?.[0];
  if (!link) throw new Error(`no link in: ${printed}`);
  return link;
}

/** Waits until the page keeps itself up to date: it is hydrated and its stream is open. */
export async function live(page: Page) {
  await expect(page.locator(".live-mark.on").first()).toBeVisible();
}

/** The status beside the title of a preview's page. */
export const status = (page: Page) => page.locator(".title-line .pill");
