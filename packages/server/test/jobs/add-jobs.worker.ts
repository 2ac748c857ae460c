/** Adds jobs to the SQLite queue at `argv[2]` until it is killed; prints the id of each that was accepted. */
import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("The path is missing.");
await using queue = openSqliteQueue({ path, limits: { maxQueued: 1_000_000 } });

async function addJobs(): Promise<void> {
  for (;;) {
    const { job } = await queue.add({
      id: randomUUID(),
      owner: "anonymous",
      request: {
        video_in: "https://example.com/video.mp4",
        audio_in: "https://example.com/speech.wav",
        out: "upload:",
        guidance_scale: 2,
        inference_steps: 20,
        priority: 0,
      },
    });
    // Synchronous, so that what was said is out before the process can die.
    writeSync(1, `${job.id}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, addJobs));
