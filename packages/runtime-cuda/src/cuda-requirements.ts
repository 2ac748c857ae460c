/** What ONNX Runtime's CUDA provider needs on a machine, and what of it is missing. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

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
  readonly providers: readonly string[];
  readonly driver: string;
  /** CUDA 13 and cuDNN 9, which ONNX Runtime 1.30 is built with. */
  readonly libraries: readonly string[];
}

const REQUIREMENTS: Readonly<Record<string, Requirements>> = {
  "linux-x64": {
    providers: ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"],
    driver: "libcuda.so.1",
    libraries: [
      "libcudart.so.13",
      "libcublas.so.13",
      "libcublasLt.so.13",
      "libcurand.so.10",
      "libcudnn.so.9",
    ],
  },
  "win32-x64": {
    providers: ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"],
    driver: "nvcuda.dll",
    libraries: [
      "cudart64_13.dll",
      "cublas64_13.dll",
      "cublasLt64_13.dll",
      "curand64_10.dll",
      "cudnn64_9.dll",
    ],
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
export function findMissing(machine: Machine): readonly string[] {
  const name = `${machine.platform}-${machine.architecture}`;
  const requirements = REQUIREMENTS[name];
  if (requirements === undefined) {
    return [`CUDA needs ${Object.keys(REQUIREMENTS).join(" or ")}, but this is ${name}.`];
  }
  const missing: string[] = [];
  const providers = requirements.providers.filter(
    (file) => !existsSync(join(machine.providerFolder, file)),
  );
  if (providers.length > 0) {
    missing.push(
      `ONNX Runtime's CUDA provider is not installed: ${providers.join(", ")} not found in ${machine.providerFolder}.`,
    );
  }
  const libraries = requirements.libraries.filter((library) => !machine.canLoad(library));
  if (libraries.length > 0) {
    missing.push(
      `Libraries of CUDA 13 or cuDNN 9 are not on the library path: ${libraries.join(", ")}.`,
    );
  }
  if (!machine.canLoad(requirements.driver)) {
    missing.push(`The NVIDIA driver is not installed: ${requirements.driver} not found.`);
  }
  if (machine.devices?.length === 0) {
    missing.push("There is no NVIDIA GPU: no /dev/nvidia0.");
  }
  return missing;
}
