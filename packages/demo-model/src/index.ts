export {
  type DemoModelFile,
  demoModelFolder,
  type DemoModelManifest,
  type DemoModelOptions,
  readDemoModelManifest,
} from "./manifest.ts";
export { verifyDemoModel } from "./verify.ts";
