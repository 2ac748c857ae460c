import { describe, expect, test } from "vitest";
import type { JobView } from "../../src/http/job-view.ts";
import { backends } from "./backends.ts";
import { record } from "./figures.ts";
import { type JournalLine, Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";

const AT_ONCE = 50;
const REPETITIONS = 100;

function post(service: ServiceHandle, body: object, key?: string): Promise<Response> {
  return fetch(`${service.url}/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
    body: JSON.stringify(body),
  });
}

async function idOf(response: Response): Promise<string> {
  return ((await response.json()) as { job_id: string }).job_id;
}

/** The most jobs that were between their beginning and their end at a time. */
function mostAtATime(journal: readonly JournalLine[]): number {
  let running = 0;
  let most = 0;
  for (const { word } of journal) {
    if (word === "begin") running += 1;
    if (word === "end") running -= 1;
    most = Math.max(most, running);
  }
  return most;
}

describe.each(backends)("row 7 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("50 at once, and one key 100 times", async () => {
    await using scene = await Scene.open(backend);
    await using service = await scene.start({ environment: { WORKERS: "1" } });
    const requests = Array.from({ length: AT_ONCE }, () => scene.request({ segments: 2 }));
    const answers = await Promise.all(requests.map(({ body }) => post(service, body)));
    const accepted = answers.filter(({ status }) => status === 202).length;
    const jobs = await Promise.all(answers.map(idOf));
    const ends: JobView[] = [];
    for (const id of jobs) ends.push(await service.finished(id));
    const puts = requests.map(({ id }) => scene.putsOf(id));

    const repeated = scene.request();
    const replies = await Promise.all(
      Array.from({ length: REPETITIONS }, () => post(service, repeated.body, "the-key")),
    );
    const statuses = new Set(replies.map(({ status }) => status));
    const ids = new Set(await Promise.all(replies.map(idOf)));
    for (const id of ids) await service.finished(id);
    const other = await post(service, scene.request().body, "the-key");
    const starts = (await scene.journalOf(repeated.id)).filter(({ word }) => word === "begin");

    const figures = {
      posts: AT_ONCE,
      accepted,
      completed: ends.filter(({ status }) => status === "completed").length,
      mostAtATime: mostAtATime(await scene.journal()),
      putsPerJob: Math.max(...puts),
      postsOfOneKey: REPETITIONS,
      statusesOfOneKey: [...statuses].join(","),
      jobsOfOneKey: ids.size,
      startsOfOneKey: starts.length,
      otherBodyStatus: other.status,
    };
    const passed =
      accepted === AT_ONCE &&
      figures.completed === AT_ONCE &&
      figures.mostAtATime === 1 &&
      puts.every((count) => count === 1) &&
      figures.statusesOfOneKey === "202" &&
      ids.size === 1 &&
      starts.length === 1 &&
      other.status === 422;
    const title = "50 POSTs at once on one worker, and one Idempotency-Key 100 times";
    await record({ row: 7, title, backend: backend.name, figures, passed });
    expect(figures).toMatchObject({ mostAtATime: 1, jobsOfOneKey: 1, otherBodyStatus: 422 });
    expect(passed).toBe(true);
  });
});
