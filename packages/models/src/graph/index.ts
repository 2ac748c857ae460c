export type { Dimension, ElementArray, ElementType } from "./element-type.ts";
export {
  type Attribute,
  type Constant,
  float,
  Graph,
  type Initializer,
  type ModuleOutput,
  type Node,
  type OpOptions,
  type Port,
  type Value,
} from "./graph.ts";
export {
  encodeGraph,
  type NamedGraph,
  writeGraph,
  writeGraphs,
  type WriteGraphsOptions,
} from "./write-graph.ts";
export { type GraphWork, openWorkCounter, type WorkCounter } from "./count-work.ts";
