import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFfmpegVideoSink, createPictureVideo, probeVideo, writeVideo } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSigner } from "../src/c2pa-signature.ts";
import { writeTone } from "./media/sounds.ts";

/** Why nothing can be signed here, if so. */
const missing = ((): string | undefined => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
  } catch {
    return "openssl is not installed";
  }
  try {
    createRequire(import.meta.url).resolve("@contentauth/c2pa-node");
    return undefined;
  } catch {
    return "@contentauth/c2pa-node, an optional peer, is not installed";
  }
})();

let folder: string;
const file = (name: string): string => join(folder, name);
const openssl = (...args: readonly string[]): void => {
  execFileSync("openssl", [...args], { cwd: folder, stdio: "ignore" });
};

/** A root and a signer's certificate for a key of a kind. */
async function makeChain(name: string, keyOptions: readonly string[]): Promise<void> {
  openssl("genpkey", ...keyOptions, "-out", `${name}.key`);
  openssl("genpkey", ...keyOptions, "-out", `${name}-root.key`);
  const root = ["-key", `${name}-root.key`, "-subj", "/O=Test/CN=Test root", "-days", "30"];
  openssl("req", "-x509", "-new", ...root, "-out", `${name}-root.pem`);
  openssl("req", "-new", "-key", `${name}.key`, "-subj", "/O=Test/CN=Signer", "-out", "a.csr");
  await writeFile(
    file("usage.txt"),
    [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=critical,emailProtection",
      "subjectKeyIdentifier=hash",
      "authorityKeyIdentifier=keyid",
    ].join("\n"),
  );
  const issuer = ["-CA", `${name}-root.pem`, "-CAkey", `${name}-root.key`, "-CAcreateserial"];
  const request = ["x509", "-req", "-in", "a.csr", "-days", "20", "-extfile", "usage.txt"];
  openssl(...request, ...issuer, "-out", `${name}-leaf.pem`);
  const chain = [`${name}-leaf.pem`, `${name}-root.pem`].map((part) =>
    readFile(file(part), "utf8"),
  );
  await writeFile(file(`${name}.pem`), (await Promise.all(chain)).join(""));
}

interface Reading {
  readonly Reader: {
    fromAsset(asset: { path: string; mimeType: string }): Promise<{
      json(): {
        readonly active_manifest: string;
        readonly manifests: Readonly<Record<string, unknown>>;
        readonly validation_status?: readonly { readonly code: string }[];
      };
    } | null>;
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-c2pa-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(missing !== undefined)(`signing after C2PA (${missing ?? "c2pa-node"})`, () => {
  it.each([
    ["p256", ".mp4", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["p384", ".mov", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["ed25519", ".m4v", ["-algorithm", "ED25519"]],
    ["rsa", ".mp4", ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]],
  ])("with a key of the kind %s: %s, as the library itself verifies", async (...kind) => {
    const [name, extension, keyOptions] = kind;
    await makeChain(name, keyOptions);
    const path = await writeClip(file(`${name}${extension}`));
    const flags = { c2paCert: file(`${name}.pem`), c2paKey: file(`${name}.key`) };
    const signer = await openSigner(flags, path);
    const before = await readdir(folder);
    await signer?.sign(path);
    expect(await readdir(folder)).toEqual(before);
    expect((await probeVideo(path)).video.frameCount).toBe(5);
    const library: string = "@contentauth/c2pa-node";
    const { Reader } = (await import(library)) as Reading;
    const read = async (): Promise<{ codes: string[]; text: string }> => {
      const mimeType = extension === ".mov" ? "video/quicktime" : "video/mp4";
      const reader = await Reader.fromAsset({ path, mimeType });
      const {
        manifests,
        active_manifest,
        validation_status = [],
      } = reader?.json() ?? {
        ...{ manifests: {}, active_manifest: "" },
      };
      const codes = validation_status.map(({ code }) => code);
      return { codes, text: JSON.stringify(manifests[active_manifest]) };
    };
    const whole = await read();
    // The root is nobody's that is trusted; nothing else may be wrong.
    expect(whole.codes).toEqual(["signingCredential.untrusted"]);
    expect(whole.text).toContain("compositeWithTrainedAlgorithmicMedia");
    expect(whole.text).toContain("latentsync-ts");

    const bytes = await readFile(path);
    const at = bytes.indexOf("mdat") + 100;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(path, bytes);
    expect((await read()).codes).toContain("assertion.bmffHash.mismatch");
  });
});

describe("what cannot be signed", () => {
  it.each([
    [{ c2paCert: "cert.pem" }, "out.mp4", /needs a certificate and its key/],
    [{ c2paKey: "key.pem" }, "out.mp4", /needs a certificate and its key/],
    [{ c2paCert: "cert.pem", c2paKey: "key.pem" }, "out.mkv", /out\.mkv cannot be signed/],
    [{ c2paCert: "no.pem", c2paKey: "no.key" }, "out.mp4", /no\.pem does not exist/],
  ])("%o for %s is refused", async (flags, output, message) => {
    await expect(openSigner(flags, output)).rejects.toThrow(message);
  });

  it("text in place of a certificate is refused", async () => {
    await writeFile(file("text.pem"), "no certificate");
    const flags = { c2paCert: file("text.pem"), c2paKey: file("text.pem") };
    await expect(openSigner(flags, "out.mp4")).rejects.toThrow(/holds no certificate/);
    expect(await openSigner({}, "out.mkv")).toBeUndefined();
  });
});

async function writeClip(path: string): Promise<string> {
  const size = { width: 64, height: 48 };
  await using source = createPictureVideo({
    ...size,
    frameCount: 5,
    framesPerSecond: 25,
    picture: (index) => ({ ...size, data: new Uint8Array(64 * 48 * 3).fill(40 * index) }),
  });
  const audioPath = await writeTone(file("tone.wav"), 0.2);
  await writeVideo({ sink: createFfmpegVideoSink(), path, source, audioPath });
  return path;
}
