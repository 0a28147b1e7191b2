// Signing in with GitHub, teams and tokens, as people meet them.
import AxeBuilder from "@axe-core/playwright";
import type { Browser, Page } from "@playwright/test";
import { Catalyst, Repository } from "../system/catalyst.mjs";
import { GitHub } from "../system/github.mjs";
import { app, expect, signInLink, test as base } from "./journey";

interface Shared {
  github: any;
}

const test = base.extend<{}, Shared>({
  github: [
    async ({}, use) => {
      const github = await GitHub.start("101:octocat", "102:hubot", "103:mona");
      await use(github);
      await github.stop();
    },
    { scope: "worker" },
  ],
  catalyst: [
    async ({ github }, use) => {
      const catalyst = await Catalyst.start({ ...github.settings, CATALYST_OPERATORS: "OctoCat" });
      await use(catalyst);
      await catalyst.stop();
    },
    { scope: "worker", timeout: 90_000 },
  ],
});

/** Signs in as an account of the fake GitHub's. */
async function asGitHub(page: Page, login: string, path = "/preview-environments") {
  await page.goto(path);
  await page.getByRole("link", { name: "Sign in with GitHub" }).click();
  await page.getByRole("button", { name: `Continue as ${login}` }).click();
}

/** Somebody else, in a browser of their own. */
async function somebody(browser: Browser, baseURL: string | undefined, login: string, path?: string) {
  const page = await (await browser.newContext({ baseURL })).newPage();
  await asGitHub(page, login, path);
  return page;
}

test("GitHub says who one is, and one lands where one wanted to go", async ({ page }) => {
  await asGitHub(page, "octocat", "/projects");
  await expect(page).toHaveURL(/\/projects$/);
  await expect(page.locator(".who-name")).toHaveText("octocat");
  // CATALYST_OPERATORS names the login, in another case.
  await expect(page.locator(".who-teams")).toHaveText("operator");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.goto("/projects");
  await expect(page).toHaveURL(/\/sign-in/);
});

test("a sign-in that GitHub refused, or that was not begun here, lets nobody in", async ({ page, catalyst }) => {
  await page.goto("/sign-in");
  await page.getByRole("link", { name: "Sign in with GitHub" }).click();
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect(page.getByRole("alert")).toContainText("refused there");

  await page.goto("/api/github/callback?code=stolen&state=of-somebody-else");
  await expect(page.getByRole("alert")).toContainText("Begin it again");
  await page.goto("/projects");
  await expect(page).toHaveURL(/\/sign-in/);

  // One cannot be lured elsewhere by what the link says.
  await page.goto("/sign-in?next=https://evil.example");
  await page.getByRole("link", { name: "Sign in with GitHub" }).click();
  await page.getByRole("button", { name: "Continue as hubot" }).click();
  await expect(page).toHaveURL(`${catalyst.url}/preview-environments`);
});

test("the session has a new id after the sign-in, and a state works once", async ({ page, context }) => {
  await page.goto("/sign-in");
  const answers: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/api/github/callback")) answers.push(request.url());
  });
  await page.getByRole("link", { name: "Sign in with GitHub" }).click();
  const session = async () => (await context.cookies()).find((cookie) => cookie.name === "catalyst")?.value;
  const before = await session();
  expect(before).toBeTruthy();
  await page.getByRole("button", { name: "Continue as hubot" }).click();
  await expect(page.locator(".who-name")).toHaveText("hubot");
  expect(await session()).not.toBe(before);

  await page.goto(answers[0]);
  await expect(page.getByRole("alert")).toContainText("Begin it again");
});

test("a one-time link still signs in", async ({ page, catalyst }) => {
  await page.goto(await signInLink(catalyst));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.locator(".who-name")).toHaveText("local");
});

test("a team is made, and its members come, change and go", async ({ page, browser, baseURL, catalyst, expectedErrors }) => {
  expectedErrors.push(/status of 404/, /status of 409/, /status of 400/);
  // Without an App or a token Catalyst cannot ask GitHub: who is added has been here before.
  const hubot = await somebody(browser, baseURL, "hubot", "/teams");
  await expect(hubot.getByRole("heading", { name: "You belong to no team yet" })).toBeVisible();
  await Repository.create(catalyst, "petals", app("main"));
  expect((await hubot.goto("/teams/acme"))?.status()).toBe(404);

  await asGitHub(page, "octocat", "/teams");
  await page.getByLabel("Name").fill("gardeners");
  await page.getByRole("button", { name: "Make team" }).click();
  await expect(page.getByRole("heading", { name: "gardeners", level: 1 })).toBeVisible();
  await expect(page.getByText("This team has no owner")).toBeVisible();
  await page.getByLabel("Login on GitHub").fill("nobody-here");
  await page.getByRole("button", { name: "Add to the team" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "nobody has signed in" })).toBeVisible();
  await page.getByLabel("Login on GitHub").fill("HuBot");
  await page.getByRole("region", { name: "Add somebody" }).getByRole("combobox").selectOption("owner");
  await page.getByRole("button", { name: "Add to the team" }).click();
  await expect(page.getByRole("row").filter({ hasText: "hubot" })).toBeVisible();

  await hubot.goto("/teams/gardeners");
  await expect(hubot.getByRole("button", { name: "Leave the team" })).toHaveCount(0);
  const mona = await somebody(browser, baseURL, "mona", "/teams");
  await hubot.getByLabel("Login on GitHub").fill("mona");
  await hubot.getByRole("button", { name: "Add to the team" }).click();
  const row = hubot.getByRole("row").filter({ hasText: "mona" });
  await row.getByLabel("Role of mona").selectOption("owner");
  await row.getByRole("button", { name: "Change" }).click();
  await expect(hubot.getByRole("button", { name: "Leave the team" })).toBeVisible();

  await mona.goto("/teams");
  await mona.getByRole("link", { name: "gardeners" }).click();
  await mona.getByRole("button", { name: "Remove hubot" }).click();
  await expect(mona.getByRole("row").filter({ hasText: "hubot" })).toHaveCount(0);
  expect((await hubot.goto("/teams/gardeners"))?.status()).toBe(404);
  await hubot.context().close();
  await mona.context().close();
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("one signs in, makes a token that is shown once, and revokes it", async ({ page, catalyst }) => {
    await asGitHub(page, "octocat", "/tokens");
    await expect(page.getByRole("heading", { name: "No tokens yet" })).toBeVisible();
    await page.getByLabel("What for").fill("my agent");
    await page.getByRole("button", { name: "Make token" }).click();
    const secret = (await page.locator("[data-secret]").innerText()).trim();
    expect(secret).toMatch(/^catalyst_[0-9a-f]{64}$/);
    const ask = () =>
      page.request.post("/api/mcp", {
        headers: { authorization: `Bearer ${secret}`, accept: "application/json, text/event-stream" },
        data: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "get_projects", arguments: {} } },
      });
    expect((await ask()).status()).toBe(200);
    await page.goto("/tokens");
    await expect(page.locator("[data-secret]")).toHaveCount(0);
    expect(await page.content()).not.toContain(secret);
    await expect(page.getByRole("row").filter({ hasText: "my agent" })).toContainText("read");
    await page.getByRole("button", { name: "Revoke my agent" }).click();
    await expect(page.getByRole("heading", { name: "No tokens yet" })).toBeVisible();
    expect((await ask()).status()).toBe(401);
    expect(catalyst.output).not.toContain(secret);
  });
});

const sizes = { wide: { width: 1440, height: 960 }, narrow: { width: 390, height: 844 } };

test("the pages are accessible in light and dark, wide and narrow", async ({ page, browser, baseURL, catalyst }) => {
  test.setTimeout(300_000);
  for (const login of ["hubot", "mona"]) await (await somebody(browser, baseURL, login, "/teams")).context().close();
  await Repository.create(catalyst, "roses", app("main"));
  const found: string[] = [];
  const looks = async (name: string, path: string, before?: () => Promise<void>) => {
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.setViewportSize(viewport);
        await page.goto(path);
        await before?.();
        await page.waitForLoadState("networkidle");
        await page.evaluate(() => document.fonts.ready);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        if (wide) found.push(`${name} ${scheme} ${size}: wider than the window`);
        const { violations } = await new AxeBuilder({ page }).analyze();
        for (const { id, nodes } of violations) {
          found.push(`${name} ${scheme} ${size}: ${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
        }
        await page.screenshot({ path: `screenshots/${name}-${scheme}-${size}.png`, fullPage: size === "narrow" });
      }
    }
  };
  await looks("sign-in-github", "/sign-in");
  await asGitHub(page, "octocat");
  await page.goto("/teams/acme");
  for (const [login, role] of [["octocat", "owner"], ["hubot", "admin"], ["mona", "member"]]) {
    await page.getByLabel("Login on GitHub").fill(login);
    await page.getByRole("region", { name: "Add somebody" }).getByRole("combobox").selectOption(role);
    await page.getByRole("button", { name: "Add to the team" }).click();
    await expect(page.getByRole("row").filter({ hasText: login })).toBeVisible();
  }
  await looks("teams", "/teams");
  await looks("team", "/teams/acme");
  await looks("tokens", "/tokens", async () => {
    await page.getByLabel("What for").fill("my coding agent");
    await page.getByRole("button", { name: "Make token" }).click();
    await expect(page.locator("[data-secret]")).toBeVisible();
  });
  expect(found).toEqual([]);
});
