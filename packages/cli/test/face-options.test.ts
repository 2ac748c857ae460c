import { LatentSyncError } from "@ls/core";
import { Command, CommanderError } from "commander";
import { expect, it } from "vitest";
import { addFaceOptions, type FaceFlags, faceSelectionOf } from "../src/face-options.ts";

function parse(...args: readonly string[]): FaceFlags {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  return addFaceOptions(command).parse(args, { from: "user" }).opts();
}

const noPicture = (): Promise<never> =>
  Promise.reject(new LatentSyncError("not_found", "No picture is read here."));

it.each([
  [["--face", "left"], { kind: "left" }],
  [["--face", "all"], { kind: "all" }],
  [["--face", "speaker"], { kind: "speaker" }],
  [["--face", "12"], { kind: "number", number: 12 }],
  [["--face-at", "30%,0.5"], { kind: "at", x: 0.3, y: 0.5, timeSeconds: 0 }],
  [["--face-at", "0.3,0.5@12.5"], { kind: "at", x: 0.3, y: 0.5, timeSeconds: 12.5 }],
  [["--face-at", "0.3,0.5@01:02:03"], { kind: "at", x: 0.3, y: 0.5, timeSeconds: 3723 }],
  [[], undefined],
] as const)("%j chooses %j", async (args, expected) => {
  expect(await faceSelectionOf(parse(...args), noPicture)).toEqual(expected);
});

it.each(["ada.jpg", "./ada", "people/ada.webp", "C:\\people\\ada.PNG"])(
  "%s is a picture of the person",
  async (path) => {
    const appearance = Float32Array.of(0.6, 0.8);
    const asked: string[] = [];
    const selection = await faceSelectionOf(parse("--face", path), async (picture) => {
      asked.push(picture);
      return appearance;
    });
    expect({ selection, asked }).toEqual({
      selection: { kind: "like", appearance },
      asked: [path],
    });
  },
);

it("a picture that cannot be read fails as it does", async () => {
  await expect(faceSelectionOf(parse("--face", "ada.jpg"), noPicture)).rejects.toMatchObject({
    code: "not_found",
  });
});

it.each([
  ["--face", "biggest"],
  ["--face", "0"],
  ["--face", "-1"],
  ["--face", "1.5"],
  ["--face-at", "0.3"],
  ["--face-at", "0.3,0.5@"],
  ["--face-at", "0.3,0.5@1@2"],
  ["--face-at", "0.3,1.5"],
])("%s %s is refused", (flag, value) => {
  expect(() => parse(flag, value)).toThrow(CommanderError);
});

it("takes one of both", () => {
  expect(() => parse("--face", "left", "--face-at", "0.5,0.5")).toThrow(/cannot be used/);
});
