import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { createPage } from "../../src/page/page.ts";

vi.mock("node:fs/promises", { spy: true });

const page = createPage();
const folder = new URL("../../page/", import.meta.url);

describe("page", () => {
  it("serves every file of its folder, and nothing else", async () => {
    const names = (await readdir(folder)).filter((name) => /\.(?:js|css|svg)$/.test(name));
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) {
      const response = await page.request(`/page-assets/${name}`);
      expect([name, response.status]).toEqual([name, 200]);
      expect(await response.text()).toBe(await readFile(new URL(name, folder), "utf8"));
    }
    const refused = [
      "tsconfig.json",
      "index.html",
      "..%2fpackage.json",
      "constructor",
      "__proto__",
    ];
    for (const name of refused) {
      expect((await page.request(`/page-assets/${name}`)).status).toBe(404);
    }
  });

  it("forbids everything from elsewhere and everything inline", async () => {
    const response = await page.request("/");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const html = await response.text();
    expect(html).not.toMatch(/https?:\/\/|\sstyle=|\son\w+=|<style|<script(?![^>]*src=)/);
    expect(html).not.toMatch(/(?:src|href)="\//);
  });

  it("answers 304 to whoever has the file", async () => {
    const etag = (await page.request("/page-assets/main.js")).headers.get("etag") ?? "";
    const again = await page.request("/page-assets/main.js", {
      headers: { "if-none-match": etag },
    });
    expect(again.status).toBe(304);
    expect(await again.text()).toBe("");
  });

  it("is there again after a file could not be read once", async () => {
    const fresh = createPage();
    fresh.onError(() => new Response(null, { status: 500 }));
    vi.mocked(readFile).mockRejectedValueOnce(new Error("EMFILE: too many open files"));
    expect((await fresh.request("/")).status).toBe(500);
    expect((await fresh.request("/")).status).toBe(200);
  });
});
