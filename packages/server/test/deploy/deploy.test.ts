/** Holds the files of `deploy/` together: with one another, and with the program. */
import { globSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { describeConfiguration } from "../../src/configuration.ts";
import {
  type Manifest,
  readCompose,
  readDockerfile,
  readManifests,
  readTerraformEnvironment,
  readText,
  ROOT_FOLDER,
} from "./deploy-files.ts";

const PORT = 8080;

const dockerfile = readDockerfile();
const values = (name: string): readonly string[] =>
  dockerfile.filter((instruction) => instruction.name === name).map(({ value }) => value);
const argument = (name: string): string | undefined =>
  values("ARG")
    .find((value) => value.startsWith(`${name}=`))
    ?.slice(name.length + 1);
const imageEnvironment = Object.fromEntries(
  values("ENV").flatMap((value) => value.split(/\s+/u).map((pair) => pair.split("="))),
) as Readonly<Record<string, string>>;

const compose = readCompose("compose.yaml");
const server = compose.services["server"]!;
const manifests = [...readManifests().values()].flat();
const ofKind = <K extends Manifest["kind"]>(kind: K) =>
  manifests.filter((item): item is Extract<Manifest, { kind: K }> => item.kind === kind);
const workload = (name: string) => {
  const found = [...ofKind("Deployment"), ...ofKind("StatefulSet")].find(
    (item) => item.metadata.name === name,
  )!;
  const { metadata, spec } = found.spec.template;
  const [container] = spec.containers;
  return { selector: found.spec.selector.matchLabels, labels: metadata.labels, spec, container };
};
const settings = ofKind("ConfigMap")[0]!.data;
const terraform = readText("deploy/terraform/service.tf");

interface PackageFile {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}
const packageFile = (path: string) => JSON.parse(readText(path)) as PackageFile;

describe("the image", () => {
  it("runs the Node.js and the ONNX Runtime that the project pins", () => {
    const { devDependencies = {} } = packageFile("package.json");
    expect(argument("NODE_VERSION")).toBe(devDependencies["node"]);
    const { dependencies = {} } = packageFile("packages/runtime-onnx/package.json");
    expect(argument("ONNXRUNTIME_VERSION")).toBe(dependencies["onnxruntime-node"]);
  });

  it("has the CUDA major that the runtime looks for", () => {
    const [, major] = /libcudart\.so\.(\d+)/u.exec(
      readText("packages/runtime-cuda/src/cuda-requirements.ts"),
    )!;
    expect(argument("CUDA_VERSION")).toMatch(new RegExp(String.raw`^${major}\.\d+\.\d+$`, "u"));
  });

  it("puts the CUDA provider where the runtime looks for it", () => {
    const folder = /"bin", "(napi-v\d+)"/u.exec(
      readText("packages/runtime-onnx/src/native-folder.ts"),
    )![1]!;
    expect(values("COPY")).toContain(
      `--from=cuda-provider /provider/ /app/node_modules/onnxruntime-node/bin/${folder}/linux/x64/`,
    );
  });

  it("is built from files that are there", () => {
    const weights = argument("WEIGHTS")!;
    expect(globSync(`${weights}/**/*`, { cwd: ROOT_FOLDER }).length).toBeGreaterThan(0);
    const [, program] = JSON.parse(values("ENTRYPOINT")[0]!) as string[];
    expect(readText(program!.replace("/app/", ""))).toMatch(/^#!.*node/u);
  });

  it("is not root, ends on SIGTERM and tells whether it lives", () => {
    expect(values("USER")).toEqual(["10001:10001"]);
    expect(values("STOPSIGNAL")).toEqual(["SIGTERM"]);
    expect(values("HEALTHCHECK")[0]).toContain("/livez");
    expect(values("HEALTHCHECK")[0]).not.toMatch(/curl|wget/u);
    expect(values("CMD")).toEqual(['["serve"]']);
  });

  it("writes nowhere but to DATA_DIR and /tmp", () => {
    expect(imageEnvironment["LATENTSYNC_HOME"]).toBe(`${imageEnvironment["DATA_DIR"]}/cache`);
    expect(imageEnvironment["HOME"]).toBe("/tmp");
    expect(values("VOLUME")).toEqual([imageEnvironment["DATA_DIR"]]);
  });
});

describe("port and folders", () => {
  it("one port everywhere", () => {
    expect(values("EXPOSE")).toEqual([String(PORT)]);
    expect(imageEnvironment["PORT"]).toBe(String(PORT));
    expect(server.environment["PORT"]).toBe(String(PORT));
    expect(server.ports).toEqual([`127.0.0.1:${PORT}:${PORT}`]);
    expect(settings["PORT"]).toBe(String(PORT));
    for (const name of ["latentsync-api", "latentsync-worker"]) {
      expect(workload(name).container.ports).toEqual([{ name: "http", containerPort: PORT }]);
    }
    expect(terraform).toMatch(new RegExp(`container_port = ${PORT}\n`, "u"));
  });

  it.each(["DATA_DIR", "WEIGHTS_DIR"])("one %s everywhere", (name) => {
    const folder = imageEnvironment[name]!;
    expect(server.environment[name]).toBe(folder);
    expect(settings[name]).toBe(folder);
    expect(terraform).toContain(`${name.toLowerCase()} `);
    expect(terraform).toMatch(new RegExp(`${name.toLowerCase()} += "${folder}"`, "u"));
  });

  it("weights are mounted read-only", () => {
    const mounts = workload("latentsync-worker").container.volumeMounts;
    expect(mounts).toContainEqual({ name: "weights", mountPath: "/weights", readOnly: true });
  });
});

describe("environment variables", () => {
  const used = new Set([
    ...Object.keys(server.environment),
    ...Object.keys(settings),
    ...["latentsync-api", "latentsync-worker"].flatMap((name) =>
      workload(name).container.env.map((variable) => variable.name),
    ),
    ...readTerraformEnvironment(),
  ]);
  const known = new Set(describeConfiguration().map(({ variable }) => variable));
  const readme = readText("deploy/README.md");

  it.each([...used].toSorted())("%s is read by the program, and explained", (name) => {
    expect({ isRead: known.has(name), isExplained: readme.includes(`\`${name}\``) }).toEqual({
      isRead: true,
      isExplained: true,
    });
  });
});

describe("compose", () => {
  it("the server is confined", () => {
    expect(server).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
    expect(server.volumes).toEqual([`data:${imageEnvironment["DATA_DIR"]}`]);
  });

  it("the GPU's file builds the CUDA variant, and runs on it", () => {
    expect(server.build?.args["VARIANT"]).toBe("cpu");
    const gpu = readCompose("compose.gpu.yaml").services["server"];
    expect(gpu?.build?.args["VARIANT"]).toBe(argument("VARIANT"));
    expect(gpu?.command).toEqual(["serve", "--runtime", "cuda"]);
  });
});

describe("Redis keeps what it accepted", () => {
  it.each([
    ["compose", compose.services["redis"]!.command],
    ["Kubernetes", workload("redis").container.args],
  ])("%s", (_, command) => {
    const flags = command.join(" ");
    expect(flags).toContain("--appendonly yes --appendfsync everysec");
    expect(flags).toContain("--maxmemory-policy noeviction");
  });
});

describe("Kubernetes", () => {
  const deployments = ofKind("Deployment").map((item) => item.metadata.name);
  const environmentOf = (name: string) =>
    new Map(workload(name).container.env.map((item) => [item.name, item.value]));

  it("every file is part of the kustomization", () => {
    const files = [...readManifests().keys()].filter((file) => file !== "kustomization.yaml");
    expect(ofKind("Kustomization")[0]!.resources.toSorted()).toEqual(files.toSorted());
  });

  it("servers run no jobs, workers one on one GPU", () => {
    expect(environmentOf("latentsync-api").get("WORKERS")).toBe("0");
    expect(environmentOf("latentsync-worker").get("WORKERS")).toBe("1");
    expect(workload("latentsync-worker").container.args).toEqual(["serve", "--runtime", "cuda"]);
    expect(workload("latentsync-worker").container.resources.limits).toEqual({
      memory: "16Gi",
      "nvidia.com/gpu": 1,
    });
    expect(settings["QUEUE_URL"]).toMatch(/^redis:\/\/redis:6379/u);
  });

  it.each(deployments)("%s is confined, probed, and given time to end", (name) => {
    const { spec, container } = workload(name);
    const [user] = values("USER")[0]!.split(":");
    expect(spec.securityContext.runAsUser).toBe(Number(user));
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(10);
    expect(container.securityContext.capabilities.drop).toEqual(["ALL"]);
    expect(container.livenessProbe.httpGet).toEqual({ path: "/livez", port: "http" });
    const writable = container.volumeMounts.filter(({ readOnly }) => !readOnly);
    expect(writable.map(({ mountPath }) => mountPath)).toEqual(["/data", "/tmp"]);
  });

  it("servers get requests when they are ready", () => {
    expect(workload("latentsync-api").container.readinessProbe?.httpGet?.path).toBe("/readyz");
  });

  it("selectors meet the pods that they mean", () => {
    const pods = [...deployments, "redis"].map((name) => workload(name).labels);
    const selectors = [
      ...ofKind("Service").map((item) => item.spec.selector),
      ...ofKind("PodDisruptionBudget").map((item) => item.spec.selector.matchLabels),
      ...ofKind("NetworkPolicy").map((item) => item.spec.podSelector.matchLabels),
    ];
    const meets = (selector: Readonly<Record<string, string>>) =>
      pods.some((pod) => Object.entries(selector).every(([key, value]) => pod[key] === value));
    expect(selectors.filter((selector) => !meets(selector))).toEqual([]);
    expect(workload("latentsync-api").selector).toEqual(workload("latentsync-api").labels);
  });

  it("workers follow a metric that the program has", () => {
    const [scaled] = ofKind("ScaledObject");
    const { scaleTargetRef, triggers, advanced, minReplicaCount, maxReplicaCount } = scaled!.spec;
    expect(scaleTargetRef.name).toBe("latentsync-worker");
    expect(advanced.scalingModifiers.formula).toBe(triggers.map(({ name }) => name).join(" + "));
    expect([minReplicaCount, maxReplicaCount]).toEqual([0, 10]);
    const metrics = readText("packages/server/src/telemetry/metrics.ts");
    for (const { name, metadata } of triggers) {
      const [, metric, status] = /^(\w+)\{status="(\w+)"\}$/u.exec(metadata.valueLocation)!;
      expect(metrics).toContain(`name: "${metric}"`);
      expect(status).toBe(name);
    }
  });
});
