/** A Vulkan device in software, so that GPU runtimes are tested where there is no GPU. */
import { existsSync, readdirSync } from "node:fs";

/** Where Debian's `chromium` package and other builds of Chromium have SwiftShader's description. */
const DRIVERS: readonly string[] = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

function hasGpu(): boolean {
  if (existsSync("/dev/nvidia0")) return true;
  return (
    existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("render"))
  );
}

/**
 * Has Vulkan use SwiftShader in this process, if there is no GPU and nobody chose a driver. To be called
 * before Vulkan is loaded.
 * @returns whether Vulkan computes in software.
 */
export function useSoftwareVulkan(): boolean {
  if (process.env["VK_DRIVER_FILES"] === undefined && !hasGpu()) {
    const driver = DRIVERS.find((path) => existsSync(path));
    if (driver !== undefined) process.env["VK_DRIVER_FILES"] = driver;
  }
  return process.env["VK_DRIVER_FILES"]?.includes("swiftshader") ?? false;
}
