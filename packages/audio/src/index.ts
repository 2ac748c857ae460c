export { logMelSpectrogram, measureSpeech, melBands, type SpeechMeasure } from "./log-mel.ts";
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
  speechStateCount,
  type WhisperWindow,
  whisperWindows,
  windowMelFrames,
} from "./whisper-windows.ts";
