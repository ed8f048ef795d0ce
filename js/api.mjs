// node api.mjs — writes API.md from the declarations that the build made, entry by entry.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { entries } from "./entries.mjs";

const here = dirname(fileURLToPath(import.meta.url));

const INTRODUCTION = `# The declarations of @keystone-auth/verifier

Made from the sources by \`node api.mjs\`; what things are for is in the [README](README.md).
`;

/** The text of API.md. */
export function reference() {
  const told = new Set();
  return [INTRODUCTION, ...entries.map((entry) => section(entry, told))].join("\n");
}

function section(entry, told) {
  const name = entry === "index" ? "" : `/${entry}`;
  const declared = [...modules(entry, told)].map(declarations).filter((text) => text !== "");
  return `## \`@keystone-auth/verifier${name}\`\n\n\`\`\`ts\n${declared.join("\n\n")}\n\`\`\`\n`;
}

/** The module and those that it takes from, each told once. */
function* modules(name, told) {
  if (told.has(name)) return;
  told.add(name);
  yield name;
  const folder = dirname(name);
  for (const [, path] of source(name).matchAll(/ from "(\.[^"]*)\.js"/g)) yield* modules(join(folder, path), told);
}

function declarations(name) {
  const lines = source(name).split("\n").filter((line) => !/^(import|export) .* from "|^export \{\};|^\/\/|^\/\/\/ /.test(line));
  return lines.join("\n").replaceAll("export declare ", "export ").trim();
}

function source(name) {
  return readFileSync(join(here, "dist", "types", `${name}.d.ts`), "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(here, "API.md"), reference());
