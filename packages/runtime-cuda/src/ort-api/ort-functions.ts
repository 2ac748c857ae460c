/**
 * Where functions lie in ONNX Runtime's C API, a table that only ever grows at its end. Positions and
 * parameters follow `onnxruntime_c_api.h` of ONNX Runtime, MIT, of API version 14 (release 1.14).
 */

/** The version of the table that is asked for: the oldest that has everything below. */
export const API_VERSION = 14;

/** Kinds of parameters; `result`, `count`, `number` and `addresses` are filled in. */
export type ParameterKind =
  | "pointer"
  | "text"
  | "path"
  | "int"
  | "size"
  | "long"
  | "longs"
  | "texts"
  | "pointers"
  | "addresses"
  | "result"
  | "count"
  | "number";

/** Functions that return a status: null, or what went wrong. Position, then parameters. */
export const CHECKED = {
  CreateEnv: [3, "int", "text", "result"],
  CreateSession: [7, "pointer", "path", "pointer", "result"],
  CreateSessionFromArray: [8, "pointer", "pointer", "size", "pointer", "result"],
  Run: [9, "pointer", "pointer", "texts", "pointers", "size", "texts", "size", "addresses"],
  CreateSessionOptions: [10, "result"],
  DisableMemPattern: [17, "pointer"],
  SetSessionLogSeverityLevel: [22, "pointer", "int"],
  SetSessionGraphOptimizationLevel: [23, "pointer", "int"],
  SetIntraOpNumThreads: [24, "pointer", "int"],
  SetInterOpNumThreads: [25, "pointer", "int"],
  SessionGetInputCount: [30, "pointer", "count"],
  SessionGetOutputCount: [31, "pointer", "count"],
  SessionGetInputTypeInfo: [33, "pointer", "size", "result"],
  SessionGetOutputTypeInfo: [34, "pointer", "size", "result"],
  SessionGetInputName: [36, "pointer", "size", "pointer", "result"],
  SessionGetOutputName: [37, "pointer", "size", "pointer", "result"],
  CreateTensorWithDataAsOrtValue: [
    49,
    "pointer",
    "pointer",
    "size",
    "longs",
    "size",
    "int",
    "result",
  ],
  GetTensorMutableData: [51, "pointer", "result"],
  CastTypeInfoToTensorInfo: [55, "pointer", "result"],
  GetTensorElementType: [60, "pointer", "number"],
  GetDimensionsCount: [61, "pointer", "count"],
  GetDimensions: [62, "pointer", "longs", "size"],
  GetSymbolicDimensions: [63, "pointer", "addresses", "size"],
  GetTensorTypeAndShape: [65, "pointer", "result"],
  CreateCpuMemoryInfo: [69, "int", "int", "result"],
  AllocatorFree: [76, "pointer", "pointer"],
  GetAllocatorWithDefaultOptions: [78, "result"],
  AddFreeDimensionOverrideByName: [124, "pointer", "text", "long"],
  AddSessionConfigEntry: [130, "pointer", "text", "text"],
  SessionOptionsAppendExecutionProvider_TensorRT_V2: [170, "pointer", "pointer"],
  CreateTensorRTProviderOptions: [171, "result"],
  UpdateTensorRTProviderOptions: [172, "pointer", "texts", "texts", "size"],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, "pointer", "pointer"],
  CreateCUDAProviderOptions: [205, "result"],
  UpdateCUDAProviderOptions: [206, "pointer", "texts", "texts", "size"],
} as const;

export type CheckedName = keyof typeof CHECKED;

/** Positions of functions that give back what another made. */
export const RELEASES = {
  ReleaseEnv: 92,
  ReleaseStatus: 93,
  ReleaseMemoryInfo: 94,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseTypeInfo: 98,
  ReleaseTensorTypeAndShapeInfo: 99,
  ReleaseSessionOptions: 100,
  ReleaseTensorRTProviderOptions: 174,
  ReleaseCUDAProviderOptions: 208,
} as const;

export type ReleaseName = keyof typeof RELEASES;

/** The words of a failed call's status. */
export const GET_ERROR_MESSAGE = 2;

/** One more than the last position above. */
export const TABLE_LENGTH = 209;
