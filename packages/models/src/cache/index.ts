export { cacheFolder, type CacheFolderOptions } from "./cache-folder.ts";
export { computeSha256, hashFile, type HashFileOptions } from "./file-hash.ts";
export { GraphCache, type GraphCacheBuild, type GraphCacheEntry } from "./graph-cache.ts";
export {
  createSegmentFolder,
  type SegmentFingerprint,
  type SegmentFolderOptions,
} from "./segment-folder.ts";
