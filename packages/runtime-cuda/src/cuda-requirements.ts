/** What ONNX Runtime's CUDA and TensorRT providers need on a machine, and what of it is missing. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { installedLibraries } from "./cuda-libraries.ts";

/** A provider of this package. */
export type ProviderName = "cuda" | "tensorrt";

/** The machine as far as the check looks at it. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly architecture: string;
  /** Where ONNX Runtime looks for its providers. */
  readonly providerFolder: string;
  /** Whether the system's loader finds a library, by its file name. */
  canLoad(library: string): boolean;
  /** Device files of GPUs; undefined where the platform has none to look at. */
  readonly devices: readonly string[] | undefined;
}

interface Requirements {
  readonly providers: Readonly<Record<ProviderName, readonly string[]>>;
  readonly driver: string;
  /** CUDA 13 and cuDNN 9, which ONNX Runtime 1.30 is built with. */
  readonly libraries: readonly string[];
  /** TensorRT 10, likewise. */
  readonly tensorRt: readonly string[];
}

const REQUIREMENTS: Readonly<Record<string, Requirements>> = {
  "linux-x64": {
    providers: {
      cuda: ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"],
      tensorrt: ["libonnxruntime_providers_tensorrt.so"],
    },
    driver: "libcuda.so.1",
    libraries: [
      "libcudart.so.13",
      "libcublas.so.13",
      "libcublasLt.so.13",
      "libcurand.so.10",
      "libcudnn.so.9",
    ],
    tensorRt: ["libnvinfer.so.10", "libnvonnxparser.so.10"],
  },
  "win32-x64": {
    providers: {
      cuda: ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"],
      tensorrt: ["onnxruntime_providers_tensorrt.dll"],
    },
    driver: "nvcuda.dll",
    libraries: [
      "cudart64_13.dll",
      "cublas64_13.dll",
      "cublasLt64_13.dll",
      "curand64_10.dll",
      "cudnn64_9.dll",
    ],
    tensorRt: ["nvinfer_10.dll", "nvonnxparser_10.dll"],
  },
};

/** Asks the system's own loader, which alone knows every place it looks in. */
function canLoad(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library);
    return true;
  } catch (error) {
    // Found and loaded; it is only not an addon of Node.js.
    return error instanceof Error && error.message.includes("did not self-register");
  }
}

function deviceFiles(): readonly string[] | undefined {
  if (process.platform !== "linux") return undefined;
  return readdirSync("/dev").filter((name) => /^nvidia\d+$|^dxg$/u.test(name));
}

/** The machine that this process runs on. */
export function thisMachine(providerFolder: string): Machine {
  return {
    platform: process.platform,
    architecture: process.arch,
    providerFolder,
    canLoad,
    devices: deviceFiles(),
  };
}

/** What is missing, a sentence for each; empty if everything that can be seen is there. */
export function findMissing(machine: Machine, provider: ProviderName = "cuda"): readonly string[] {
  const name = `${machine.platform}-${machine.architecture}`;
  const requirements = REQUIREMENTS[name];
  if (requirements === undefined) {
    return [`CUDA needs ${Object.keys(REQUIREMENTS).join(" or ")}, but this is ${name}.`];
  }
  const isTensorRt = provider === "tensorrt";
  const missing: string[] = [];
  const { cuda, tensorrt } = requirements.providers;
  const providers = [...cuda, ...(isTensorRt ? tensorrt : [])].filter(
    (file) => !existsSync(join(machine.providerFolder, file)),
  );
  if (providers.length > 0) {
    missing.push(
      `ONNX Runtime's ${isTensorRt ? "TensorRT" : "CUDA"} provider is not installed: ${providers.join(", ")} not found in ${machine.providerFolder}.`,
    );
  }
  const installed = installedLibraries(machine.providerFolder);
  const isMissing = (library: string): boolean =>
    !installed.includes(library) && !machine.canLoad(library);
  const libraries = requirements.libraries.filter(isMissing);
  if (libraries.length > 0) {
    missing.push(
      `Libraries of CUDA 13 or cuDNN 9 are not on the library path: ${libraries.join(", ")}.`,
    );
  }
  const tensorRt = isTensorRt ? requirements.tensorRt.filter(isMissing) : [];
  if (tensorRt.length > 0) {
    missing.push(`Libraries of TensorRT 10 are not on the library path: ${tensorRt.join(", ")}.`);
  }
  if (isMissing(requirements.driver)) {
    missing.push(`The NVIDIA driver is not installed: ${requirements.driver} not found.`);
  }
  if (machine.devices?.length === 0) {
    missing.push("There is no NVIDIA GPU: no /dev/nvidia0.");
  }
  return missing;
}

/**
 * What to do about it, an imperative sentence: nothing that is installed helps where there is no GPU.
 * @param missing from {@link findMissing}.
 */
export function installHint(missing: readonly string[]): string {
  const [noProvider, noLibrary] = [/provider is not installed/u, /CUDA 13 or cuDNN 9/u].map(
    (pattern) => missing.some((sentence) => pattern.test(sentence)),
  );
  const isHopeless = missing.some((sentence) => /no NVIDIA GPU|CUDA needs/u.test(sentence));
  if (isHopeless || !(noProvider === true || noLibrary === true)) {
    return "Use the cpu or webgpu runtime, or see to the NVIDIA driver and GPU.";
  }
  const option = noLibrary === true ? " --with-libraries" : "";
  return `Run: latentsync-ts runtime install cuda${option}. Or use the cpu or webgpu runtime.`;
}

/**
 * The numbers of the GPUs that this process can use, from 0, as `deviceId` takes them. Heeds
 * `CUDA_VISIBLE_DEVICES`, after which CUDA numbers the visible ones anew.
 */
export function listCudaDevices(): readonly number[] {
  return cudaDevices(deviceFiles(), process.env["CUDA_VISIBLE_DEVICES"]);
}

/** {@link listCudaDevices} of a machine's device files and variable. */
export function cudaDevices(
  devices: readonly string[] | undefined,
  visible: string | undefined,
): readonly number[] {
  // Windows and WSL show no file for each; there, the first is all that is known.
  const files = devices?.filter((name) => /^nvidia\d+$/u.test(name)).length ?? 0;
  const isOpaque = devices === undefined || devices.includes("dxg");
  const present = isOpaque ? Math.max(files, 1) : files;
  const count = visible === undefined ? present : countVisible(visible, present);
  return Array.from({ length: count }, (_, index) => index);
}

/** CUDA takes entries up to the first that names no device. */
function countVisible(visible: string, present: number): number {
  const entries = visible.split(",").map((entry) => entry.trim());
  const end = entries.findIndex(
    (entry) => !(/^\d+$/u.test(entry) && Number(entry) < present) && !/^(?:GPU|MIG)-/u.test(entry),
  );
  return Math.min(end === -1 ? entries.length : end, present);
}
