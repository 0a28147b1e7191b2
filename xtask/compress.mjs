// Writes FILE.br next to every file below the given folder that gains from compression.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

for (const entry of readdirSync(process.argv[2], { recursive: true })) {
  const path = join(process.argv[2], entry);
  if (!/\.(m?js|css|wasm|svg|json|webmanifest)$/.test(path)) continue;
  const written = statSync(path).mtimeMs;
  const done = statSync(`${path}.br`, { throwIfNoEntry: false });
  if (done && done.mtimeMs > written) continue;
  const text = readFileSync(path);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length } };
  writeFileSync(`${path}.br`, brotliCompressSync(text, options));
}
