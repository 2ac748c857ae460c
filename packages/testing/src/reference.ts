/**
 * The reference data of the official pipeline lies beside a developer's checkout, not in it.
 * Tests that need it skip, with the reason in their title, where it is absent.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The reference folder: `LATENTSYNC_REFERENCE`, or `../shared/reference` from the project's root. */
export const referenceFolder: string = resolve(
  process.env["LATENTSYNC_REFERENCE"] ?? join(import.meta.dirname, "../../../../shared/reference"),
);

export const hasReference: boolean = existsSync(join(referenceFolder, "README.md"));

/** Path of a reference file. */
export function reference(...segments: string[]): string {
  return join(referenceFolder, ...segments);
}

/** Title of a suite over reference data; where the data is absent it says why the suite is skipped. */
export function referenceTitle(title: string): string {
  return hasReference ? title : `${title} (skipped: no reference data at ../shared/reference)`;
}
