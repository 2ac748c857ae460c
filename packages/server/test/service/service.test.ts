import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../src/configuration.ts";
import { createService, type Service } from "../../src/service/service.ts";
import { resultOf, speech, videoOf } from "../faults/fault-engine.ts";
import { listen } from "../net/local-server.ts";
import { temporaryFolder } from "../storage/temporary-folder.ts";
import { until } from "../work/harness.ts";

const engineModule = new URL("../faults/fault-engine.ts", import.meta.url).href;
const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

interface JobAnswer {
  readonly job_id: string;
  readonly status: string;
  readonly error_code?: string;
  readonly manifest?: { readonly output: { readonly sizeBytes: number } };
}

async function startService(folder: string, env: Record<string, string> = {}): Promise<Service> {
  return await createService({
    configuration: await readConfiguration({
      env: {
        DATA_DIR: join(folder, "data"),
        FILE_ROOTS: folder,
        WEBHOOK_SECRET: secret,
        LOG_LEVEL: "error",
        ...env,
      },
    }),
    version: "0.0.0",
    engine: { module: engineModule, options: {} },
    checkWeights: async () => [{ name: "unet", ok: true, sizeBytes: 1 }],
    destination: { write: () => {} },
  });
}

async function inputs(folder: string, name: string): Promise<Record<string, string>> {
  const script = { name, journal: join(folder, "journal"), segments: 2 };
  await writeFile(join(folder, "face.mp4"), videoOf(script));
  await writeFile(join(folder, "speech.wav"), speech);
  const url = (file: string): string => pathToFileURL(join(folder, file)).href;
  return { video_in: url("face.mp4"), audio_in: url("speech.wav"), out: url("out.mp4") };
}

async function post(service: Service, body: unknown): Promise<JobAnswer & { status: string }> {
  const response = await service.app.request("http://localhost/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(202);
  return (await response.json()) as JobAnswer;
}

async function ended(service: Service, id: string): Promise<JobAnswer> {
  return await until(`the end of ${id}`, async () => {
    const response = await service.app.request(`http://localhost/jobs/${id}`);
    const job = (await response.json()) as JobAnswer;
    return ["completed", "failed"].includes(job.status) && job;
  });
}

describe("the composed service", () => {
  it("runs a job from files to a file, and tells its webhook", async () => {
    await using folder = await temporaryFolder();
    const heard: { readonly headers: Record<string, string>; readonly body: string }[] = [];
    await using receiver = await listen((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        heard.push({ headers: request.headers as Record<string, string>, body });
        response.end();
      });
    });
    await using service = await startService(folder.path, { ALLOWED_PRIVATE_HOSTS: receiver.host });
    const request = await inputs(folder.path, "whole");
    const { job_id } = await post(service, { ...request, webhook: `${receiver.origin}/hook` });
    const job = await ended(service, job_id);
    expect(job.status).toBe("completed");
    const expected = resultOf({ name: "whole", journal: "", segments: 2 });
    expect(await readFile(join(folder.path, "out.mp4"))).toEqual(expected);
    expect(job.manifest?.output.sizeBytes).toBe(expected.length);
    const [delivery] = await until("the webhook", () => heard.length > 0 && heard);
    const told = new Webhook(secret).verify(delivery?.body ?? "", delivery?.headers ?? {});
    expect(JSON.stringify(told)).toContain(job_id);
  });

  it("tells the webhook of a job that was cancelled while it waited", async () => {
    await using folder = await temporaryFolder();
    const heard: string[] = [];
    await using receiver = await listen((request, response) => {
      heard.push(request.url ?? "");
      request.resume();
      response.end();
    });
    await using service = await startService(folder.path, {
      ALLOWED_PRIVATE_HOSTS: receiver.host,
      WORKERS: "0",
    });
    const request = await inputs(folder.path, "waiting");
    const { job_id } = await post(service, { ...request, webhook: `${receiver.origin}/cancelled` });
    await service.app.request(`http://localhost/jobs/${job_id}`, { method: "DELETE" });
    expect((await ended(service, job_id)).error_code).toBe("cancelled");
    await until("the webhook", () => heard.includes("/cancelled"));
  });

  it("refuses places that no worker may reach", async () => {
    await using folder = await temporaryFolder();
    await using service = await startService(folder.path, { WORKERS: "0" });
    const request = await inputs(folder.path, "refused");
    for (const change of [
      { out: "file:///etc/passwd" },
      { video_in: "http://169.254.169.254/latest" },
      { webhook: "http://127.0.0.1/hook" },
      { audio_in: "ftp://example.com/a.wav" },
    ]) {
      const response = await service.app.request("http://localhost/jobs", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...request, ...change }),
      });
      expect([403, 501], JSON.stringify(change)).toContain(response.status);
    }
  });

  it("does not start where strangers could use it", async () => {
    await using folder = await temporaryFolder();
    await expect(startService(folder.path, { HOST: "0.0.0.0" })).rejects.toMatchObject({
      code: "forbidden",
    });
  });
});
