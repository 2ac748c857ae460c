import { QUALITIES, resolveSampling, type SamplingOptions } from "@ls/core";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { translateOfficialFlags } from "../src/official-flags.ts";
import { addSamplingOptions, samplingOf, type SamplingFlags } from "../src/sampling-options.ts";

/** What a command line asks of a run; a usage error is thrown rather than printed. */
function parse(...args: string[]): SamplingOptions {
  const command = addSamplingOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  command.parse(translateOfficialFlags(args), { from: "user" });
  return samplingOf(command.opts<SamplingFlags>());
}

describe("sampling options", () => {
  it("are the official settings when there are none", () => {
    expect(parse()).toEqual({ quality: "exact" });
    expect(resolveSampling(parse())).toEqual(resolveSampling({}));
  });

  it.each(QUALITIES)("take the quality %s, and single switches before it", (quality) => {
    expect(resolveSampling(parse("--quality", quality))).toEqual(resolveSampling({ quality }));
    const single = [
      ...["--quality", quality, "--scheduler", "unipc", "--inference-steps", "8"],
      ...["--guidance-scale", "2", "--guidance-interval", "0.2, .8", "--deepcache-interval", "4"],
    ];
    expect(resolveSampling(parse(...single))).toEqual({
      scheduler: "unipc",
      inferenceSteps: 8,
      guidanceScale: 2,
      guidanceInterval: [0.2, 0.8],
      deepCacheInterval: 4,
    });
  });

  it("take DeepCache as the official script means it, unless the interval is named", () => {
    expect(parse("--enable_deepcache").deepCacheInterval).toBe(3);
    expect(parse("--enable-deepcache", "--deepcache-interval", "1").deepCacheInterval).toBe(1);
    const official = parse(
      "--inference_steps",
      "20",
      "--guidance_scale",
      "1.5",
      "--enable_deepcache",
    );
    expect(resolveSampling(official)).toEqual(resolveSampling({ deepCacheInterval: 3 }));
  });

  it.each([
    [["--quality", "best"], /exact, balanced, fast, preview/],
    [["--scheduler", "euler"], /ddim, dpmsolver\+\+, unipc/],
    [["--inference-steps", "0"], /whole number from 1 to 1000/],
    [["--guidance-scale", "-1"], /number from 0 to 20/],
    [["--guidance-interval", "0.5"], /a,b from 0,1/],
    [["--guidance-interval", "0.5,0.5"], /the first below the second/],
    [["--guidance-interval", "0,1.5"], /a,b from 0,1/],
    [["--guidance-interval", ",1"], /a,b from 0,1/],
    [["--guidance-interval", "0,0.5,1"], /a,b from 0,1/],
    [["--deepcache-interval", "0"], /whole number from 1 to 1000/],
  ])("refuse %j", (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });
});
