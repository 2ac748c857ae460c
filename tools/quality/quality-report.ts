/** The figures of all variants, as they are kept in docs/quality.json. */
import type { SamplingSettings } from "@ls/core";
import type { Figures } from "./measure-variant.ts";
import type { Lever } from "./variants.ts";

export interface VariantReport {
  readonly name: string;
  readonly lever: Lever;
  readonly settings: SamplingSettings;
  /** Of the UNet, for each chunk: both branches of a guided step count. */
  readonly fullForwards: number;
  readonly shallowForwards: number;
  /** UNet and VAE, at full size, by counting; exact is 1. */
  readonly relativeWork: number;
  /** The networks' time with the model that was measured, if the machine was quiet; exact is 1. */
  readonly relativeSeconds?: number;
  /** Medians over the clips. */
  readonly figures: Figures;
  /** Of the clip where the mouth is least like the exact one. */
  readonly lowestPsnrToExactDb: number;
}

export interface QualityReport {
  readonly model: string;
  readonly modelHash: string;
  readonly runtime: string;
  readonly clips: number;
  readonly secondsPerClip: number;
  readonly variants: readonly VariantReport[];
}
