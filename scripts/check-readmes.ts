/** Type-checks the TypeScript in every README against what the packages export. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishedPackages, rootFolder, runTool } from "./workspace.ts";

export function checkReadmes(): void {
  const folder = join(rootFolder, "output", "readmes");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const missing: string[] = [];
  let exampleCount = 0;
  for (const packageFolder of [rootFolder, ...publishedPackages().map((item) => item.folder)]) {
    const path = join(packageFolder, "README.md");
    if (!existsSync(path)) {
      missing.push(path);
      continue;
    }
    for (const [, code] of readFileSync(path, "utf8").matchAll(/^```ts\n(.*?)^```/gms)) {
      exampleCount += 1;
      const name = packageFolder === rootFolder ? "root" : packageFolder.replace(/.*[\\/]/, "");
      // A file with `await` at its top must be a module.
      writeFileSync(join(folder, `${name}-${exampleCount}.ts`), `${code}\nexport {};\n`);
    }
  }
  const tsconfig = {
    extends: "../../tsconfig.test.json",
    compilerOptions: { noUnusedLocals: false },
    include: ["."],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
  runTool("tsc", ["-p", folder], { packageName: "typescript" });
  if (missing.length > 0) throw new Error(`Missing: ${missing.join(", ")}`);
  console.log(`${exampleCount} examples compile`);
}
