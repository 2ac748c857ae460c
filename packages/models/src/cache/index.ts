export { GraphCache, type GraphCacheBuild, type GraphCacheEntry } from "./graph-cache.ts";
export {
  createSegmentFolder,
  type SegmentFingerprint,
  type SegmentFolderOptions,
} from "./segment-folder.ts";
