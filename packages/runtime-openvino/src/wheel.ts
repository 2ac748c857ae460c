/** What of PyPI's `openvino` wheel this package needs, for whoever installs it. */
import type { RuntimeParts } from "@ls/files";

/** The release that `latentsync-ts runtime install openvino` installs. */
export const OPENVINO_VERSION = "2026.4.1";

/** How 2026.4.1 ends the names of its libraries. */
const SUFFIX = "2641";

/** The C API, the CPU device, ONNX models and threads; neither Python nor GPUs nor other formats. */
const NEEDED =
  /^openvino\/libs\/((?:lib)?(?:openvino(?:_c|_onnx_frontend|_(?:intel|arm)_cpu_plugin)?|tbb(?:12|bind_2_5|malloc)?|hwloc)(?:\.\d+)?\.(?:so|dylib|dll)(?:\.\d+)?)$/u;

const LICENCES = /^openvino-[^/]+\.dist-info\/(licenses\/.+)$/u;

/** Files without which nothing works, by platform. */
const REQUIRED: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: [
    `libopenvino_c.so.${SUFFIX}`,
    `libopenvino.so.${SUFFIX}`,
    `libopenvino_onnx_frontend.so.${SUFFIX}`,
    "libtbb.so.12",
  ],
  darwin: [
    `libopenvino_c.${SUFFIX}.dylib`,
    `libopenvino.${SUFFIX}.dylib`,
    `libopenvino_onnx_frontend.${SUFFIX}.dylib`,
    "libtbb.12.dylib",
  ],
  win32: ["openvino_c.dll", "openvino.dll", "openvino_onnx_frontend.dll", "tbb12.dll"],
};

/**
 * What `latentsync-ts runtime install openvino` puts into the runtime's folder, where this package
 * looks for it: the libraries side by side, and their licences.
 * @param platform default: the process's own.
 */
export function openVinoParts(platform: NodeJS.Platform = process.platform): RuntimeParts {
  return {
    name: "openvino",
    version: OPENVINO_VERSION,
    wheels: [
      {
        project: "openvino",
        version: OPENVINO_VERSION,
        place: (path) => NEEDED.exec(path)?.[1] ?? LICENCES.exec(path)?.[1],
        required: REQUIRED[platform] ?? [],
      },
    ],
  };
}
