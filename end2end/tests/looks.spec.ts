// Every page in light and dark, wide and narrow: free of what axe finds, and kept as pictures.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { app, broken, expect, live, status, test } from "./journey";

/** Waits until the page's scripts run: its stream is open or, where it has none, all is loaded. */
async function settled(page: Page) {
  if ((await page.locator(".live-mark").count()) > 0) await live(page);
  else await page.waitForLoadState("networkidle");
  await page.evaluate(() => document.fonts.ready);
}

const sizes = { wide: { width: 1440, height: 960 }, narrow: { width: 390, height: 844 } };

test("every page is accessible in light and dark, wide and narrow", async ({
  page,
  catalyst,
  repository,
  signIn,
  expectedErrors,
}) => {
  test.setTimeout(600_000);
  expectedErrors.push(/status of 404/);
  await signIn();
  await page.goto("/preview-environments?q=nothing-is-called-this");
  const files = (write: (folder: string) => void) => () => {
    write(repository.folder);
    // Another program beside it, which might have been meant.
    mkdirSync(join(repository.folder, "web"), { recursive: true });
    writeFileSync(join(repository.folder, "web", "index.html"), "<h1>fine</h1>");
  };
  const good = await repository.push(1, "opened", files(app("fine")));
  await repository.ready(1, good);
  await repository.push(2, "opened", files(broken));
  await page.goto(`/preview-environments?q=${encodeURIComponent(repository.name)}`);
  await live(page);
  const href = async (title: string) => (await page.getByRole("link", { name: title }).getAttribute("href")) ?? "";
  const [ready, failed] = [await href("Change 1"), await href("Change 2")];
  await page.goto(failed);
  await expect(status(page)).toHaveText("Degraded", { timeout: 60_000 });

  const project = repository.namespace(1).replace(/-preview-1$/, "");
  const pages: Record<string, string> = {
    "list": "/preview-environments",
    "list-empty": "/preview-environments?q=nothing-is-called-this",
    "preview-ready": ready,
    "preview-failed": failed,
    "preview-delete": `${failed}/delete`,
    "preview-missing": "/preview-environments/no-such-preview",
    "projects": "/projects",
    "project-new": "/projects/new",
    "platform": `/projects/${project}/platform`,
    "environment": `/projects/${project}/env/preview-1`,
    "environment-missing": `/projects/${project}/env/preview-99`,
    "deliveries": "/deliveries",
    "overview": "/overview",
    "create": "/preview-environments/new",
    "teams": "/teams",
    "team": "/teams/acme",
    "tokens": "/tokens",
    "sign-in": "/sign-in?token=none",
  };
  const found: string[] = [];
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path);
        await settled(page);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        if (wide) found.push(`${name} ${scheme} ${size}: wider than the window`);
        const { violations } = await new AxeBuilder({ page }).analyze();
        for (const { id, nodes } of violations) {
          found.push(`${name} ${scheme} ${size}: ${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
        }
        await page.screenshot({ path: `screenshots/${name}-${scheme}-${size}.png`, fullPage: size === "narrow" });
      }
    }
  }
  expect(found).toEqual([]);
});

test("the chosen theme holds, without a flash", async ({ page, signIn }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await signIn();
  await live(page);
  const theme = page.getByRole("button", { name: /^Theme/ });
  await theme.click();
  await theme.click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  // The server writes it into the page: there is no moment in which it is not there.
  const html = await (await page.request.get("/preview-environments")).text();
  expect(html).toContain('data-theme="dark"');
});

test("the keyboard reaches everything, and its focus is seen", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("keys")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await page.goto(`/preview-environments?q=${encodeURIComponent(repository.name)}`);
  await live(page);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  const title = page.getByRole("link", { name: "Change 1" });
  for (let presses = 0; presses < 25; presses++) {
    await page.keyboard.press("Tab");
    if (await title.evaluate((link) => link === document.activeElement)) break;
  }
  await expect(title).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Change 1", level: 1 })).toBeVisible();
  await expect(page.locator("#main")).toBeFocused();
});
