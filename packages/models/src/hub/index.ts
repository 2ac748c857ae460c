export { type ModelLicence, type PublishedModelName } from "./published-models.ts";
export {
  findPulledModel,
  type ListedModel,
  listModels,
  type PulledModel,
  pullModel,
  type PullEvent,
  type PullOptions,
  type VerifiedFile,
  verifyModel,
} from "./pull.ts";
