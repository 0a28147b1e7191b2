// The fake GitHub of crates/testkit as a process: it asks people whether an application may know who
// they are, checks PKCE for real, and its API is held against GitHub's own description.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";

import { binary, until } from "./catalyst.mjs";

export class GitHub {
  /** Starts one with these accounts, as "ID:LOGIN". */
  static async start(...accounts) {
    const github = new GitHub();
    const program = process.env.FAKE_GITHUB ?? join(dirname(binary), "fake-github");
    const child = spawn(program, accounts, { stdio: ["pipe", "pipe", "inherit"] });
    github.child = child;
    github.exited = new Promise((resolve) => child.on("exit", resolve));
    let output = "";
    child.stdout.on("data", (piece) => (output += piece));
    child.on("error", (error) => (output = `${program}: ${error.message}`));
    github.url = await until("the fake GitHub listens", 20, () => output.match(/^(http\S+)\n/)?.[1]);
    return github;
  }

  /** What Catalyst has to be set to, to sign people in with it. */
  get settings() {
    return {
      GITHUB_API_URL: this.url,
      GITHUB_APP_CLIENT_ID: "Iv23.of.the.fake.github",
      GITHUB_APP_CLIENT_SECRET: "the secret of the fake GitHub's client",
    };
  }

  /** Adds an account, or renames the one with its id. */
  put(account) {
    this.child.stdin.write(`${account}\n`);
  }

  /** Ends it; throws if a request did not fit GitHub's description. */
  async stop() {
    this.child.stdin.end();
    const code = await this.exited;
    if (code !== 0) throw new Error(`the fake GitHub ended with ${code}: a request was not as GitHub describes it`);
  }
}
