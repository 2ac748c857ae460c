/**
 * Stands in for the official code: answers its inputs back, twice as large and, for a sample, under
 * the name of the UNet's output; in pieces, after saying things on stderr.
 */
import { existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Tensor } from "@ls/core";
import { encodeMessage, MessageParser } from "../../src/official/messages.ts";

const parser = new MessageParser();
const dies = process.argv.includes("--die");

process.stderr.write("loading\n");
if (process.argv.includes("--babble")) process.stdout.write("Hello!\n");

process.stdin.on("data", (chunk: Buffer) => {
  for (const { header, tensors } of parser.push(chunk)) {
    const { operation } = header;
    if (operation === "open") {
      answer({ versions: { torch: "1.2.3" }, threads: header["threads"] ?? 7, header });
    } else if (dies) {
      process.stderr.write("ModuleNotFoundError: No module named 'torch'\n");
      process.exit(1);
    } else if (operation === "unknown") answer({ error: "KeyError: unknown" });
    else if (operation === "pipeline") answer(makeVideo(header));
    else {
      const doubled = Object.entries(tensors).map(([name, tensor]) => [
        name === "sample" ? "noise_pred" : name,
        twice(tensor),
      ]);
      answer({ milliseconds: 12, cpuMilliseconds: 24 }, Object.fromEntries(doubled));
    }
  }
});

/** As the official pipeline does, it writes the output it is told, into a folder that must be there. */
function makeVideo({ folder, output, seed }: Record<string, unknown>): Record<string, unknown> {
  if (typeof output !== "string" || dirname(output) !== folder) return { error: "no output" };
  if (existsSync(output) || seed !== 7) return { error: "not a new job with the settings" };
  writeFileSync(output, "");
  return { milliseconds: 12, cpuMilliseconds: 24 };
}

function answer(
  header: Record<string, unknown>,
  tensors: Record<string, Tensor<"float32">> = {},
): void {
  const bytes = encodeMessage(header, tensors);
  const half = Math.floor(bytes.length / 2);
  process.stdout.write(bytes.subarray(0, half));
  setTimeout(() => process.stdout.write(bytes.subarray(half)), 5);
}

function twice({ data, ...rest }: Tensor<"float32">): Tensor<"float32"> {
  return { ...rest, data: data.map((value) => 2 * value) };
}
