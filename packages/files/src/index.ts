export { FileSink, writeAtomically } from "./atomic-file.ts";
export {
  download,
  type DownloadEvent,
  type DownloadOptions,
  type RemoteContent,
} from "./download.ts";
export { systemCode, toFileError } from "./file-error.ts";
export { computeSha256, hashFile, type HashFileOptions } from "./file-hash.ts";
export { acquireLock } from "./file-lock.ts";
export { cacheFolder, dataFolder, type FolderOptions, runtimeFolder } from "./folders.ts";
export {
  formatOwner,
  isGone,
  parseOwner,
  type ProcessOwner,
  thisProcess,
} from "./process-owner.ts";
export { AttemptError, mayRecover, RequestClient, type RequestClientOptions } from "./requests.ts";
export {
  type InstalledFile,
  installedFiles,
  type InstalledRuntime,
  type InstalledSource,
  isInstalledIntact,
  listInstalledRuntimes,
  readInstalledRuntime,
  removeRuntime,
} from "./wheels/installed-runtime.ts";
export {
  installRuntime,
  type InstallRuntimeOptions,
  type RuntimeInstallEvent,
  type RuntimeParts,
  type WheelPart,
} from "./wheels/runtime-install.ts";
export { compareVersions, type WheelPlatform } from "./wheels/wheel-name.ts";
