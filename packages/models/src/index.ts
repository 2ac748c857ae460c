export * from "./cache/index.ts";
export * from "./checkpoint/index.ts";
export * from "./graph/index.ts";
export * from "./hub/index.ts";
export * from "./model/index.ts";
export * from "./networks/index.ts";
