import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
// A UMD bundle whose named exports Node cannot see, while its declaration has no default export.
const wavefile = require("wavefile") as typeof import("wavefile");

/** The `wavefile` library's class. */
export const WaveFile: typeof import("wavefile").WaveFile = wavefile.WaveFile;
