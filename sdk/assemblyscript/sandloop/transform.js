// What asc needs to make a plugin: the functions that the host calls, under the contract's names, and what AssemblyScript's own
// library asks of its host.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const PROGRAM = "~lib/sandloop/program";

export default class {
  afterParse(parser) {
    this.entries = ["exports"];
    // A plugin that imports "sandloop/program" is a program.
    if (parser.sources.some((source) => source.internalPath === PROGRAM)) {
      this.entries.push("program-exports");
    }
    for (const name of this.entries) {
      parser.parseFile(readFileSync(folder + name + ".ts", "utf8"), `~lib/sandloop/${name}.ts`, true);
    }
  }

  afterCompile(module) {
    for (const name of this.entries) {
      const text = readFileSync(folder + name + ".ts", "utf8");
      for (const [, to, from] of text.matchAll(/^\/\/ exports (\S+)\nexport function (\w+)/gm)) {
        module.removeExport(from);
        module.addFunctionExport(`~lib/sandloop/${name}/${from}`, to);
      }
    }
  }
}
