import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { record } from "./figures.ts";
import { Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";
import { straceMissing, Trace } from "./traced.ts";

/** `PORT` is that of a server which listens on every address of this machine. */
const SPELLINGS = [
  "http://127.0.0.1:PORT/",
  "http://127.1:PORT/",
  "http://127.0.0.2:PORT/",
  "http://0x7f000001:PORT/",
  "http://0x7f.1:PORT/",
  "http://2130706433:PORT/",
  "http://0177.0.0.1:PORT/",
  "http://017700000001:PORT/",
  "http://0:PORT/",
  "http://0.0.0.0:PORT/",
  "http://127.0.0.1.:PORT/",
  "http://%31%32%37.0.0.1:PORT/",
  "http://127。0。0。1:PORT/",
  "http://①②⑦.⓪.⓪.①:PORT/",
  "http://localhost:PORT/",
  "http://LOCALHOST.:PORT/",
  "http://a.localhost:PORT/",
  "http://[::1]:PORT/",
  "http://[::]:PORT/",
  "http://[::ffff:127.0.0.1]:PORT/",
  "http://[0:0:0:0:0:ffff:7f00:1]:PORT/",
  "http://[::127.0.0.1]:PORT/",
  "http://[64:ff9b::127.0.0.1]:PORT/",
  "http://[2002:7f00:1::]:PORT/",
  "http://user@127.0.0.1:PORT/",
  "http://example.com@127.0.0.1:PORT/",
  "http:\\\\127.0.0.1:PORT\\",
  "  http://127.0.0.1:PORT/",
  "ht\ntp://127.0.0.1:PORT/",
  "https://127.0.0.1:PORT/",
  "http://10.0.0.1:PORT/",
  "http://172.16.0.1:PORT/",
  "http://192.168.0.1:PORT/",
  "http://100.64.0.1:PORT/",
  "http://169.254.169.254/latest/meta-data/",
  "http://[fd00:ec2::254]/latest/meta-data/",
  "http://[fe80::1]:PORT/",
  "http://[fd00::1]:PORT/",
  "http://168.63.129.16/",
  "ftp://127.0.0.1:PORT/",
  "gopher://127.0.0.1:PORT/",
  "data:video/mp4,x",
  "unix:/var/run/docker.sock",
  // Names, answered as an attacker's name server would.
  "http://inside.test:PORT/",
  "http://inside6.test:PORT/",
  "http://mapped.test:PORT/",
  "http://mixed.test:PORT/",
  "http://metadata.test:PORT/",
  "http://NUMBER.rebind.test:PORT/",
];

/** What a host that is allowed redirects to. */
const REDIRECTS = [
  "http://169.254.169.254/latest/meta-data/",
  "http://127.0.0.1:PORT/",
  "http://0x7f000001:PORT/",
  "http://[::ffff:127.0.0.1]:PORT/",
  "//127.0.0.1:PORT/",
  "http://inside.test:PORT/",
  "file:///etc/passwd",
];

const FIELDS = ["video_in", "audio_in", "out", "webhook"] as const;
const title = "Private addresses in every spelling, by redirect and by DNS rebinding";

class Listener implements AsyncDisposable {
  readonly #server: Server;
  connections = 0;
  requests = 0;

  private constructor(handler: RequestListener) {
    this.#server = createServer((request, response) => {
      this.requests += 1;
      handler(request, response);
    });
    this.#server.on("connection", () => {
      this.connections += 1;
    });
  }

  static async open(host: string, handler: RequestListener): Promise<Listener> {
    const listener = new Listener(handler);
    listener.#server.listen(0, host);
    await once(listener.#server, "listening");
    return listener;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Where and why each job was refused; jobs that nobody refused are a fault. */
async function attack(
  scene: Scene,
  service: ServiceHandle,
  field: (typeof FIELDS)[number],
  url: string,
): Promise<"at creation" | "at work" | "never"> {
  const { body } = scene.request({ segments: 1, stepMs: 1 }, { steps: 1 });
  const response = await service.create({ ...body, [field]: url });
  if (response.status !== 202) {
    return [403, 422, 501].includes(response.status) ? "at creation" : "never";
  }
  const { job_id: id } = (await response.json()) as { job_id: string };
  const job = await service.finished(id);
  // A webhook that is not delivered fails no job.
  return job.status === "failed" || field === "webhook" ? "at work" : "never";
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 13", (backend) => {
  test.skipIf(straceMissing !== undefined)(
    `no private address is reached (${straceMissing ?? "strace"})`,
    async () => {
      await using scene = await Scene.open(backend);
      // Every address of this machine, IPv4 and IPv6.
      await using canary = await Listener.open("::", (_, response) => response.end("secret"));
      await fetch(`http://127.0.0.1:${canary.port}/`).then((response) => response.text());
      expect(canary.connections).toBe(1);
      await using redirecting = await Listener.open("127.0.0.1", (request, response) => {
        const to = decodeURIComponent(request.url?.slice(1) ?? "");
        request.resume();
        response.writeHead(307, { location: to }).end();
      });
      const trace = new Trace(scene.folder);
      const redirector = `127.0.0.1:${redirecting.port}`;
      let job = 0;
      const targetOf = (pattern: string): string =>
        pattern.replace("PORT", String(canary.port)).replace("NUMBER", String((job += 1)));
      const outcomes = { "at creation": 0, "at work": 0, never: 0 };
      const letThrough: string[] = [];
      {
        await using service = await scene.start({
          wrapper: trace.wrapper,
          environment: {
            NODE_OPTIONS: `--import=${new URL("./rebinding.ts", import.meta.url).href}`,
            ALLOWED_PRIVATE_HOSTS: `${scene.bucket.host},${redirector}`,
            MAX_ATTEMPTS: "1",
            WORKERS: "4",
          },
        });
        const attacks = FIELDS.flatMap((field) => [
          ...SPELLINGS.map((spelling) => [field, targetOf(spelling)] as const),
          ...REDIRECTS.map((to) => {
            const escaped = encodeURIComponent(targetOf(to));
            return [field, `http://${redirector}/${escaped}`] as const;
          }),
        ]);
        await Promise.all(
          attacks.map(async ([field, url]) => {
            const outcome = await attack(scene, service, field, url);
            outcomes[outcome] += 1;
            if (outcome === "never") letThrough.push(`${field} ${url}`);
          }),
        );
      }
      const bucketPort = scene.bucket.host.split(":")[1];
      const allowed = new Set([bucketPort, redirecting.port].map((port) => `127.0.0.1 ${port}`));
      const elsewhere = (await trace.connections()).filter((to) => !allowed.has(to));
      // The public address that the rebinding name has at first.
      const toPublic = elsewhere.filter((to) => to.startsWith("2600::dead "));
      const reached = elsewhere.filter((to) => !to.startsWith("2600::dead "));
      const figures = {
        attacks: outcomes["at creation"] + outcomes["at work"] + outcomes.never,
        refusedAtCreation: outcomes["at creation"],
        refusedAtWork: outcomes["at work"],
        letThrough: outcomes.never,
        redirectsFollowedTo: redirecting.requests,
        connectionsOfTheCanary: canary.connections - 1,
        connectCallsToPrivateAddresses: reached.length,
        connectCallsToTheNamesPublicAddress: toPublic.length,
      };
      const passed =
        letThrough.length === 0 &&
        reached.length === 0 &&
        figures.connectionsOfTheCanary === 0 &&
        redirecting.requests >= REDIRECTS.length * FIELDS.length &&
        toPublic.length > 0;
      await record({ row: 13, title, backend: backend.name, figures, passed });
      expect(letThrough).toEqual([]);
      expect(reached).toEqual([]);
      expect(passed).toBe(true);
    },
  );
});
