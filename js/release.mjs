// node release.mjs [--dry-run] — publishes the package that `cargo xtask build` made, with provenance: npm then shows
// which commit and which run of a workflow it comes from. It runs in a workflow that may ask for an identity token
// (`id-token: write`); with --dry-run anywhere.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const read = (...path) => readFileSync(join(here, ...path), "utf8");
const dry = process.argv.slice(2).includes("--dry-run");

const fault = faultOf(JSON.parse(read("package.json")));
if (fault) {
  process.stderr.write(`not released: ${fault}\n`);
  process.exit(1);
}
const how = dry ? ["--dry-run"] : ["--provenance"];
const { status } = spawnSync("npm", ["publish", "--ignore-scripts", "--loglevel", "notice", ...how], { cwd: here, stdio: "inherit" });
process.exit(status ?? 1);

function faultOf({ version, repository }) {
  const [, crate] = /^version = "([^"]+)"/m.exec(read("..", "Cargo.toml")) ?? [];
  if (version !== crate) return `package.json says ${version}, Cargo.toml says ${crate}`;
  if (!existsSync(join(here, "dist", "index.js"))) return "dist/ is missing: run `cargo xtask build` first";
  // npm compares it with the repository of the workflow.
  if (!dry && !repository) return "package.json names no repository, without which there is no provenance";
  return undefined;
}
