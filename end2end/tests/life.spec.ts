// A preview's life as a person sees it.
import { renameSync } from "node:fs";
import { app, broken, expect, live, status, test, until } from "./journey";

test("a preview goes from queued to ready before one's eyes, is opened, and its log is followed", async ({
  page,
  context,
  repository,
  signIn,
}) => {
  await signIn();
  await live(page);
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await expect(row).toHaveCount(0);

  await repository.push(1, "opened", () => app("the first page")(repository.folder));
  await expect(row).toBeVisible();
  await row.getByRole("link", { name: "Change 1" }).click();
  await expect(page.getByRole("heading", { name: "Change 1", level: 1 })).toBeVisible();
  await expect(status(page)).toHaveText("Ready", { timeout: 60_000 });
  const steps = page.getByRole("list", { name: "Steps of the newest deployment" }).getByRole("listitem");
  await expect(steps).toHaveCount(5);
  await expect(page.locator(".step.done")).toHaveCount(5);

  const log = page.getByRole("log");
  await expect(log).toContainText("listening");
  await expect(page.getByText("Following")).toBeVisible();

  const opening = context.waitForEvent("page");
  await page.getByRole("link", { name: "Open preview" }).click();
  const preview = await opening;
  await expect(preview.getByRole("heading")).toHaveText("the first page");
  await preview.close();
  await expect(log).toContainText("GET /");

  await page.getByRole("searchbox", { name: "Find in the lines" }).fill("listening");
  await expect(page.getByText("1 of 1")).toBeVisible();
  await expect(log.locator("mark")).toHaveText("listening");
  await page.getByRole("combobox", { name: "Container" }).selectOption({ label: "git-clone (before start)" });
  await expect(log).not.toContainText("listening");
});

test("a push replaces what runs, and the page says what is served meanwhile", async ({ page, repository, signIn }) => {
  const first = await repository.push(1, "opened", () => app("one")(repository.folder));
  await repository.ready(1, first);
  await signIn();
  await page.getByRole("row").filter({ hasText: repository.name }).getByRole("link", { name: "Change 1" }).click();
  await live(page);

  const second = await repository.push(1, "synchronize", () => app("two")(repository.folder));
  await expect(page.getByText(`${first.slice(0, 7)} is still being served`)).toBeVisible();
  await expect(status(page)).toHaveText("Ready", { timeout: 60_000 });
  await expect(page.locator(".origin")).toContainText(second.slice(0, 7));
  await expect(page.locator(".deployment").first()).toContainText(`${second.slice(0, 7)} ready`);
});

test("a failure is told in words beside the lines that prove it", async ({ page, repository, signIn }) => {
  await repository.push(1, "opened", () => broken(repository.folder));
  await signIn();
  await page.getByRole("row").filter({ hasText: repository.name }).getByRole("link", { name: "Change 1" }).click();
  await expect(status(page)).toHaveText("Degraded", { timeout: 60_000 });
  const reason = page.locator(".reason");
  await expect(reason).toContainText("The deployment failed.");
  await expect(reason).toContainText("the table of colours is missing");
  await expect(page.getByRole("log")).toContainText("error: the table of colours is missing");
  await expect(page.locator(".step.failed")).toContainText("Deployed");

  await page.getByRole("link", { name: "Previews", exact: true }).first().click();
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await expect(row).toContainText("the table of colours is missing");
  await expect(row.getByRole("button", { name: "Retry" })).toBeVisible();
});

test("a failed preview is retried once its cause is gone", async ({ page, repository, signIn }) => {
  const [git, away] = [`${repository.folder}/.git`, `${repository.folder}/.git-away`];
  const sha = await repository.push(1, "opened", () => app("found again")(repository.folder));
  await repository.ready(1, sha);
  await repository.push(1, "synchronize", () => app("found again, later")(repository.folder));
  renameSync(git, away);
  await signIn();
  await page.getByRole("row").filter({ hasText: repository.name }).getByRole("link", { name: "Change 1" }).click();
  await expect(status(page)).toHaveText("Failed", { timeout: 90_000 });
  await expect(page.locator(".reason")).toContainText("is still being served");

  renameSync(away, git);
  await page.getByRole("button", { name: "Retry" }).click();
  await expect(status(page)).not.toHaveText("Failed");
  await expect(status(page)).toHaveText("Ready", { timeout: 60_000 });
  await expect(page.locator(".reason")).toHaveCount(0);
});

test("a preview is deleted after a question, leaves the list, and its history stays", async ({
  page,
  repository,
  signIn,
}) => {
  const sha = await repository.push(1, "opened", () => app("short-lived")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await row.getByRole("link", { name: "Change 1" }).click();
  await live(page);

  await page.getByRole("link", { name: "Delete…" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete this preview?" });
  await expect(dialog).toContainText(repository.namespace(1));
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();

  await page.getByRole("link", { name: "Delete…" }).click();
  await dialog.getByRole("button", { name: "Delete preview" }).click();
  await expect(page).toHaveURL(/\/preview-environments$/);
  await expect(row).toHaveCount(0, { timeout: 30_000 });
  await repository.gone(1);

  await page.getByRole("link", { name: "Removed" }).click();
  await row.getByRole("link", { name: "Change 1" }).click();
  await expect(page.getByText("This preview was removed")).toBeVisible();
  await expect(page.locator(".deployment")).toContainText(`${sha.slice(0, 7)} ready`);
});

test("closing the pull request takes the row away without a reload", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("soon closed")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await live(page);
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await expect(row).toBeVisible();
  await page.evaluate(() => Object.assign(window, { stayed: true }));
  await repository.event(1, "closed");
  await expect(row).toHaveCount(0, { timeout: 30_000 });
  expect(await page.evaluate(() => "stayed" in window), "the page was not reloaded").toBe(true);
});

test("after a restart of Catalyst the page goes on by itself", async ({ page, catalyst, repository, signIn, expectedErrors }) => {
  // The browser says itself that nobody answers.
  expectedErrors.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|status of 50\d/);
  await signIn();
  await live(page);
  await catalyst.kill();
  await expect(page.getByText("Reconnecting")).toBeVisible();
  await catalyst.resume();
  await live(page);
  await repository.push(1, "opened", () => app("after the restart")(repository.folder));
  await expect(page.getByRole("row").filter({ hasText: repository.name })).toContainText("Ready", { timeout: 60_000 });
  await until("the preview answers", 10, async () => (await repository.ready(1, await repository.git("rev-parse", "change-1"))) !== undefined);
});
