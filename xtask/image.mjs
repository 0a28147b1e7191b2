// Packs folders as a container image, without a base image and without a container runtime.
//
//   node image.mjs OUT.tar NAME:TAG CONFIG LAYER…
//
// CONFIG is the image's `config` in JSON (Entrypoint, Env, User, …); each LAYER is a folder. The archive
// is what `docker load`, `ctr images import` and `kind load image-archive` read. Equal folders make equal
// layers: files belong to root and have no times of their own.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [out, name, config, ...folders] = process.argv.slice(2);
const tar = (...args) => execFileSync("tar", ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", ...args]);

async function digest(file) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece);
  return hash.digest("hex");
}

const work = mkdtempSync(join(dirname(out), "image-"));
try {
  const layers = [];
  for (const folder of folders) {
    const packed = join(work, "layer");
    tar("--create", `--file=${packed}`, `--directory=${folder}`, ".");
    const id = await digest(packed);
    renameSync(packed, join(work, `${id}.tar`));
    layers.push(id);
  }
  const architecture = { x64: "amd64" }[process.arch] ?? process.arch;
  const rootfs = { type: "layers", diff_ids: layers.map((id) => `sha256:${id}`) };
  const image = JSON.stringify({ architecture, os: "linux", config: JSON.parse(config), rootfs });
  const id = createHash("sha256").update(image).digest("hex");
  writeFileSync(join(work, `${id}.json`), image);
  const manifest = [{ Config: `${id}.json`, RepoTags: [name], Layers: layers.map((layer) => `${layer}.tar`) }];
  writeFileSync(join(work, "manifest.json"), JSON.stringify(manifest));
  tar("--create", `--file=${join(work, "image")}`, `--directory=${work}`, "manifest.json", `${id}.json`, ...manifest[0].Layers);
  renameSync(join(work, "image"), out);
} finally {
  rmSync(work, { recursive: true, force: true });
}
