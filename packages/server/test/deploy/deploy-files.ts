/** Reads what lies in `deploy/`, as far as tests compare it. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

export const ROOT_FOLDER: string = join(import.meta.dirname, "../../../..");

/** Text of a file of the repository. */
export const readText = (path: string): string => readFileSync(join(ROOT_FOLDER, path), "utf8");

/** An instruction of a Dockerfile with its lines joined and its comments taken out. */
export interface Instruction {
  readonly name: string;
  readonly value: string;
}

export function readDockerfile(): readonly Instruction[] {
  return readText("deploy/Dockerfile")
    .replaceAll(/^\s*#.*\n/gmu, "")
    .replaceAll(/\\\n\s*/gu, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [name = "", ...rest] = line.split(" ");
      return { name, value: rest.join(" ").trim() };
    });
}

const texts = z.record(z.string(), z.string().nullable());

const composeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      environment: texts.default({}),
      ports: z.array(z.string()).default([]),
      command: z.array(z.string()).default([]),
      read_only: z.boolean().default(false),
      cap_drop: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      build: z.object({ args: texts }).optional(),
    }),
  ),
});

export type Compose = z.infer<typeof composeSchema>;

export function readCompose(file: string): Compose {
  const merged: unknown = parse(readText(`deploy/${file}`), { merge: true });
  return composeSchema.parse(merged);
}

const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.string() }).optional(),
  periodSeconds: z.number(),
});

const containerSchema = z.object({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.array(z.string()) }),
  }),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe,
  resources: z.object({ limits: z.record(z.string(), z.union([z.string(), z.number()])) }),
  volumeMounts: z.array(
    z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) }),
  ),
});

const labels = z.record(z.string(), z.string());

const podSchema = z.object({
  metadata: z.object({ labels }),
  spec: z.object({
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: z.number().default(30),
    securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.number() }),
    containers: z.tuple([containerSchema]),
  }),
});

const workloadSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ selector: z.object({ matchLabels: labels }), template: podSchema }),
});

const manifestSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("Kustomization"), resources: z.array(z.string()) }),
  z.object({ kind: z.literal("Namespace") }),
  z.object({ kind: z.literal("ConfigMap"), data: texts }),
  z.object({
    kind: z.literal("Service"),
    metadata: z.object({ name: z.string() }),
    spec: z.object({ selector: labels }),
  }),
  z.object({ kind: z.literal("PersistentVolumeClaim") }),
  workloadSchema.extend({ kind: z.literal("Deployment") }),
  workloadSchema.extend({ kind: z.literal("StatefulSet") }),
  z.object({
    kind: z.literal("PodDisruptionBudget"),
    spec: z.object({ selector: z.object({ matchLabels: labels }) }),
  }),
  z.object({
    kind: z.literal("ScaledObject"),
    spec: z.object({
      scaleTargetRef: z.object({ name: z.string() }),
      minReplicaCount: z.number(),
      maxReplicaCount: z.number(),
      advanced: z.object({
        scalingModifiers: z.object({ formula: z.string(), target: z.string() }),
      }),
      triggers: z.array(
        z.object({
          name: z.string(),
          type: z.literal("metrics-api"),
          metadata: z.object({
            url: z.string(),
            format: z.literal("prometheus"),
            valueLocation: z.string(),
          }),
        }),
      ),
    }),
  }),
  z.object({ kind: z.literal("TriggerAuthentication") }),
  z.object({
    kind: z.literal("HorizontalPodAutoscaler"),
    spec: z.object({ scaleTargetRef: z.object({ name: z.string() }) }),
  }),
  z.object({
    kind: z.literal("NetworkPolicy"),
    spec: z.object({ podSelector: z.object({ matchLabels: labels.default({}) }) }),
  }),
]);

export type Manifest = z.infer<typeof manifestSchema>;

/** Manifests of all kinds by file. */
export function readManifests(): ReadonlyMap<string, readonly Manifest[]> {
  const files = globSync("deploy/kubernetes/*.yaml", { cwd: ROOT_FOLDER }).toSorted();
  return new Map(
    files.map((file) => [
      file.replace(/.*[\\/]/u, ""),
      parseAllDocuments(readText(file), { merge: true }).map((document) => {
        if (document.errors.length > 0) throw new AggregateError(document.errors, file);
        return manifestSchema.parse(document.toJS());
      }),
    ]),
  );
}

/** Names of the environment variables that the Terraform module sets. */
export function readTerraformEnvironment(): readonly string[] {
  const text = readText("deploy/terraform/service.tf");
  const names = [...text.matchAll(/\b([A-Z]+(?:_[A-Z]+)*) += /gu)].map(([, name = ""]) => name);
  return [...new Set(names)].toSorted();
}
