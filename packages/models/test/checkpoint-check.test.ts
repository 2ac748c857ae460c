import { describe, expect, it } from "vitest";
import { checkTensors } from "../src/checkpoint/check-tensors.ts";
import { describeCheckpoint } from "../src/checkpoint/published-versions.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { thrown } from "./temporary-folder.ts";

describe("checkTensors", () => {
  const expected = new Map<string, readonly number[]>([
    ["conv_in.weight", [320, 13, 3, 3]],
    ["time_embedding.linear_1.weight", [1280, 320]],
    ["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", [320, 384]],
    ["down_blocks.0.motion_modules.0.x", [1]],
  ]);

  it("accepts what fits, with what is allowed beside it", () => {
    const table = new Map([...expected, ["decoder.a", [1]], ["x.pe", [1]]] as const);
    checkTensors(createRandomTensors(expected), expected);
    checkTensors(createRandomTensors(table), expected, { allowed: ["decoder.", /\.pe$/] });
    expect(() => checkTensors(createRandomTensors(table), expected)).toThrow(/unexpected \(2\)/);
  });

  it("lists what is missing, unexpected and wrong, and names both versions", () => {
    const actual = new Map<string, readonly number[]>([
      ["conv_in.weight", [320, 9, 3, 3]],
      ["time_embedding.linear_1.weight", [1280, 320]],
      ...Array.from({ length: 20 }, (_, index) => [`extra.${index}`, [1]] as const),
    ]);
    const error = thrown(() => {
      checkTensors(createRandomTensors(actual), expected, { what: "x.pt" });
    });
    expect(error.code).toBe("invalid_model");
    expect(error.message).toMatch(
      /^x.pt does not fit its configuration. It looks like .*\n {2}missing/,
    );
    expect(error.message).toContain("missing (2): down_blocks.0.attentions");
    expect(error.message).toContain("unexpected (20): extra.0,");
    expect(error.message).toContain("and 12 more");
    expect(error.message).toContain("is [320, 9, 3, 3] and not [320, 13, 3, 3]");
    expect(error.message).toContain("looks like Stable Diffusion 1.5 for inpainting");
    expect(error.message).toContain("configuration is for LatentSync 1.5 or 1.6");
  });

  it("names no version where both sides look alike", () => {
    const actual = new Map([...expected, ["down_blocks.0.motion_modules.0.x", [2]]] as const);
    const error = thrown(() => {
      checkTensors(createRandomTensors(actual), expected);
    });
    expect(error.message).toBe(
      "The checkpoint does not fit its configuration." +
        "\n  wrongly shaped (1): down_blocks.0.motion_modules.0.x is [2] and not [1]",
    );
  });

  it.each([
    [
      { "conv_in.weight": [320, 4, 3, 3], "d.attn2.to_k.weight": [320, 768] },
      "Stable Diffusion 1.5,",
    ],
    [{ "conv_in.weight": [320, 13, 3, 3], "d.audio_cross_attn.attn.to_k.weight": [1] }, "1.0"],
    [
      { "conv_in.weight": [320, 13, 3, 3], "up_blocks.1.motion_modules.0.x": [1] },
      "stage2_efficient",
    ],
    [{ "conv_in.weight": [320, 13, 3, 3] }, "stage1"],
    [
      {
        "conv_in.weight": [320, 13, 3, 3],
        "d.attn2.to_k.weight": [320, 768],
        "down_blocks.0.motion_modules.0.x": [1],
      },
      "Whisper small",
    ],
  ])("tells UNets apart: %#", (table, words) => {
    const entries = new Map(
      Object.entries({ ...table, "time_embedding.linear_1.weight": [1] }).map(([name, shape]) => [
        name,
        { shape },
      ]),
    );
    expect(describeCheckpoint(entries)).toContain(words);
  });

  it("tells other networks", () => {
    const like = (...names: string[]): string | undefined =>
      describeCheckpoint(new Map(names.map((name) => [name, { shape: [1500, 384] }])));
    expect(like("encoder.positional_embedding")).toContain("Whisper tiny");
    expect(like("encoder.conv_in.weight", "decoder.conv_out.weight")).toContain("VAE");
    expect(like("model.diffusion_model.x")).toContain("original layout");
    expect(like("audio_encoder.x")).toContain("SyncNet");
    expect(like("x")).toBeUndefined();
  });
});
