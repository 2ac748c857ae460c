export { type Articulation, restingArticulation } from "./articulation.ts";
export { applyCamera, type CameraOptions } from "./head/camera.ts";
export {
  drawHead,
  type HeadPlacement,
  type HeadState,
  type HeadView,
  renderHead,
} from "./head/draw-head.ts";
export { alignmentPoints } from "./head/head-points.ts";
export { type HeadPose, poseAt, restingPose } from "./head/head-pose.ts";
export {
  type BackgroundStyle,
  type BeardStyle,
  type ClothesStyle,
  createPerson,
  type GlassesStyle,
  type HairStyle,
  type Person,
} from "./head/person.ts";
export {
  renderTalkingHead,
  talkingHeadPlacement,
  type TalkingHeadOptions,
  talkingHeadState,
} from "./head/talking-head.ts";
export { createSentence, FIRST_HELD_OUT_SEED } from "./speech/sentences.ts";
export {
  type Phone,
  type SpeechOptions,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "./speech/speech-synthesis.ts";
export { createVoice, type Voice } from "./speech/voice.ts";
export { RandomNumbers } from "./random.ts";
