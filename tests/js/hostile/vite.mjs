// Builds bundled.html with Vite, into the folder `built`.

import { build } from "vite";

await build({
  configFile: false,
  base: "/built/",
  logLevel: "warn",
  build: { outDir: "built", target: "esnext", rollupOptions: { input: "bundled.html" } },
});
