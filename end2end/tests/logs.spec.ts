// Logs of a hundred thousand lines, and of what is gone.
import AxeBuilder from "@axe-core/playwright";
import { app, expect, live, test } from "./journey";

const LINES = 100_000;
const many = `for (let n = 1; n <= ${LINES}; n += 1) console.log("line " + n + (n % 25000 === 0 ? " needle" : "") + " " + "x".repeat(n % 60));`;

test("a hundred thousand lines are read, searched and scrolled without a halt", async ({ page, repository, signIn }) => {
  test.setTimeout(180_000);
  const sha = await repository.push(1, "opened", () => app("many", many)(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  await page.getByRole("row").filter({ hasText: repository.name }).getByRole("link", { name: "Change 1" }).click();
  await live(page);
  const log = page.getByRole("log");
  await expect(log).toContainText("listening");
  await page.getByRole("combobox", { name: "How many lines" }).selectOption("100000");
  await expect(async () => {
    expect(await log.evaluate((view) => view.scrollHeight)).toBeGreaterThan(99_000 * 20);
  }).toPass({ timeout: 30_000 });
  // Of all those lines, only a few are elements.
  expect(await log.locator(".line").count()).toBeLessThan(4000);

  await page.getByRole("searchbox", { name: "Find in the lines" }).fill("NEEDLE");
  await expect(page.getByText("1 of 4")).toBeVisible();
  await expect(log.locator(".line.current")).toContainText("line 25000 needle");
  await page.getByRole("button", { name: "Next hit" }).click();
  await expect(log.locator(".line.current")).toContainText("line 50000 needle");
  await page.getByRole("button", { name: "Match case" }).click();
  await expect(page.getByText("none")).toBeVisible();
  await page.getByRole("button", { name: "Match case" }).click();
  await page.getByRole("button", { name: "Regular expression" }).click();
  await page.getByRole("searchbox", { name: "Find in the lines" }).fill("^line (7|77)000 ");
  await expect(page.getByText("1 of 2")).toBeVisible();
  await expect(log.locator(".line.current mark")).toHaveText("line 7000 ");
  await page.getByRole("searchbox", { name: "Find in the lines" }).fill("(");
  await expect(page.getByText("not a pattern")).toBeVisible();
  await page.getByRole("searchbox", { name: "Find in the lines" }).fill("");

  // Scrolling through all of it: how long each frame takes.
  const frames = await log.evaluate(async (view) => {
    const times: number[] = [];
    let last = performance.now();
    for (let at = 0; at <= 60; at += 1) {
      view.scrollTop = (view.scrollHeight * at) / 60;
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - last);
      last = now;
    }
    return times.sort((a, b) => a - b);
  });
  const text = await log.evaluate((view) => (view as HTMLElement).innerText);
  expect(text).toContain(`line ${LINES} `);
  console.log(`FIGURE two frames of a scroll through ${LINES} lines: median ${frames[30].toFixed(0)} ms, worst ${frames[60].toFixed(0)} ms`);
  expect(frames[30]).toBeLessThan(250);

  await page.getByRole("button", { name: "Full screen" }).click();
  expect(await page.locator("#logs").boundingBox()).toMatchObject({ x: 0, y: 0, height: 960 });
  await page.screenshot({ path: "screenshots/logs-full-screen.png" });
  await page.getByRole("button", { name: "Leave full screen" }).click();
  await page.getByRole("combobox", { name: "Since when" }).selectOption("Last hour");
  await expect(log).toContainText("listening");
});

test("of a preview that was removed the log is kept", async ({ page, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => app("kept")(repository.folder));
  await repository.ready(1, sha);
  await signIn();
  const row = page.getByRole("row").filter({ hasText: repository.name });
  await row.getByRole("link", { name: "Change 1" }).click();
  await live(page);
  await expect(page.getByRole("log")).toContainText("listening");
  const address = page.url();
  await repository.event(1, "closed");
  await repository.gone(1);
  await page.goto(address);
  await expect(page.getByText("This preview was removed")).toBeVisible();
  await expect(page.getByRole("log")).toContainText("listening");
  await page.getByRole("combobox", { name: "Container" }).selectOption({ label: "git-clone (before start)" });
  await expect(page.getByRole("log")).not.toContainText("listening");
  const { violations } = await new AxeBuilder({ page }).include("#logs").analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
});
