import { type Agent, type RequestOptions, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import { AddressPolicy } from "../../src/net/address-policy.ts";
import { resolveAllowed } from "../../src/net/address-resolver.ts";
import { createGuardedConnector, isPublicAddress, type ResolveHost } from "../../src/net/index.ts";
import { listen } from "./local-server.ts";

async function failure(work: Promise<unknown>): Promise<LatentSyncError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error(`Not refused as it should be: ${String(error)}`);
  return error;
}

/** Names of the test's own; everything else does not exist. */
function names(table: Readonly<Record<string, readonly string[]>>): ResolveHost {
  return async (hostname) =>
    (table[hostname] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
}

/** Takes the first message of TLS, which names the host, and hangs up. */
async function listenForHello(): Promise<AsyncDisposable & { port: number; hello: () => string }> {
  let hello = "";
  const server = createTcpServer((socket) => {
    socket.once("data", (bytes) => {
      hello = bytes.toString("latin1");
      socket.destroy();
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    hello: () => hello,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

/** Everything that leads to this machine, its network or its cloud, in every spelling. */
const PRIVATE_URLS = [
  "http://127.0.0.1/",
  "http://0x7f000001/",
  "http://2130706433/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://127.0.0.1./",
  "http://%31%32%37.0.0.1/",
  "http://①②⑦.0.0.1/",
  "http://0/",
  "http://0.0.0.0/",
  "http://localhost/",
  "http://LOCALHOST./",
  "http://a.localhost/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::127.0.0.1]/",
  "http://[64:ff9b::a9fe:a9fe]/",
  "http://[64:ff9b:1::127.0.0.1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
  "http://[fe80::1]/",
  "http://[fd00:ec2::254]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://169.254.169.254/latest/meta-data/",
  "http://0xa9fea9fe/",
  "http://100.100.100.200/",
  "http://168.63.129.16/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://100.64.0.1/",
  "http://198.18.0.1/",
  "http://224.0.0.1/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
];

describe("addresses that are refused", () => {
  it.each(PRIVATE_URLS)("%s", async (url) => {
    await using connector = createGuardedConnector();
    for (const method of ["GET", "PUT"]) {
      const error = await failure(connector.fetch(url, { method }));
      expect(error.code).toBe("forbidden");
    }
    expect(() => connector.checkUrl(new URL(url))).toThrow(LatentSyncError);
  });

  it.each([
    ["ftp://example.com/", "only http: and https:"],
    ["file:///etc/passwd", "only http: and https:"],
    ["data:text/plain,x", "only http: and https:"],
    ["gopher://example.com/", "only http: and https:"],
    ["http://user:secret@example.com/", "user name"],
    ["http://:secret@example.com/", "user name"],
  ])("%s", async (url, reason) => {
    await using connector = createGuardedConnector();
    const error = await failure(connector.fetch(url));
    expect(error.code).toBe("forbidden");
    expect(error.message).toContain(reason);
    expect(error.message).not.toContain("secret");
  });

  it("a name with one private address among its addresses", async () => {
    await using origin = await listen((_request, response) => response.end("inside"));
    for (const addresses of [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1", "::1"]]) {
      await using connector = createGuardedConnector({
        resolve: names({ "inner.test": addresses }),
      });
      const error = await failure(connector.fetch(`http://inner.test:${origin.port}/`));
      expect(error.code).toBe("forbidden");
      expect(error.message).toContain("inner.test");
      expect(`${error.message} ${error.hint}`).not.toMatch(/127\.0|::1|8\.8/);
    }
    expect(origin.connections()).toBe(0);
  });

  it("public addresses pass", () => {
    for (const address of ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"]) {
      expect(isPublicAddress(address)).toBe(true);
    }
    for (const address of ["", "example.com", "256.1.1.1", "192.0.2.1", "2001:db8::1"]) {
      expect(isPublicAddress(address)).toBe(false);
    }
  });
});

describe("what the operator allows", () => {
  it("a private host passes at its port and by its name alone", async () => {
    await using origin = await listen((_request, response) => response.end("inside"));
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host, `[::1]:${origin.port}`],
      resolve: names({ "inner.test": ["127.0.0.1"] }),
    });
    expect(await (await connector.fetch(`${origin.origin}/`)).text()).toBe("inside");
    expect(await (await connector.fetch(`http://0x7f.1:${origin.port}/`)).text()).toBe("inside");
    for (const url of [
      `http://127.0.0.1:${origin.port + 1}/`,
      `http://inner.test:${origin.port}/`,
    ]) {
      expect((await failure(connector.fetch(url))).code).toBe("forbidden");
    }
  });

  it("a list of hosts shuts out all others", async () => {
    await using connector = createGuardedConnector({
      allowedHosts: ["storage.test", "*.example.com"],
      resolve: names({}),
    });
    for (const host of ["storage.test", "a.example.com", "a.b.example.com", "STORAGE.test."]) {
      // Past the list, and then not found.
      expect((await failure(connector.fetch(`http://${host}/`))).code).toBe("network");
    }
    for (const host of ["example.com", "badexample.com", "storage.test.evil.test", "8.8.8.8"]) {
      expect((await failure(connector.fetch(`http://${host}/`))).code).toBe("forbidden");
    }
  });

  it.each(["minio", "minio:", ":9000", "http://minio:9000", "a b:1", "[::1]", "minio:99999"])(
    "%s is not a private host",
    (entry) => {
      expect(() => createGuardedConnector({ allowedPrivateHosts: [entry] })).toThrow(/host:port/);
    },
  );
});

describe("names", () => {
  it("are asked for once a connection, and what was checked is what is connected to", async () => {
    await using first = await listen((_request, response) => response.end("first"));
    await using second = await listen(
      (_request, response) => response.end("second"),
      "127.0.0.2",
      first.port,
    );
    let asked = 0;
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`rebind.test:${first.port}`],
      resolve: async () => {
        asked += 1;
        return [{ address: asked === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }];
      },
    });
    const url = `http://rebind.test:${first.port}/`;
    expect(await (await connector.fetch(url)).text()).toBe("first");
    expect(asked).toBe(1);
    expect(second.connections()).toBe(0);
  });

  it("that were public when they were checked, and are private now, are refused", async () => {
    await using origin = await listen((_request, response) => response.end("inside"));
    let asked = 0;
    const resolve: ResolveHost = async () => {
      asked += 1;
      return [{ address: asked === 1 ? "8.8.8.8" : "127.0.0.1", family: 4 }];
    };
    const policy = new AddressPolicy({});
    const destination = { protocol: "http:", hostname: "rebind.test", port: origin.port };
    await resolveAllowed(destination, { policy, resolve, timeoutMs: 1000 });
    await using connector = createGuardedConnector({ resolve });
    for (const method of ["GET", "PUT"]) {
      const url = `http://rebind.test:${origin.port}/`;
      expect((await failure(connector.fetch(url, { method }))).code).toBe("forbidden");
    }
    expect(asked).toBe(3);
    expect(origin.connections()).toBe(0);
  });

  it("stay in the Host header and in TLS", async () => {
    await using tls = await listenForHello();
    const { port } = tls;
    await using origin = await listen((request, response) => response.end(request.headers.host));
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`named.test:${origin.port}`, `named.test:${port}`],
      resolve: names({ "named.test": ["127.0.0.1"] }),
    });
    const plain = await connector.fetch(`http://named.test:${origin.port}/`);
    expect(await plain.text()).toBe(`named.test:${origin.port}`);
    const error = await failure(connector.fetch(`https://named.test:${port}/`));
    expect(error.code).toBe("network");
    expect(tls.hello()).toContain("named.test");
  });

  it("that do not exist, or are not resolved in time, give typed errors", async () => {
    await using connector = createGuardedConnector({ resolve: names({}) });
    expect((await failure(connector.fetch("http://nowhere.test/"))).code).toBe("network");
    await using slow = createGuardedConnector({
      resolve: () => new Promise(() => {}),
      connectTimeoutMs: 50,
    });
    expect((await failure(slow.fetch("http://slow.test/"))).code).toBe("timeout");
  });
});

describe("redirects", () => {
  const leadTo = (location: (port: number) => string, status = 302) =>
    listen((request, response) => {
      const { port } = request.socket.address() as AddressInfo;
      response.writeHead(status, { location: location(port) }).end("body of a redirect");
    });

  it.each([
    ["http://169.254.169.254/latest/meta-data/"],
    ["http://0x7f000001/"],
    ["http://[::ffff:127.0.0.1]:1/"],
    ["file:///etc/passwd"],
    ["http://user:word@example.com/"],
    ["http://inner.test/"],
  ])("to %s are refused, for reading and writing", async (target) => {
    await using origin = await leadTo(() => target, 307);
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      resolve: names({ "inner.test": ["10.0.0.1"] }),
    });
    for (const method of ["GET", "PUT"]) {
      const error = await failure(connector.fetch(`${origin.origin}/`, { method, body: "x" }));
      expect(error.code).toBe("forbidden");
    }
  });

  it("end after five", async () => {
    let hops = 0;
    await using origin = await listen((_request, response) => {
      hops += 1;
      response.writeHead(302, { location: `/${hops}` }).end();
    });
    await using connector = createGuardedConnector({ allowedPrivateHosts: [origin.host] });
    const error = await failure(connector.fetch(`${origin.origin}/`));
    expect(error.code).toBe("network");
    expect(hops).toBe(6);
  });

  it("keep credentials within the origin, and lose them beyond", async () => {
    const seen: (string | undefined)[] = [];
    await using other = await listen((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie);
      response.end("other");
    });
    await using origin = await listen((request, response) => {
      if (request.url === "/") return void response.writeHead(302, { location: "/again" }).end();
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${other.origin}/` }).end();
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host, other.host],
    });
    const headers = { authorization: "Bearer secret", cookie: "a=b" };
    const response = await connector.fetch(`${origin.origin}/`, { headers });
    expect(await response.text()).toBe("other");
    expect(seen).toEqual(["Bearer secret", undefined, undefined]);
  });

  it("repeat a PUT after 307 and 308, and stop it at 301, 302 and 303", async () => {
    const stored: string[] = [];
    await using target = await listen((request, response) => {
      void (async () => {
        let text = "";
        for await (const part of request) text += String(part);
        stored.push(`${request.method} ${request.headers["content-length"]} ${text}`);
        response.end();
      })();
    });
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("he");
      yield Buffer.from("llo");
    }
    for (const status of [307, 308, 301, 302, 303]) {
      await using origin = await leadTo(() => `${target.origin}/`, status);
      await using connector = createGuardedConnector({
        allowedPrivateHosts: [origin.host, target.host],
      });
      const put = connector.fetch(`${origin.origin}/`, {
        method: "PUT",
        body,
        headers: { "content-length": "5" },
      });
      if (status >= 307) expect((await put).status).toBe(200);
      else expect((await failure(put)).code).toBe("unsupported");
    }
    expect(stored).toEqual(["PUT 5 hello", "PUT 5 hello"]);
  });

  it("are handed over where none may be followed", async () => {
    await using origin = await leadTo(() => "http://10.0.0.1/");
    await using connector = createGuardedConnector({ allowedPrivateHosts: [origin.host] });
    const response = await connector.fetch(`${origin.origin}/`, { maxRedirects: 0 });
    expect(response.status).toBe(302);
    await response.body?.cancel();
  });
});

describe("time", () => {
  const quick = { minBytesPerSecond: 1000, transferWindowMs: 200 };

  it("a source of single bytes is given up", async () => {
    await using origin = await listen((_request, response) => {
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      ...quick,
    });
    const response = await connector.fetch(`${origin.origin}/`);
    const error = await failure(response.arrayBuffer());
    expect(error.code).toBe("timeout");
    expect(error.message).toContain("bytes per second");
  });

  it("a source that falls silent is given up", async () => {
    await using origin = await listen((_request, response) => {
      response.write("x".repeat(100));
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      ...quick,
    });
    const response = await connector.fetch(`${origin.origin}/`);
    expect((await failure(response.arrayBuffer())).code).toBe("timeout");
  });

  it("a slow reader is not the source's fault", async () => {
    await using origin = await listen((_request, response) => {
      response.end(Buffer.alloc(3 * 65_536));
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      ...quick,
    });
    const response = await connector.fetch(`${origin.origin}/`);
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
    }
    expect(bytes).toBe(3 * 65_536);
  });

  it("a sink that takes nothing is given up", async () => {
    await using origin = await listen((request) => {
      request.pause();
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      ...quick,
    });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(1 << 20);
    }
    const put = connector.fetch(`${origin.origin}/`, { method: "PUT", body: endless });
    expect((await failure(put)).code).toBe("timeout");
  });

  it("a server that does not answer, and an exchange that takes too long", async () => {
    await using silent = await listen(() => {});
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [silent.host],
      headersTimeoutMs: 300,
    });
    expect((await failure(connector.fetch(`${silent.origin}/`))).code).toBe("timeout");
    const short = connector.fetch(`${silent.origin}/`, { totalTimeoutMs: 100 });
    expect((await failure(short)).code).toBe("timeout");
  });

  it("an abort ends the request, and the body, with its reason", async () => {
    await using origin = await listen((request, response) => {
      if (request.url === "/body") response.write("part");
    });
    await using connector = createGuardedConnector({ allowedPrivateHosts: [origin.host] });
    for (const path of ["/", "/body"]) {
      const controller = new AbortController();
      const reason = new Error("enough");
      const work = connector
        .fetch(`${origin.origin}${path}`, { signal: controller.signal })
        .then((response) => response.text());
      setTimeout(() => controller.abort(reason), 100);
      await expect(work).rejects.toBe(reason);
    }
  });
});

describe("bodies", () => {
  it("cut short are errors that name neither address nor query", async () => {
    await using origin = await listen((_request, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("half");
      setTimeout(() => response.destroy(), 50);
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`cut.test:${origin.port}`],
      resolve: names({ "cut.test": ["127.0.0.1"] }),
    });
    const response = await connector.fetch(`http://cut.test:${origin.port}/?signature=secret`);
    const error = await failure(response.arrayBuffer());
    expect(error.code).toBe("network");
    expect(error.message).not.toMatch(/127\.0\.0\.1|secret/);
  });

  it("a refused connection names neither address nor query", async () => {
    const closed = await listen(() => {});
    await closed[Symbol.asyncDispose]();
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`gone.test:${closed.port}`],
      resolve: names({ "gone.test": ["127.0.0.1"] }),
    });
    const error = await failure(connector.fetch(`http://gone.test:${closed.port}/?key=secret`));
    expect(error.code).toBe("network");
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.message).not.toMatch(/127\.0\.0\.1|secret/);
  });
});

describe("agents for libraries", () => {
  function get(url: string, agent: Agent, more: RequestOptions = {}): Promise<string> {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      send(url, { agent, ...more }, (response) => {
        response.setEncoding("utf8");
        let text = "";
        response.on("data", (part: string) => {
          text += part;
        });
        response.on("end", () => resolve(text));
      })
        .on("error", reject)
        .end();
    });
  }

  it("have the same guard", async () => {
    await using origin = await listen((request, response) => response.end(request.headers.host));
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`named.test:${origin.port}`],
      resolve: names({ "named.test": ["127.0.0.1"], "inner.test": ["127.0.0.1"] }),
    });
    const { httpAgent } = connector;
    const named = `http://named.test:${origin.port}/`;
    expect(await get(named, httpAgent)).toBe(`named.test:${origin.port}`);
    for (const host of ["127.0.0.1", "inner.test", "localhost", "[::1]"]) {
      const error = await failure(get(`http://${host}:${origin.port}/`, httpAgent));
      expect(error.code).toBe("forbidden");
    }
  });

  it("have it for https too, and keep the name in TLS", async () => {
    await using tls = await listenForHello();
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [`named.test:${tls.port}`],
      resolve: names({ "named.test": ["127.0.0.1"], "inner.test": ["127.0.0.1"] }),
    });
    const { httpsAgent } = connector;
    const refused = await failure(get(`https://inner.test:${tls.port}/`, httpsAgent));
    expect(refused.code).toBe("forbidden");
    expect(tls.hello()).toBe("");
    // It hangs up on whoever gets there.
    await expect(get(`https://named.test:${tls.port}/`, httpsAgent)).rejects.toThrow();
    expect(tls.hello()).toContain("named.test");
  });

  it("go to the checked address where a request asks for a local socket", async () => {
    await using origin = await listen((_request, response) => response.end("checked"));
    await using connector = createGuardedConnector({ allowedPrivateHosts: [origin.host] });
    const elsewhere = { socketPath: "/nonexistent/socket" };
    expect(await get(`${origin.origin}/`, connector.httpAgent, elsewhere)).toBe("checked");
  });
});
