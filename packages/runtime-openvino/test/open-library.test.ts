import { describe, expect, it } from "vitest";
import { openLibrary, releaseOf, versionProblem } from "../src/open-library.ts";

describe("versions", () => {
  it("reads the release out of a build number", () => {
    expect(releaseOf("2026.4.1-22982-e213a147257-releases/2026/4")).toBe("2026.4.1");
  });

  it.each(["2025.0.0", "2025.4.1", "2026.4.1"])("takes %s", (release) => {
    expect(versionProblem(release)).toBeUndefined();
  });

  it.each(["2024.6.0", "2027.0.0", "custom"])("refuses %s, and says what it takes", (release) => {
    expect(versionProblem(release)).toMatch(new RegExp(`${release}.*2025.*2026`, "u"));
  });
});

describe("openLibrary", () => {
  it("says what is wrong with each library that it tried", () => {
    const candidates = [
      { place: "VIRTUAL_ENV", path: "/absent/libopenvino_c.so" },
      { place: "the system", path: import.meta.filename },
    ];
    let error: unknown;
    try {
      openLibrary(candidates);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: "unsupported" });
    for (const { place, path } of candidates) {
      expect(error).toMatchObject({ message: expect.stringContaining(`${path} (${place})`) });
    }
  });
});
