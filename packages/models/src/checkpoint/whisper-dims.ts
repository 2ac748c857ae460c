/** Whisper's `dims`, as its checkpoints hold them, in camel case. */
import { ConfigSection } from "./config-section.ts";

export interface WhisperDims {
  /** `n_mels`: mel bands. */
  readonly nMels: number;
  /** `n_audio_ctx`: positions of the encoder, half the mel frames of a window. */
  readonly nAudioCtx: number;
  /** `n_audio_state`: width of the encoder. */
  readonly nAudioState: number;
  /** `n_audio_head`: attention heads of the encoder. */
  readonly nAudioHead: number;
  /** `n_audio_layer`: blocks of the encoder. */
  readonly nAudioLayer: number;
  readonly nVocab: number;
  readonly nTextCtx: number;
  readonly nTextState: number;
  readonly nTextHead: number;
  readonly nTextLayer: number;
}

/**
 * Reads the dims of a Whisper checkpoint.
 * @param values the checkpoint's `dims`.
 * @param file name of the file, for messages.
 * @throws LatentSyncError `invalid_model` that names the key and what was expected.
 */
export function parseWhisperDims(values: unknown, file = "the Whisper checkpoint"): WhisperDims {
  const section = new ConfigSection(values, file, "dims");
  const text = { minimum: 0, maximum: 2 ** 24 } as const;
  const dims: WhisperDims = {
    nMels: section.integer("n_mels"),
    nAudioCtx: section.integer("n_audio_ctx"),
    nAudioState: section.integer("n_audio_state"),
    nAudioHead: section.integer("n_audio_head"),
    nAudioLayer: section.integer("n_audio_layer", { maximum: 256 }),
    nVocab: section.integer("n_vocab", text),
    nTextCtx: section.integer("n_text_ctx", text),
    nTextState: section.integer("n_text_state", text),
    nTextHead: section.integer("n_text_head", text),
    nTextLayer: section.integer("n_text_layer", text),
  };
  section.refuseUnknown();
  return dims;
}
