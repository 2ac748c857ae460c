export { cacheFolder, type CacheFolderOptions } from "./cache-folder.ts";
export { hashFile, type HashFileOptions } from "./file-hash.ts";
export { GraphCache, type GraphCacheBuild, type GraphCacheEntry } from "./graph-cache.ts";
