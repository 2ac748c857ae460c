import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QUALITIES } from "@ls/core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Authenticate } from "../../src/http/services.ts";
import { jobRequestSchema } from "../../src/jobs/job-request.ts";
import { findProgram } from "../servers/process.ts";
import { keyHolder, type PageService, startPageService, type WorkerPlan } from "./page-service.ts";

const chromiumPath = findProgram("chromium");
const ffmpegPath = findProgram("ffmpeg");
const missing = [
  ...(chromiumPath ? [] : ["chromium is not installed"]),
  ...(ffmpegPath ? [] : ["ffmpeg is not installed"]),
];

const TIMEOUT_MS = 60_000;

/** Two seconds of a test picture and of a tone. */
function makeMedia(folder: string): { readonly video: string; readonly speech: string } {
  const video = join(folder, "video.mp4");
  const speech = join(folder, "speech.wav");
  const make = (...args: string[]) =>
    execFileSync(ffmpegPath!, ["-v", "error", "-y", "-f", "lavfi", ...args]);
  const picture = "testsrc2=size=320x180:rate=25:duration=2";
  make("-i", picture, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "5", video);
  make("-i", "sine=frequency=220:duration=2", speech);
  return { video, speech };
}

describe.skipIf(missing.length > 0)(["page in Chromium", ...missing].join(", "), () => {
  let browser: Browser;
  const media = mkdtempSync(join(tmpdir(), "page-media-"));
  let video = "";
  let speech = "";

  beforeAll(async () => {
    ({ video, speech } = makeMedia(media));
    browser = await chromium.launch({
      executablePath: chromiumPath!,
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(media, { recursive: true, force: true });
  });

  async function open(
    options: {
      readonly plan?: Partial<WorkerPlan>;
      readonly authenticate?: Authenticate;
    } = {},
  ): Promise<{ page: Page; service: PageService; plan: WorkerPlan; problems: string[] }> {
    const folder = await mkdtemp(join(tmpdir(), "page-"));
    const plan: WorkerPlan = { resultPath: video, stopAt: 1, ...options.plan };
    const { authenticate } = options;
    const service = await startPageService({ folder, plan, ...(authenticate && { authenticate }) });
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    onTestFinished(async () => {
      await context.close();
      await service[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      // Answers that are errors are part of what is tested.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        problems.push(message.text());
      }
    });
    await page.goto(service.url);
    return { page, service, plan, problems };
  }

  async function fill(page: Page): Promise<void> {
    await page.locator("#video-file").setInputFiles(video);
    await page.locator("#audio-file").setInputFiles(speech);
    await page.locator("#face-canvas").waitFor();
  }

  /** As a drag from the desktop does. */
  async function drop(page: Page, selector: string, name: string, type: string): Promise<void> {
    const file = `new File(["bytes"], ${JSON.stringify(name)}, ${JSON.stringify({ type })})`;
    const transfer = await page.evaluateHandle(
      `(() => { const data = new DataTransfer(); data.items.add(${file}); return data; })()`,
    );
    await page.dispatchEvent(selector, "drop", { dataTransfer: transfer });
  }

  it("makes a video: files, face, settings, progress, log, result", async () => {
    const { page, service, problems } = await open();
    await fill(page);
    await page.locator("#face-canvas").click({ position: { x: 40, y: 60 } });
    expect(await page.locator("#face-text").textContent()).toContain("will speak");
    await page.locator("#quality-fold summary").click();
    await page.locator("#steps").fill("7");
    await page.locator("#seed").fill("42");
    await page.locator("#submit").click();
    await page.locator("#job-result").waitFor();
    expect(await page.locator("#job-title").textContent()).toBe("Your video");
    expect(await page.locator("#log-lines").textContent()).toContain("segment 1 of 10 done");

    const [job] = await service.queue.list({ limit: 10 });
    expect(job?.request).toMatchObject({ inference_steps: 7, seed: 42, out: "upload:" });
    const box = await page.locator("#face-canvas").boundingBox();
    expect(job?.request.face_at?.x).toBeCloseTo(40 / box!.width, 2);
    expect(job?.request.face_at?.y).toBeCloseTo(60 / box!.height, 2);

    await page.locator("#play").click();
    const at = (id: string) => page.evaluate<number>(`document.querySelector("${id}").currentTime`);
    await expect.poll(() => at("#result-video"), { timeout: TIMEOUT_MS }).toBeGreaterThan(0.3);
    await expect.poll(() => at("#source-video"), { timeout: TIMEOUT_MS }).toBeGreaterThan(0.1);
    const download = page.waitForEvent("download");
    await page.locator("#download").click();
    expect((await download).suggestedFilename()).toMatch(/^latentsync-[0-9a-f]{8}\.mp4$/);
    expect(problems).toEqual([]);
  });

  it("chooses a face by keyboard, and automatically again", async () => {
    const { page } = await open();
    await fill(page);
    await page.locator("#face-canvas").focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowUp");
    const text = page.locator("#face-text");
    expect(await text.textContent()).toBe(
      "The face at 48 % from the left, 48 % from the top, will speak.",
    );
    await page.keyboard.press("Escape");
    expect(await text.textContent()).toContain("More than one face?");
  });

  it("takes presets, with their steps and guidance", async () => {
    const { page, service } = await open();
    await fill(page);
    await page.locator("#quality-fold summary").click();
    const places = { video_in: "upload:v", audio_in: "upload:a", out: "upload:" };
    for (const quality of QUALITIES) {
      await page.locator("#quality").selectOption(quality);
      const { inference_steps, guidance_scale } = jobRequestSchema.parse({ ...places, quality });
      expect(await page.locator("#quality-text").textContent()).toBe(
        `${quality}, ${inference_steps} steps, guidance ${guidance_scale.toFixed(1)}`,
      );
    }
    await page.locator("#quality").selectOption("preview");
    await page.locator("#steps").fill("4");
    await page.locator("#submit").click();
    await page.locator("#job").waitFor();
    const [job] = await service.queue.list({ limit: 10 });
    expect(job?.request).toMatchObject({
      quality: "preview",
      inference_steps: 4,
      guidance_scale: 1,
    });
  });

  it("says what to make of the footage", async () => {
    const { page, service, problems } = await open();
    await fill(page);
    await page.locator("#options-fold summary").click();
    const choices = { loop: "freeze", silence: "source", fps: "source" };
    for (const [id, value] of Object.entries(choices)) {
      await page.locator(`#${id}`).selectOption(value);
    }
    // A face by a word and one that is pointed at exclude one another: the last counts.
    await page.locator("#face-canvas").click({ position: { x: 40, y: 60 } });
    await page.locator("#face").selectOption("all");
    expect(await page.locator("#face-text").textContent()).toContain("More than one face?");
    await page.locator("#face-canvas").click({ position: { x: 40, y: 60 } });
    expect(await page.locator("#face").inputValue()).toBe("");
    await page.locator("#face").selectOption("left");
    await page.locator("#start").fill("1");
    await page.locator("#end").fill("0.5");
    await page.locator("#options-fold summary").click();
    await page.locator("#submit").click();
    await page.getByText("The part must end after its beginning.").waitFor();
    await page.locator("#end").fill("1.5");
    expect(await page.locator("#options-text").textContent()).toBe(
      "the person on the left, hold its last picture, the mouth stays as it was, the video's own, from 1 s, to 1.5 s",
    );
    await page.locator("#submit").click();
    await page.locator("#job-result").waitFor();
    const [job] = await service.queue.list({ limit: 10 });
    expect(job?.request).toMatchObject({ ...choices, face: "left", start: 1, end: 1.5 });
    expect(job?.request).not.toHaveProperty("face_at");
    expect(problems).toEqual([]);
  });

  it("shows the frame where the part begins, to point at a face in it", async () => {
    const { page } = await open();
    await fill(page);
    const picture = () =>
      page.evaluate<string>(`document.querySelector("#face-canvas").toDataURL()`);
    const first = await picture();
    await page.locator("#options-fold summary").click();
    await page.locator("#start").fill("1.5");
    await page.locator("#end").focus();
    await page.locator("#face-canvas").waitFor();
    await expect.poll(picture, { timeout: TIMEOUT_MS }).not.toBe(first);
  });

  it("cancels a job, and keeps it over a reload", async () => {
    const { page, service } = await open({ plan: { stopAt: 0.5 } });
    await fill(page);
    await page.locator("#submit").click();
    await page.locator("#job-remaining", { hasText: "left" }).waitFor();
    await page.reload();
    await page.locator("#job-remaining", { hasText: "left" }).waitFor();
    expect(await page.locator("#log-lines").textContent()).toContain("fetched video_in");
    await page.locator("#job-cancel").click();
    await page.getByText("This job was cancelled.").waitFor();
    await page.locator("#jobs .badge", { hasText: "cancelled" }).waitFor();
    expect((await service.queue.counts()).failed).toBe(1);
  });

  it("cancels a job from the list, and opens one", async () => {
    const { page } = await open({ plan: { stopAt: 0.5 } });
    await fill(page);
    await page.locator("#submit").click();
    await page.locator("#jobs button", { hasText: "Cancel" }).click();
    await page.locator("#jobs .badge", { hasText: "cancelled" }).waitFor();
    await page.locator("#jobs .job-open").click();
    await page.getByText("This job was cancelled.").waitFor();
    expect(await page.locator("#jobs li").count()).toBe(1);
  });

  it("shows what went wrong, and what can be done", async () => {
    const error = { code: "no_face", message: "No face was found.", hint: "Use a closer video." };
    const { page } = await open({ plan: { error: { ...error, code: "no_face" } } });
    await fill(page);
    await page.locator("#submit").click();
    await page.getByText(error.message).waitFor();
    await page.getByText(error.hint).waitFor();
    expect(await page.locator("#job-running").isVisible()).toBe(false);
  });

  it("asks for what is missing, takes dropped files, and does without a picture", async () => {
    const { page, service } = await open();
    await page.locator("#submit").click();
    await page.getByText("A video is missing.").waitFor();
    await drop(page, "#video-drop", "odd.mov", "video/quicktime");
    await page.getByText("This browser cannot show the video.").waitFor();
    await page.locator("#submit").click();
    await page.getByText("The speech is missing.").waitFor();
    await drop(page, "#audio-drop", "words.wav", "audio/wav");
    await page.getByText("words.wav, 1 kB").waitFor();
    await page.locator("#submit").click();
    await page.locator("#job-result").waitFor();
    const [job] = await service.queue.list({ limit: 10 });
    expect(job?.request).not.toHaveProperty("face_at");
  });

  it("works with a key, which stays in the tab", async () => {
    const { page, problems } = await open({ authenticate: keyHolder("a-secret-key-of-ann") });
    await page.getByText("The list needs an API key.").waitFor();
    await fill(page);
    await page.locator("#submit").click();
    await page.locator("#key-dialog").waitFor();
    await page.locator("#key").fill("a-secret-key-of-ann");
    await page.keyboard.press("Enter");
    await page.getByText("Nothing yet.").waitFor();
    await page.locator("#submit").click();
    await page.locator("#job-result").waitFor();
    const source = await page.locator("#result-video").getAttribute("src");
    expect(source).toMatch(/^blob:/);
    await page.reload();
    await page.locator("#job-result").waitFor();
    expect(await page.evaluate("[localStorage.length, document.cookie]")).toEqual([0, ""]);
    expect(page.url()).not.toContain("secret");
    expect(problems).toEqual([]);
  });

  it("fits windows from 360 pixels on, and keeps its light and dark colours readable", async () => {
    const { page } = await open();
    await fill(page);
    for (const fold of ["quality", "options"]) {
      await page.locator(`#${fold}-fold summary`).click();
    }
    await page.locator("#submit").click();
    await page.locator("#job-result").waitFor();
    for (const width of [360, 390, 768, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      const overflow = "document.documentElement.scrollWidth - window.innerWidth";
      expect([width, await page.evaluate<number>(overflow)]).toEqual([width, 0]);
    }
    const grounds: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const style = "getComputedStyle(document.body)";
      const [text, ground] = await page.evaluate<[string, string]>(
        `[${style}.color, ${style}.backgroundColor]`,
      );
      expect(Math.abs(brightness(text) - brightness(ground))).toBeGreaterThan(180);
      grounds.push(ground);
    }
    expect(grounds[0]).not.toBe(grounds[1]);
  });
});

/** Mean of a colour such as `rgb(1, 2, 3)`, 0 to 255. */
function brightness(colour: string): number {
  const channels = (colour.match(/\d+/g) ?? []).slice(0, 3).map(Number);
  return channels.reduce((sum, channel) => sum + channel, 0) / 3;
}
