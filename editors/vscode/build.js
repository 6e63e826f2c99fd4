// Bundles the extension into one file, and takes the grammar of the compiler, of which there is one only.
const esbuild = require("esbuild");
const fs = require("fs");
const path = require("path");

esbuild.buildSync({
  entryPoints: ["src/extension.js"],
  bundle: true,
  platform: "node",
  target: "node18",
  external: ["vscode"],
  minify: true,
  outfile: "build/extension.js",
});
fs.copyFileSync(path.join(__dirname, "../../grammar/akir.tmLanguage.json"), "build/akir.tmLanguage.json");
fs.copyFileSync(path.join(__dirname, "../../LICENSE"), "LICENSE");
