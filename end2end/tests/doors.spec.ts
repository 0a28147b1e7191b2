// Who gets in, what is not there, and what works without scripts.
import { app, broken, expect, live, signInLink, status, test } from "./journey";

test("a one-time link signs in once", async ({ page, catalyst, browser }) => {
  await page.goto("/preview-environments");
  await expect(page).toHaveURL(/\/sign-in/);
  await expect(page.getByText("catalyst sign-in")).toBeVisible();

  const link = await signInLink(catalyst);
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(/\/preview-environments$/);

  const another = await browser.newPage();
  await another.goto(link);
  await another.getByRole("button", { name: "Sign in" }).click();
  await expect(another.getByRole("alert")).toContainText("used already");
  await another.close();

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.goto("/overview");
  await expect(page).toHaveURL(/\/sign-in/);
});

test("what is not there is named, with why and what to do", async ({ page, signIn, expectedErrors }) => {
  // Chromium reports a page's own 404 as a resource that failed.
  expectedErrors.push(/status of 404/);
  await signIn();
  const missing = await page.goto("/preview-environments/no-such-preview");
  expect(missing?.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "No such preview" })).toBeVisible();
  await expect(page.locator("main")).toContainText("no-such-preview");
  await expect(page.getByRole("link", { name: "See all previews" })).toBeVisible();

  const nowhere = await page.goto("/nowhere");
  expect(nowhere?.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "No such page" })).toBeVisible();
});

test("search, tabs and order are in the address and work from it", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("x")(repository.folder));
  await repository.push(2, "opened", () => app("y")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await live(page);
  await page.getByRole("searchbox", { name: "Search previews" }).fill(repository.name);
  await expect(page).toHaveURL(/q=acme%2Fshop/);
  await expect(page.locator("tbody tr")).toHaveCount(2);
  await expect(page.getByRole("searchbox", { name: "Search previews" })).toBeFocused();

  await page.getByRole("link", { name: "Pull request", exact: true }).click();
  await expect(page.locator("tbody tr").first()).toContainText("Change 1");
  await page.getByRole("link", { name: "Pull request", exact: true }).click();
  await expect(page.locator("tbody tr").first()).toContainText("Change 2");
  await page.reload();
  await expect(page.locator("tbody tr").first()).toContainText("Change 2");

  await page.getByRole("link", { name: /^Needs approval/ }).click();
  await expect(page.getByRole("heading", { name: /Nothing matches|Nothing waits/ })).toBeVisible();
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("everything can be read, retried and deleted", async ({ page, repository, signIn }) => {
    const sha = await repository.push(1, "opened", () => app("plain")(repository.folder));
    await repository.ready(1, sha);
    await signIn();
    await page.goto(`/preview-environments?q=${encodeURIComponent(repository.name)}`);
    await page.getByRole("link", { name: "Change 1" }).click();
    await expect(status(page)).toHaveText("Ready");
    await expect(page.getByRole("log")).toContainText("listening");
    await page.getByRole("combobox", { name: "Container" }).selectOption({ label: "git-clone (before start)" });
    await page.getByRole("button", { name: "Show" }).click();
    await expect(page.getByRole("log")).not.toContainText("listening");

    await repository.push(1, "synchronize", () => broken(repository.folder));
    await expect(async () => {
      await page.reload();
      await expect(status(page)).toHaveText("Degraded", { timeout: 1000 });
    }).toPass({ timeout: 60_000 });
    await page.getByRole("button", { name: "Retry" }).click();
    await expect(status(page)).not.toHaveText("Degraded");

    await page.getByRole("link", { name: "Delete…" }).click();
    await expect(page.getByRole("heading", { name: "Delete this preview?" })).toBeVisible();
    await page.getByRole("button", { name: "Delete preview" }).click();
    await expect(page).toHaveURL(/\/preview-environments$/);
    await repository.gone(1);
  });
});

test("text from a pull request stays text", async ({ page, catalyst, repository, signIn }) => {
  const hostile = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
  await repository.push(1, "opened", () =>
    app("x", `console.log(${JSON.stringify(`${hostile} \u001b]0;title\u0007\u001b[31mred`)});`)(repository.folder),
  );
  const branch = "change-1";
  const sha = await repository.git("rev-parse", branch);
  const payload = repository.payload(1, "edited", branch, sha);
  payload.pull_request.title = hostile;
  payload.pull_request.user.login = hostile;
  await catalyst.deliver("pull_request", payload);
  await repository.ready(1, sha);
  await signIn();
  await live(page);
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await expect(row).toContainText(hostile);
  await row.locator("a.stretched").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(hostile);
  await expect(page.getByRole("log")).toContainText(`${hostile} red`);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
});
