export {
  logMelSpectrogram,
  measureSpeech,
  melBands,
  type SoundObserver,
  type SpeechMeasure,
} from "./log-mel.ts";
export { SpeechActivityMeter } from "./speech-activity.ts";
export { speechSampleRateHz } from "./mono-resampler.ts";
export { decodeSpeech, probeSound, type SoundInfo } from "./speech-decoder.ts";
export {
  createSpeechEncoder,
  type SpeechEncoderOptions,
  type SpeechSource,
} from "./speech-encoder.ts";
export { writeWav } from "./wav-writer.ts";
export {
  type FrameFeatureOptions,
  WhisperFeatureStream,
  type WhisperStateShape,
  whisperStateShape,
} from "./whisper-feature-stream.ts";
export {
  planWindows,
  speechStateCount,
  type WhisperWindow,
  whisperWindows,
  type WindowLayout,
  type WindowPlace,
  windowMelFrames,
} from "./whisper-windows.ts";
