// What previews use, the list that is filtered and ordered, the operators' overview, and previews by hand.
import { expect, live, status, test as base, app } from "./journey";
import { Catalyst } from "../system/catalyst.mjs";

// A short measure and a short life, so that both are seen within a journey.
const test = base.extend<{}, { catalyst: any }>({
  catalyst: [
    async ({}, use) => {
      const catalyst = await Catalyst.start({
        CATALYST_USAGE_SECONDS: "2",
        CATALYST_WARN_CPU: "300m",
        CATALYST_MANUAL_TTL: "40s",
      });
      await use(catalyst);
      await catalyst.stop();
    },
    { scope: "worker", timeout: 90_000 },
  ],
});

/** Keeps one core busy. */
const greedy = app("greedy", "setInterval(() => { const end = Date.now() + 90; while (Date.now() < end); }, 100);");

test("what uses too much is marked in the list, on its page and in the overview", async ({ page, repository, signIn }) => {
  const calm = await repository.push(1, "opened", () => app("calm")(repository.folder));
  const busy = await repository.push(2, "opened", () => greedy(repository.folder));
  await repository.ready(1, calm);
  await repository.ready(2, busy);
  await signIn();
  await page.goto(`/preview-environments?q=${encodeURIComponent(repository.name)}`);
  await live(page);
  const row = (title: string) => page.getByRole("row").filter({ has: page.getByRole("link", { name: title }) });
  await expect(row("Change 1").locator(".col-memory")).toContainText("MiB", { timeout: 30_000 });
  await expect(row("Change 2").locator(".col-cpu .over")).toContainText("too much", { timeout: 60_000 });
  await expect(row("Change 1").locator(".col-cpu .over")).toHaveCount(0);

  // The figures come by themselves.
  await page.getByRole("link", { name: "CPU" }).click();
  await expect(page).toHaveURL(/sort=cpu/);
  await expect(page.locator("tbody tr").first()).toContainText("Change 2");
  await page.getByRole("link", { name: "CPU" }).click();
  await expect(page).toHaveURL(/order=desc/);
  await expect(page.locator("tbody tr").first()).toContainText("Change 1");

  await page.getByRole("link", { name: /^Over quota/ }).click();
  await expect(row("Change 2")).toBeVisible();
  await expect(row("Change 1")).toHaveCount(0);
  await row("Change 2").getByRole("link", { name: "Change 2" }).click();
  await expect(page.getByRole("region", { name: "Resources" })).toContainText("of 300m");
  await expect(page.getByText("More than it is meant to use.")).toBeVisible();

  await page.goto("/overview");
  await live(page);
  await expect(page.getByRole("region", { name: "Over quota" })).toContainText("Change 2");
  await expect(page.getByRole("region", { name: "Clusters" })).toContainText("allocatable");
  const teams = page.getByRole("table").filter({ hasText: "Over quota" });
  await expect(teams.getByRole("row")).not.toHaveCount(0);
});

test("a list of many is filtered, searched and paged", async ({ page, catalyst, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("one of many")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await page.goto(`/preview-environments?q=${encodeURIComponent(repository.name)}`);
  await live(page);
  await page.getByRole("link", { name: /^Failed/ }).click();
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("link", { name: /^Ready/ }).click();
  await expect(page.getByRole("link", { name: "Change 1" })).toBeVisible();
  await page.goto("/preview-environments?page=9");
  await expect(page.getByRole("heading", { name: "Previews", level: 1 })).toBeVisible();
  expect(catalyst.url).toBeTruthy();
});

test("a preview is made by hand, kept for longer, and ends by itself", async ({ page, repository, signIn }) => {
  test.setTimeout(240_000);
  await signIn();
  await page.getByRole("link", { name: "Create preview" }).click();
  await expect(page.getByRole("heading", { name: "Create a preview", level: 1 })).toBeVisible();
  await page.getByLabel("Repository").selectOption({ label: repository.name });
  await expect(page.getByRole("textbox", { name: "Image" })).toBeHidden();
  await page.getByRole("radio", { name: /^Commit/ }).check();
  await expect(page.getByRole("textbox", { name: "Commit" })).toBeVisible();
  await page.getByRole("radio", { name: /^Branch/ }).check();
  await page.getByRole("textbox", { name: "Branch" }).fill("main");
  await page.getByRole("button", { name: "Create preview" }).click();
  await expect(page.getByRole("heading", { name: "Branch main", level: 1 })).toBeVisible();
  await expect(status(page)).toHaveText("Ready", { timeout: 60_000 });
  const kept = page.locator(".facts time[datetime]").last();
  const before = await kept.getAttribute("datetime");
  await page.getByRole("button", { name: "Keep longer" }).click();
  await expect(kept).not.toHaveAttribute("datetime", before ?? "");
  await expect(page.getByText("This preview is removed")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("This preview was removed")).toBeVisible({ timeout: 120_000 });
  await page.goto("/preview-environments?status=removed");
  await expect(page.getByRole("link", { name: "Branch main" })).toBeVisible();
});

test("the form works without scripts", async ({ browser, catalyst, repository }) => {
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: catalyst.url });
  const page = await context.newPage();
  const { signInLink } = await import("./journey");
  await page.goto(await signInLink(catalyst));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.goto("/preview-environments/new");
  await page.getByLabel("Repository").selectOption({ label: repository.name });
  await page.getByRole("button", { name: "Create preview" }).click();
  await expect(page.getByRole("heading", { name: "Branch main", level: 1 })).toBeVisible();
  await context.close();
});
