/** Terraform's own checks. They need the program, and the provider in the folder of local providers. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT_FOLDER } from "./deploy-files.ts";

/** Where Terraform itself looks first; `terraform providers mirror` fills it. */
const PLUGIN_FOLDER = join(homedir(), ".terraform.d", "plugins");
const PROGRAM = "terraform";
const SOURCE_FOLDER = join(ROOT_FOLDER, "deploy/terraform");

function terraform(folder: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(PROGRAM, args, {
    cwd: folder,
    encoding: "utf8",
    // No upgrade check, and no settings of whoever runs this.
    env: { ...process.env, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1", TF_CLI_CONFIG_FILE: "" },
  });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}` };
}

const isInstalled = terraform(ROOT_FOLDER, "version").status === 0;
const hasProvider =
  isInstalled && existsSync(join(PLUGIN_FOLDER, "registry.terraform.io/hashicorp/google"));

describe.skipIf(!isInstalled)("terraform (skipped where it is not installed)", () => {
  it("finds the files formatted", () => {
    const { status, output } = terraform(SOURCE_FOLDER, "fmt", "-check", "-recursive");
    expect({ status, output }).toEqual({ status: 0, output: "" });
  });
});

describe.skipIf(!hasProvider)(
  "terraform with Google's provider (skipped where it is not in ~/.terraform.d/plugins)",
  () => {
    let folder = "";

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "latentsync-terraform-"));
      // A copy, so that nothing of Terraform's is left in the checkout.
      cpSync(SOURCE_FOLDER, folder, {
        recursive: true,
        filter: (path) => !path.endsWith(".terraform"),
      });
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each([
      ["the service", ".", 15],
      ["what must be there before", "bootstrap", 1],
    ])("%s is valid and keeps its promises", (_, module, runs) => {
      const moduleFolder = join(folder, module);
      const initialised = terraform(
        moduleFolder,
        "init",
        "-backend=false",
        `-plugin-dir=${PLUGIN_FOLDER}`,
      );
      expect(initialised.status, initialised.output).toBe(0);
      const validated = terraform(moduleFolder, "validate", "-no-color");
      expect(validated.output).toContain("Success! The configuration is valid.");
      const tested = terraform(moduleFolder, "test", "-no-color");
      expect(tested.output).toContain(`Success! ${runs} passed, 0 failed.`);
    });
  },
);
