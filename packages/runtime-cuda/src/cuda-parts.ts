/** What `latentsync-ts runtime install cuda` brings: ONNX Runtime's providers, and NVIDIA's libraries. */
import { LatentSyncError } from "@ls/core";
import type { RuntimeParts, WheelPart } from "@ls/files";
import { nativeLibraryFiles, ortVersion } from "@ls/runtime-onnx";
import { LIBRARY_FOLDER } from "./cuda-libraries.ts";

export interface CudaPartsOptions {
  /**
   * Whether CUDA 13's and cuDNN 9's libraries come along, 1.2 GB of wheels under NVIDIA's licences,
   * so that a machine needs a driver only. Default: false.
   */
  readonly withLibraries?: boolean | undefined;
  /** Default: the process's own. */
  readonly platform?: NodeJS.Platform;
  /** Default: the process's own. */
  readonly architecture?: string;
}

/** What a person must have agreed to before NVIDIA's libraries are installed. */
export const NVIDIA_LICENCES: readonly string[] = [
  "CUDA Toolkit EULA: https://docs.nvidia.com/cuda/eula/",
  "cuDNN licence: https://docs.nvidia.com/deeplearning/cudnn/backend/latest/reference/eula.html",
];

const PROVIDERS = ["shared", "cuda", "tensorrt"] as const;

/** Wheels with the libraries that ONNX Runtime's CUDA provider is linked with or loads. */
const LIBRARIES = [
  {
    project: "nvidia-cuda-runtime",
    version: "13.*",
    linux: "libcudart.so.13",
    windows: "cudart64_13.dll",
  },
  {
    project: "nvidia-cuda-nvrtc",
    version: "13.*",
    linux: "libnvrtc.so.13",
    windows: "nvrtc64_130_0.dll",
  },
  {
    project: "nvidia-cublas",
    version: "13.*",
    linux: "libcublasLt.so.13",
    windows: "cublasLt64_13.dll",
  },
  {
    project: "nvidia-curand",
    version: "10.*",
    linux: "libcurand.so.10",
    windows: "curand64_10.dll",
  },
  {
    project: "nvidia-cudnn-cu13",
    version: "9.*",
    linux: "libcudnn.so.9",
    windows: "cudnn64_9.dll",
  },
] as const;

const PLATFORMS = ["linux-x64", "win32-x64"];

/** A wheel's licence texts, each wheel's in a folder of its own. */
function placeLicence(project: string, path: string): string | undefined {
  const name = /(?:^|\/)((?:LICEN[CS]E|ThirdPartyNotices)[^/]*)$/i.exec(path)?.[1];
  return name === undefined ? undefined : `licences/${project}/${name}`;
}

function providerPart(version: string, isWindows: boolean): WheelPart {
  const project = "onnxruntime-gpu";
  const required = PROVIDERS.map((name) =>
    isWindows ? `onnxruntime_providers_${name}.dll` : `libonnxruntime_providers_${name}.so`,
  );
  return {
    project,
    version,
    required,
    place: (path) => {
      const name = /^onnxruntime\/capi\/([^/]+)$/.exec(path)?.[1];
      if (name !== undefined && required.includes(name)) return name;
      const isTopLevel = /^onnxruntime\/[^/]+$/.test(path);
      return isTopLevel ? placeLicence(project, path) : undefined;
    },
  };
}

function libraryPart(
  { project, version, linux, windows }: (typeof LIBRARIES)[number],
  isWindows: boolean,
): WheelPart {
  const pattern = isWindows
    ? /^nvidia\/[^/]+\/bin\/(?:[^/]+\/)?([^/]+\.dll)$/i
    : /^nvidia\/[^/]+\/lib\/([^/]+\.so(?:\.\d+)*)$/;
  return {
    project,
    version,
    required: [`${LIBRARY_FOLDER}/${isWindows ? windows : linux}`],
    place: (path) => {
      const name = pattern.exec(path)?.[1];
      return name === undefined ? placeLicence(project, path) : `${LIBRARY_FOLDER}/${name}`;
    },
  };
}

/**
 * The parts of the CUDA runtime for the installed version of onnxruntime-node, for
 * `installRuntime` of `@ls/files`. Providers and core must be of one version, and the core looks for
 * providers in the folder it was loaded from, so a copy of the core lies beside them.
 * @throws LatentSyncError `unsupported` where there is no CUDA provider.
 */
export function cudaParts(options: CudaPartsOptions = {}): RuntimeParts {
  const { withLibraries = false, platform = process.platform } = options;
  const machine = `${platform}-${options.architecture ?? process.arch}`;
  if (!PLATFORMS.includes(machine)) {
    throw new LatentSyncError(
      "unsupported",
      `CUDA needs ${PLATFORMS.join(" or ")}, but this is ${machine}.`,
      { hint: "Use the cpu or webgpu runtime." },
    );
  }
  const version = ortVersion();
  const isWindows = platform === "win32";
  const libraries = withLibraries ? LIBRARIES.map((part) => libraryPart(part, isWindows)) : [];
  return {
    name: "cuda",
    version,
    wheels: [providerPart(version, isWindows), ...libraries],
    copies: nativeLibraryFiles(),
  };
}
