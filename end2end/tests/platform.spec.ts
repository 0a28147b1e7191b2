// A project's platform: its environments, its secrets from the form to what runs, and what is missing.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { visit } from "../system/catalyst.mjs";
import { app, expect, test, until } from "./journey";

/** An application that shows whether it was given the secret, and never the secret itself. */
const program = (folder: string) => {
  app("")(folder);
  writeFileSync(
    join(folder, "server.js"),
    `require("node:http").createServer((request, response) =>
  response.end("API_KEY has " + (process.env.API_KEY ?? "").length + " characters")).listen(process.env.PORT);`,
  );
};

test("a secret is written on the project's page, reaches what runs, and is never shown", async ({ page, catalyst, repository, signIn }) => {
  const sha = await repository.push(1, "opened", () => program(repository.folder));
  await repository.ready(1, sha);
  const shows = (text: string) =>
    until(`the preview shows ${text}`, 60, async () => (await visit(repository.url(1))).text === text);
  await shows("API_KEY has 0 characters");

  await signIn();
  await page.goto("/projects");
  await page.getByRole("link", { name: repository.project, exact: true }).first().click();
  await expect(page.getByRole("heading", { name: "Platform configuration", level: 1 })).toBeVisible();
  await page.waitForLoadState("networkidle");
  await page.getByLabel("Name", { exact: true }).fill("API_KEY");
  await page.getByLabel("Description, optional").fill("for the payments");
  await page.getByLabel("Value").fill("canary-value");
  await page.getByRole("button", { name: "Write", exact: true }).click();
  const row = page.locator(".secret", { hasText: "API_KEY" });
  await expect(row).toContainText("for the payments");
  await expect(page.getByLabel("Value")).toHaveValue("");
  await shows("API_KEY has 12 characters");
  for (const path of [page.url(), "/projects", "/overview", "/preview-environments"]) {
    expect(await (await page.request.get(path)).text()).not.toContain("canary");
  }
  expect(catalyst.output).not.toContain("canary");

  // The environment, from the project's page.
  await page.getByRole("link", { name: "preview-1" }).click();
  await expect(page.getByRole("heading", { name: "Preview environment", level: 1 })).toBeVisible();
  await expect(page.locator(".facts")).toContainText("API_KEY");
  await expect(page.locator(".pods")).toContainText("git-clone");
  const namespace = repository.namespace(1);
  const status = await (await page.request.get(`/api/environments/${namespace}/status`)).json();
  expect(status).toMatchObject({ phase: "Ready", status: "running", namespace, crName: "preview-1" });
  const { pods } = await (await page.request.get(`/api/environments/${namespace}/pods`)).json();
  expect(pods[0].containers.map((container: any) => container.name)).toContain("git-clone");
  expect((await page.request.get("/api/environments/Not_One/status")).status()).toBe(400);
  expect((await page.request.get("/api/environments/no-such/pods")).status()).toBe(404);

  // A shell in what runs; the pods with the value from before may not be gone yet.
  await page.locator(".pods").getByRole("link", { name: "Shell" }).first().click();
  await expect(page.locator("#shell .shell-status")).toHaveText("Connected");

  await page.goBack();
  await page.goBack();
  await page.waitForLoadState("networkidle");
  await row.getByRole("button", { name: /^Remove/ }).click();
  await expect(row).toHaveCount(0);
  await shows("API_KEY has 0 characters");
});

test("the form works without scripts, and says what is wrong", async ({ browser, page, repository, signIn }) => {
  await signIn();
  const state = await page.context().storageState();
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: state, baseURL: new URL(page.url()).origin });
  const plain = await context.newPage();
  await plain.goto("/projects");
  await plain.getByRole("link", { name: repository.project, exact: true }).first().click();
  await plain.getByLabel("Name", { exact: true }).fill("TOKEN");
  await plain.getByLabel("Value").fill("canary-plain");
  await plain.getByRole("button", { name: "Write", exact: true }).click();
  await expect(plain.locator(".secret", { hasText: "TOKEN" })).toBeVisible();
  expect(plain.url()).not.toContain("canary");
  await plain.locator(".secret", { hasText: "TOKEN" }).getByRole("button", { name: /^Remove/ }).click();
  await expect(plain.locator(".secret", { hasText: "TOKEN" })).toHaveCount(0);
  await context.close();
});

test("what is missing is said by its name, with why that may be and a retry", async ({ page, repository, signIn, expectedErrors }) => {
  expectedErrors.push(/status of 404/);
  await signIn();
  const slug = repository.namespace(1).replace(/-preview-1$/, "");
  for (const [path, what, name] of [
    [`/projects/${slug}/env/preview-99`, "Environment not found", "preview-99"],
    ["/projects/no-such/platform", "Project not found", "no-such"],
  ]) {
    const answer = await page.goto(path);
    expect(answer?.status()).toBe(404);
    await expect(page.getByRole("heading", { name: what, level: 1 })).toBeVisible();
    await expect(page.locator(".missing")).toContainText(name);
    await expect(page.getByRole("heading", { name: "Why that may be" })).toBeVisible();
    await expect(page.getByRole("link", { name: "Retry" })).toBeVisible();
  }
});

test("a project is added in the dashboard with a preset, and a wrong one says what is wrong", async ({ page, signIn, expectedErrors }) => {
  expectedErrors.push(/status of 4(00|09|22)/);
  await signIn();
  await page.goto("/projects");
  await page.getByRole("link", { name: "Add project" }).click();
  await expect(page.getByRole("heading", { name: "Add a project", level: 1 })).toBeVisible();
  await page.waitForLoadState("networkidle");
  const name = `added-${Date.now()}`;
  await page.getByLabel("Repository on GitHub").fill(`acme/${name}`);
  await page.getByLabel("Team").fill("acme");
  await page.getByLabel("Project", { exact: true }).fill(name);
  await page.getByRole("radio", { name: "Next.js" }).check();
  await page.getByLabel("Branch").fill("no such branch");
  await page.getByRole("button", { name: "Add project" }).click();
  await expect(page.getByRole("alert")).toContainText("branch");
  await page.getByLabel("Branch").fill("");
  await page.getByRole("button", { name: "Add project" }).click();
  await expect(page.getByRole("heading", { name: "Platform configuration", level: 1 })).toBeVisible();
  await expect(page.getByText(`Project ${name} of team acme.`)).toBeVisible();
  await expect(page.locator(".platform-template")).toContainText("next");
  await expect(page.locator(".platform-list").last()).toContainText(`acme/${name}`);
});

test("a wrong guess is overridden with one click or in words of one's own, which pushes remember, until it is left to the repository", async ({ page, repository, signIn }) => {
  const answers = (name: string, version: string) =>
    `require("node:http").createServer((request, response) => response.end("${name} ${version}")).listen(process.env.PORT);`;
  const write = (version: string) => () => {
    app("")(repository.folder);
    const scripts = { dev: "node server.js", start: "node other.js" };
    writeFileSync(join(repository.folder, "package.json"), JSON.stringify({ scripts }));
    for (const name of ["server", "other", "third"]) writeFileSync(join(repository.folder, `${name}.js`), answers(name, version));
    mkdirSync(join(repository.folder, "web"), { recursive: true });
    writeFileSync(join(repository.folder, "web", "index.html"), `web ${version}`);
  };
  await repository.ready(1, await repository.push(1, "opened", write("one")));
  const shows = (text: string) => until(`the preview shows ${text}`, 60, async () => (await visit(repository.url(1))).text === text);
  await shows("server one");

  await signIn();
  await page.goto("/projects");
  await page.getByRole("link", { name: repository.project, exact: true }).first().click();
  const section = page.getByRole("region", { name: "How it is run" });
  await expect(section).toContainText(/Node.*\((certain|likely|a guess): /);
  const instead = section.getByRole("group", { name: "Run instead:" });
  await page.waitForLoadState("networkidle");
  await instead.getByRole("button", { name: "npm run start" }).click();
  await shows("other one");
  await repository.ready(1, await repository.push(1, "synchronize", write("two")));
  await shows("other two");
  await page.reload();
  await page.waitForLoadState("networkidle");
  await instead.getByRole("button", { name: "serve index.html in web" }).click();
  await shows("web two");

  await expect(section.getByText("Your team says how")).toBeVisible();
  await section.getByLabel("Folder").fill("");
  await section.getByLabel("Command").fill("node third.js");
  await section.getByRole("button", { name: "Run it so" }).click();
  await shows("third two");

  await instead.getByRole("button", { name: "what is found out" }).click();
  await expect(section.getByText("Something else")).toBeVisible();
  await shows("server two");
});
